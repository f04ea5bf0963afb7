from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

from quicmatrix.reports import junit
from quicmatrix.runner.model.run import RunResult, TestInfo
from quicmatrix.runner.model.verdict import Outcome, Verdict
from quicmatrix.runner.results.run_view import run_view
from tests.support.golden_run import (
    HELD,
    KNOWN_FAILURE,
    PASSED,
    RETRY,
    TOKEN_LOST,
    job,
    one_job_run,
)


def parsed(result: RunResult) -> ET.Element:
    return ET.fromstring(junit.render(run_view(result)))


def case_of(root: ET.Element, pair: str, name: str) -> ET.Element:
    (found,) = root.findall(f"testsuite/testcase[@classname='{pair}'][@name='{name}']")
    return found


def facts(element: ET.Element) -> dict[str, str]:
    return {one.attrib["name"]: one.attrib["value"] for one in element.findall("properties/*")}


def test_it_is_written_into_the_run_s_folder(golden: RunResult, tmp_path: Path) -> None:
    path = junit.write(run_view(golden), tmp_path)
    assert path == tmp_path / "junit.xml"
    assert ET.parse(path).getroot().tag == "testsuites"


def test_each_pair_is_a_suite_and_each_attempt_a_case(golden: RunResult) -> None:
    root = parsed(golden)
    assert [suite.attrib["name"] for suite in root.findall("testsuite")] == [
        "client reference, server reference",
        "client reference, server ngtcp2",
        "client ngtcp2, server reference",
    ]
    assert len(root.findall("testsuite/testcase")) == len(golden.jobs)


def test_what_is_known_is_skipped_with_reason_and_link() -> None:
    run = replace(one_job_run(Verdict(Outcome.FAILED, "no migration")), known=(KNOWN_FAILURE,))
    root = parsed(run)
    (skipped,) = root.iter("skipped")
    said = "failed: no migration; known of a as client: has no API for it, https://example.org/25"
    assert skipped.attrib["message"] == said
    assert (root.attrib["failures"], root.attrib["skipped"]) == ("0", "1")


def test_an_unexpected_pass_is_a_failure() -> None:
    root = parsed(replace(one_job_run(PASSED), known=(KNOWN_FAILURE,)))
    (failure,) = root.iter("failure")
    assert failure.attrib["type"] == "unexpected pass"
    assert failure.attrib["message"].startswith("unexpected pass: handshake with a as client")
    assert root.attrib["failures"] == "1"


def test_sums_count_the_elements_below_them(golden: RunResult) -> None:
    root = parsed(golden)
    for element in (root, *root.findall("testsuite")):
        assert int(element.attrib["tests"]) == len(list(element.iter("testcase")))
        assert int(element.attrib["failures"]) == len(list(element.iter("failure")))
        assert int(element.attrib["errors"]) == len(list(element.iter("error")))
        assert int(element.attrib["skipped"]) == len(list(element.iter("skipped")))
    assert {key: root.attrib[key] for key in ("failures", "errors", "skipped")} == {
        "failures": "5",
        "errors": "2",
        "skipped": "1",
    }


def test_what_endpoints_did_is_a_failure_and_what_we_cannot_tell_an_error() -> None:
    wanted = {
        Outcome.PASSED: None,
        Outcome.FAILED: "failure",
        Outcome.TIMEOUT: "failure",
        Outcome.CRASHED: "failure",
        Outcome.NONCONFORMANT: "failure",
        Outcome.INCONCLUSIVE: "error",
        Outcome.ERROR: "error",
        Outcome.UNSUPPORTED: "skipped",
    }
    for outcome, tag in wanted.items():
        run = one_job_run(Verdict(outcome, "why"))
        case = case_of(parsed(run), "a_b", "handshake")
        endings = [child.tag for child in case if child.tag != "properties"]
        assert not tag or tag == "skipped" or case.find(tag).attrib["type"] == outcome  # type: ignore[union-attr]
        assert endings == ([tag] if tag else [])
        if tag:
            assert case.find(tag).attrib["message"] == f"{outcome}: why"  # type: ignore[union-attr]


def test_a_failure_says_what_where_and_how_to_repeat_it(golden: RunResult) -> None:
    failure = case_of(parsed(golden), "reference_ngtcp2", "retry").find("failure")
    assert failure is not None
    assert failure.text is not None
    for part in (
        "client reference, server ngtcp2: retry",
        "MUST: The client repeats the Retry's token in all Initial packets",
        "[RFC 9000, 8.1.2]",
        "by the client: the token is not the Retry's",
        "left capture, frame 5, 0.062 s: Initial 2",
        "bundle: ngtcp2_reference/retry",
        "again: quicmatrix run -c reference -s ngtcp2 -t retry --seed 42",
    ):
        assert part in failure.text


def test_repetitions_have_numbers_and_single_attempts_keep_their_name(golden: RunResult) -> None:
    names = [case.attrib["name"] for case in parsed(golden).iter("testcase")]
    assert [name for name in names if name.startswith("handshakeloss")] == [
        "handshakeloss 1",
        "handshakeloss 2",
        "handshakeloss 3",
        "handshakeloss",
        "handshakeloss",
    ]


def test_properties_hold_what_a_later_look_needs(golden: RunResult) -> None:
    root = parsed(golden)
    suite = facts(root.findall("testsuite")[1])
    assert suite["client"] == "reference"
    assert suite["server"] == "ngtcp2"
    assert suite["complete"] == "false"
    assert suite["tshark"] == "4.0.17"
    case = facts(case_of(root, "reference_reference", "v2"))
    assert case["quic_version"] == "v2"
    assert case["seed"] == "42"


def test_hostile_text_is_shown_and_stays_text(golden: RunResult) -> None:
    failure = case_of(parsed(golden), "ngtcp2_reference", "handshakeloss").find("failure")
    assert failure is not None
    assert failure.attrib["message"].startswith(r"failed: <script>alert(1)</script> \x1b[2J")
    assert not list(failure)


def test_text_that_xml_cannot_hold_still_gives_xml() -> None:
    run = one_job_run(Verdict(Outcome.FAILED, "\x00\x0b\ud800\uffff ]]> end"))
    case = case_of(parsed(run), "a_b", "handshake")
    assert case.find("failure").attrib["message"].endswith(r"\x00\x0b\ud800\uffff ]]> end")  # type: ignore[union-attr]


def test_a_flood_of_packets_is_cut_and_counted() -> None:
    (violation,) = TOKEN_LOST.violations
    flood = replace(TOKEN_LOST, violations=(replace(violation, evidence=violation.evidence * 100),))
    failure = parsed(one_job_run(Verdict(Outcome.FAILED, "why", (flood,)))).find(".//failure")
    assert failure is not None
    assert failure.text is not None
    assert failure.text.count("capture, frame") == junit.MOST_LINES
    assert "and 290 packets more" in failure.text


def test_an_empty_run_is_still_a_document() -> None:
    root = parsed(replace(one_job_run(Verdict(Outcome.PASSED)), jobs=()))
    assert root.attrib["tests"] == "0"


def test_nonconformant_cases_are_counted_apart_in_their_suite(golden: RunResult) -> None:
    suites = parsed(golden).findall("testsuite")
    assert [facts(suite)["nonconformant"] for suite in suites] == ["0", "1", "0"]
    failure = case_of(parsed(golden), "reference_ngtcp2", "rebind-port").find("failure")
    assert failure is not None
    assert failure.attrib["type"] == "nonconformant"
    assert failure.attrib["message"].startswith("nonconformant: path_response_is_expanded")


def test_system_out_has_a_line_for_each_requirement(golden: RunResult) -> None:
    case = case_of(parsed(golden), "reference_ngtcp2", "retry")
    assert facts(case)["requirements"] == "2 violated, 1 undetermined, 1 not exercised, 1 held"
    out = case.findtext("system-out")
    assert out is not None
    lines = out.splitlines()
    assert len(lines) == 5
    assert lines[0] == (
        f"violated: MUST: {TOKEN_LOST.text} [RFC 9000, 8.1.2]: "
        "once, first: the token is not the Retry's"
    )
    assert lines[-1] == (
        f"held: TEST: {HELD.text} [RFC 9001, 4.1.1]: "
        "2 times, first in left capture, frame 4, 0.035 s: Handshake 1"
    )


def test_two_tests_with_one_letter_are_two_cases() -> None:
    twin = TestInfo("hello-retry", "S", "Another test with the letter of retry.", "simple-p2p")
    jobs = (job("a", "b", RETRY, PASSED), job("a", "b", twin, Verdict(Outcome.FAILED)))
    root = parsed(replace(one_job_run(PASSED), tests=(RETRY, twin), jobs=jobs))
    assert case_of(root, "a_b", "retry").find("failure") is None
    assert case_of(root, "a_b", "hello-retry").find("failure") is not None
