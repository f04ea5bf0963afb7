from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from quicmatrix.reports import html
from quicmatrix.runner.model.run import RunResult, TestInfo
from quicmatrix.runner.model.verdict import Outcome, RecordedViolation, Verdict
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results.matrix import MARKS
from quicmatrix.runner.results.run_view import run_view
from quicmatrix.runner.trace.model import Side
from tests.support.golden_run import (
    HANDSHAKE,
    HELD,
    HOSTILE,
    KNOWN_FAILURE,
    NOT_EXERCISED,
    PASSED,
    RETRY,
    TOKEN_LOST,
    job,
    one_job_run,
)
from tests.support.html_page import Page


def test_what_is_known_has_a_card_with_its_reason_and_link() -> None:
    run = replace(one_job_run(Verdict(Outcome.FAILED, "no migration")), known=(KNOWN_FAILURE,))
    text = rendered(run)
    assert '<section id="known">' in text
    assert '<section id="attention">' not in text
    assert "known of a as client: has no API for it" in text
    assert '<a href="https://example.org/25">' in text
    hostile = replace(KNOWN_FAILURE, link="javascript:alert(1)", reason="<blink>")
    text = rendered(replace(run, known=(hostile,)))
    assert "javascript:" not in text
    assert "<blink>" not in text


def rendered(result: RunResult) -> str:
    return html.render(run_view(result))


@pytest.fixture
def page(golden: RunResult) -> Page:
    return Page(rendered(golden))


def test_it_is_written_into_the_run_s_folder(golden: RunResult, tmp_path: Path) -> None:
    path = html.write(run_view(golden), tmp_path)
    assert path == tmp_path / "index.html"
    assert path.read_text(encoding="utf-8") == rendered(golden)


def test_nothing_on_it_is_loaded_or_run(page: Page) -> None:
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    names = {name for _, attributes in page.elements for name in attributes}
    assert not {name for name in names if name.startswith("on")}
    assert not names & {"src", "srcset", "style", "action"}


def test_its_policy_allows_its_own_style_and_nothing_else(golden: RunResult) -> None:
    text = rendered(golden)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in text
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_every_link_on_the_page_arrives(page: Page) -> None:
    ids = page.all("id")
    assert len(ids) == len(set(ids))
    targets = {href[1:] for href in page.all("href") if href.startswith("#")}
    assert targets
    assert targets <= set(ids)


def test_every_other_link_goes_to_an_rfc_a_project_or_the_run_s_folder(page: Page) -> None:
    for href in page.all("href"):
        assert href.startswith(("#", "./", "https://www.rfc-editor.org/")) or href == (
            "https://example.org/quicmatrix"
        ), href
        assert ".." not in href


def test_every_label_is_given_once_and_clients_are_rows(page: Page) -> None:
    assert "client ↓ server → server reference server ngtcp2 client reference" in page.text


def test_every_cell_says_its_outcome_in_words_and_leads_to_its_details(page: Page) -> None:
    chips = {
        attributes["title"]: (attributes["class"], attributes["href"])
        for tag, attributes in page.elements
        if tag == "a" and attributes.get("class", "").startswith("chip")
    }
    assert chips["retry: failed (client reference, server ngtcp2)"] == (
        "chip failed",
        "#why_reference_ngtcp2_retry_1",
    )
    assert chips["rebind-port: nonconformant (client reference, server ngtcp2)"] == (
        "chip nonconformant",
        "#why_reference_ngtcp2_rebind-port_1",
    )
    assert chips["handshake: passed (client reference, server ngtcp2)"] == (
        "chip passed",
        "#reference_ngtcp2_handshake_1",
    )
    assert chips["handshakeloss: timeout, 2 of 3 passed (client reference, server reference)"] == (
        "chip timeout flaky",
        "#why_reference_reference_handshakeloss_2",
    )
    assert len(chips) == 12


def test_what_was_not_run_is_not_shown_as_anything_else(page: Page) -> None:
    assert "v2: not run" in page.all("title")
    assert "client ngtcp2" in page.text
    assert "not run" in page.text


def test_outcomes_have_the_marks_that_they_have_in_the_terminal(page: Page) -> None:
    for outcome in Outcome:
        assert f"{MARKS[outcome]} {outcome} " in page.text


def test_a_flaky_cell_has_its_outcome_s_mark_and_its_score(page: Page) -> None:
    assert f"{MARKS[Outcome.TIMEOUT]}L1(2/3)" in page.text.replace(" ", "")


def test_every_outcome_has_a_colour_of_its_own(golden: RunResult) -> None:
    text = rendered(golden)
    rules = {
        outcome: re.search(rf"\.badge\.{outcome} {{(.*?)}}", text).group(1)  # type: ignore[union-attr]
        for outcome in Outcome
    }
    assert len(set(rules.values())) == len(Outcome)


def test_a_failure_says_what_where_and_how_to_repeat_it(page: Page) -> None:
    for part in (
        "the token is not the Retry's",
        "MUST The client repeats the Retry's token in all Initial packets",
        "it sends afterwards. RFC 9000, 8.1.2",
        "By the client the token is not the Retry's",
        "Initial 2 left (client's side) 5 0.062 s",
        "frame.number in {3, 5}",
        "frame.number == 4",
        "quicmatrix run -c reference -s ngtcp2 -t retry --seed 42",
    ):
        assert part in page.text
    hrefs = page.all("href")
    assert "https://www.rfc-editor.org/rfc/rfc9000.html#section-8.1.2" in hrefs
    assert "./ngtcp2_reference/retry/sim/trace_node_left.pcap" in hrefs
    assert "./ngtcp2_reference/retry/sim/trace_node_right.pcap" in hrefs
    assert "./ngtcp2_reference/retry/client/output.log" in hrefs
    assert "./ngtcp2_reference/retry/server/output.log" in hrefs


def test_it_has_the_facts_of_the_run(page: Page) -> None:
    for part in (
        "6 of 14 attempts need attention, 1 more is nonconformant",
        "Stopped early: 14 of 19 planned attempts were done.",
        "2026-11-23 17:15:03 UTC",
        "12 min 34 s",
        "tshark 4.0.17",
        "quicmatrix run -c reference,ngtcp2 -s reference,ngtcp2 --seed 42",
        "repetition 2; 2 of 3 passed",
        "0xff00001d",
    ):
        assert part in page.text


def test_hostile_text_is_shown_and_stays_text(page: Page) -> None:
    assert " ".join(printable(HOSTILE).split()) in page.text


def test_hostile_names_stay_text_wherever_they_stand() -> None:
    evil = '"><img src=x onerror=alert(1)>{{ 7 * 7 }}'
    run = one_job_run(Verdict(Outcome.FAILED, evil, (TOKEN_LOST,)))
    test = replace(HANDSHAKE, letter=evil, name=evil, summary=evil, scenario=evil)
    run = replace(
        run,
        run_id=evil,
        clients=(evil,),
        servers=(evil,),
        urls={evil: evil},
        tests=(test,),
        command_line=evil,
        tools={evil: evil},
        jobs=(job(evil, evil, test, run.jobs[0].verdict, folder=f"../{evil}"),),
    )
    page = Page(rendered(run))
    assert "img" not in {tag for tag, _ in page.elements}
    assert page.text.count("{{ 7 * 7 }}") > 10
    assert not [href for href in page.all("href") if href.startswith(".")]


def test_a_run_in_which_all_is_well_says_so() -> None:
    page = Page(rendered(one_job_run(PASSED)))
    assert "The attempt passed" in page.text
    assert "Needs attention" not in page.text
    assert "Stopped early" not in page.text


def test_a_run_without_results_is_still_a_page() -> None:
    page = Page(rendered(replace(one_job_run(PASSED), jobs=())))
    assert "Nothing was run" in page.text


def test_a_flood_is_cut_and_counted() -> None:
    (violation,) = TOKEN_LOST.violations
    flood = replace(violation, evidence=violation.evidence * 100)
    others = [replace(violation, message=f"message {number}") for number in range(50)]
    result = replace(TOKEN_LOST, violations=(flood, *others))
    page = Page(rendered(one_job_run(Verdict(Outcome.FAILED, "why", (result,)))))
    assert "and 260 packets more" in page.text
    assert "and 31 other messages" in page.text


def test_two_tests_with_one_letter_stay_two_cells() -> None:
    twin = TestInfo("hello-retry", "S", "Another test with the letter of retry.", "simple-p2p")
    run = one_job_run(PASSED)
    jobs = (job("a", "b", RETRY, PASSED), job("a", "b", twin, Verdict(Outcome.FAILED)))
    page = Page(rendered(replace(run, tests=(RETRY, twin), jobs=jobs)))
    titles = page.all("title")
    assert "retry: passed (client a, server b)" in titles
    assert "hello-retry: failed (client a, server b)" in titles
    ids = page.all("id")
    assert len(ids) == len(set(ids))


def test_every_requirement_is_listed_once_with_its_status(page: Page) -> None:
    assert "Requirements: 2 violated, 1 undetermined, 1 not exercised, 1 held" in page.text
    for part in (
        "✕ violated MUST The client repeats the Retry's token in all Initial packets",
        "≈ undetermined MUST An endpoint does not initiate another key update",
        "RFC 9001, 6.1 packet 31 of the client cannot be decrypted",
        "- not exercised MUST An endpoint sends no STREAM frame",
        "RFC 9000, 3.3 there is no RESET_STREAM frame",
        (
            "✓ held TEST The handshake completes at both endpoints. RFC 9001, 4.1.1 2 times, "
            "first in left capture, frame 4, 0.035 s: Handshake 1; "
            "right capture, frame 5, 0.051 s: 1-RTT 0"
        ),
    ):
        assert part in page.text
    lists = [tag for tag, _ in page.elements if tag == "details"]
    assert len(lists) == 4  # of those attempts that have requirements


def test_a_run_of_5000_attempts_stays_a_page_that_can_be_opened() -> None:
    requirements = (HELD,) * 35 + (NOT_EXERCISED,) * 4 + (TOKEN_LOST,)
    verdict = Verdict(Outcome.NONCONFORMANT, "why", requirements)
    run = one_job_run(PASSED)
    clients = tuple(f"c{number}" for number in range(100))
    servers = tuple(f"s{number}" for number in range(50))
    jobs = tuple(job(a, b, HANDSHAKE, verdict) for a in clients for b in servers)
    text = rendered(replace(run, clients=clients, servers=servers, jobs=jobs, planned=5_000))
    assert len(text) < 20_000_000
    assert "39 more, not listed on a page of this many attempts" in text
    assert './s0_c0/handshake/verdict.json">verdict.json</a>' in text
    page = Page(text)
    assert page.all("class").count("requirements") == 5_000
    assert "and 4500 more, in the table of attempts" in page.text
    targets = {href[1:] for href in page.all("href") if href.startswith("#")}
    assert targets <= set(page.all("id"))


def test_a_crash_has_the_end_of_its_log(tmp_path: Path) -> None:
    violated = replace(
        TOKEN_LOST,
        requirement="client_exits_with_0",
        violations=(RecordedViolation("it was ended by SIGSEGV", Side.CLIENT),),
    )
    result = one_job_run(Verdict(Outcome.CRASHED, "the client was ended by SIGSEGV", (violated,)))
    folder = tmp_path / result.jobs[0].folder / "client"
    folder.mkdir(parents=True)
    lines = [*map(str, range(20)), "<script>panic"]
    (folder / "output.log").write_text("\n".join(lines))
    text = html.write(run_view(result), tmp_path).read_text()
    assert Page(text).text.count("client's log ends 11 12 13 14 15 16 17 18 19 <script>panic") == 1
    assert "<script>" not in text


def test_warnings_are_a_banner_of_their_own() -> None:
    result = one_job_run(Verdict(Outcome.UNSUPPORTED, "the client exited with 127: it does not"))
    jobs = tuple(replace(result.jobs[0], test=name) for name in "xyz")
    text = Page(rendered(replace(result, jobs=jobs))).text
    assert "a exited with 127 as client in all 3 tests" in text


def test_what_was_set_otherwise_is_told(golden: RunResult) -> None:
    tests = tuple(replace(one, overridden=("timeout=9s",)) for one in golden.tests)
    assert "set otherwise: timeout=9s" in Page(rendered(replace(golden, tests=tests))).text
