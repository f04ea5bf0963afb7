from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from quicmatrix.reports import html, junit, markdown
from quicmatrix.reports.html import conformance, coverage
from quicmatrix.runner.model.run import RunResult
from quicmatrix.runner.model.verdict import Outcome, RecordedViolation, Verdict
from quicmatrix.runner.results.run_view import run_view
from quicmatrix.runner.trace.model import Side
from tests.support.conformance_run import (
    BROKEN,
    CONTROL,
    GOLDEN,
    HELD,
    KEPT,
    MUST,
    STIMULUS,
    WITH_COMPLIANCE,
    conformance_run,
    job,
    violated,
)
from tests.support.golden_run import HOSTILE, golden_run
from tests.support.html_page import Page


def page_of(result: RunResult, folder: Path) -> tuple[Page, str]:
    path = html.write(run_view(result), folder)
    assert path == folder / "index.html"
    text = path.read_text(encoding="utf-8")
    return Page(text), text


def test_the_page_has_each_row_with_stimulus_expected_and_observed(tmp_path: Path) -> None:
    page, _ = page_of(WITH_COMPLIANCE, tmp_path)
    for words in (
        "1 crashed, 2 violated MUST, 1 failed, 1 undetermined, 1 violated SHOULD",
        "✕ violated MUST rfc9000/4.5/changed-final-size a as server",
        "Sent by the tester 1-RTT 6, 33 bytes datagram right (server's side) , frame 9, 0.030 s",
        "Expected An endpoint refuses a changed-final-size. Observed it goes on, and acknowledges",
        "a PING that was sent afterwards 1-RTT 4 right (server's side) , frame 12, 0.034 s",
        "Answer went on",
        "quicmatrix conform a --role server -t rfc9000/4.5/changed-final-size --seed 7",
        "its control control/transfer failed: no PING is acknowledged",
        "rfc9000/8.2.2/response-size a as server 2 violated, 1 held",
        "Observed the datagram has 43 bytes 1-RTT 70 right (server's side) , frame 81",
    ):
        assert words in page.text, words
    assert "https://www.rfc-editor.org/rfc/rfc9000.html#section-4.5" in page.all("href")
    assert "./a_tester/rfc9000/4.5/changed-final-size/sim/trace_node_right.pcap" in page.all("href")
    assert "matrix" not in page.all("id")


def test_levels_are_summed_up_apart(tmp_path: Path) -> None:
    page, _ = page_of(WITH_COMPLIANCE, tmp_path)
    head = "✓ held ? not applicable ! violated SHOULD ≈ undetermined ✕ violated MUST † crashed"
    assert f"Implementation Level {head} a as server MUST 1 1 0 0 2 1 SHOULD 0 0 1 0 0 0" in (
        page.text
    )


def test_every_link_within_the_page_arrives(tmp_path: Path) -> None:
    page, _ = page_of(WITH_COMPLIANCE, tmp_path)
    ids = page.all("id")
    assert len(ids) == len(set(ids))
    targets = {href[1:] for href in page.all("href") if href.startswith("#")}
    assert targets <= set(ids)
    assert "a_server_rfc9000/4.5/changed-final-size" in targets
    assert "./coverage.html" in page.all("href")
    assert (tmp_path / "coverage.html").is_file()


def test_each_choice_hides_something_of_the_page_and_is_labelled(tmp_path: Path) -> None:
    page, text = page_of(WITH_COMPLIANCE, tmp_path)
    boxes = [found["id"] for tag, found in page.elements if tag == "input"]
    assert boxes == [
        *(f"with-{one}" for one in ("must", "should", "may", "violated", "held", "other")),
        "with-col-1",
        "with-col-2",
    ]
    classes = {one for found in page.all("class") for one in found.split()}
    for box in boxes:
        (hidden,) = re.findall(rf":root:has\(#{box}:not\(:checked\)\) main \.([a-z0-9-]+)", text)
        assert hidden in classes or box == "with-may", box
    assert "MUST SHOULD MAY violated held everything else a as server a as client" in page.text


def test_a_row_hides_with_all_that_it_shows_only(tmp_path: Path) -> None:
    page, text = page_of(WITH_COMPLIANCE, tmp_path)
    rows = [found["class"] for tag, found in page.elements if tag == "tr" and "class" in found]
    assert "of-must shows-other shows-violated" in rows  # violated by a server, unknown of a client
    assert ".shows-violated:not(.shows-held):not(.shows-other) { display: none; }" in text


def test_nothing_is_violated_is_said_of_a_run_that_has_rows() -> None:
    assert "<h1>Nothing is violated in 1 rows</h1>" in conformance.render(
        run_view(conformance_run(job(CONTROL, HELD)))
    )
    assert "<h1>Nothing was run</h1>" in conformance.render(run_view(conformance_run()))


def test_what_endpoints_wrote_is_escaped(tmp_path: Path) -> None:
    seen = replace(BROKEN, implementation=HOSTILE, text=HOSTILE, folder="/etc", command=HOSTILE)
    seen = replace(seen, violation=RecordedViolation(HOSTILE, Side.SERVER))
    step = replace(STIMULUS, text=HOSTILE, packet=HOSTILE)
    jobs = tuple(replace(one, stimulus=(step,), folder="../x") for one in GOLDEN.jobs)
    for run in (
        replace(GOLDEN, jobs=jobs, compliance=(seen,)),
        replace(golden_run(), compliance=(seen,)),
    ):
        page, text = page_of(run, tmp_path)
        assert not {tag for tag, _ in page.elements} & {"script", "link", "img", "iframe", "form"}
        assert "\x1b" not in text
        assert "<script" not in text
        assert not [one for one in page.all("href") if one.startswith(("/etc", "../", "javasc"))]
        ids = page.all("id")
        assert len(ids) == len(set(ids))


def test_a_run_of_interop_tests_has_a_section_on_compliance(tmp_path: Path) -> None:
    seen = replace(BROKEN, implementation="ngtcp2", folder="ngtcp2_reference/retry")
    page, _ = page_of(replace(golden_run(), compliance=(KEPT, seen)), tmp_path)
    assert "compliance" in page.all("id")
    assert "✕ violated MUST rfc9000/8.2.2/response-size ngtcp2 as server" in page.text
    assert not (tmp_path / "coverage.html").exists()
    before, _ = page_of(golden_run(), tmp_path)
    assert "compliance" not in before.all("id")
    assert [one for one in before.all("class") if "chip" in one.split()] == [
        one for one in page.all("class") if "chip" in one.split() and "outcome" not in one.split()
    ]


def test_printing_leaves_out_what_only_a_screen_needs(tmp_path: Path) -> None:
    _, text = page_of(GOLDEN, tmp_path)
    printed = text[text.index("@media print") :]
    assert "nav, .colophon, .choices { display: none; }" in printed
    assert "thead { display: table-header-group; }" in printed
    assert "article, .note, tr { break-inside: avoid; }" in printed


def test_the_coverage_page_has_every_section_and_why_nothing_asks_for_it() -> None:
    text = coverage.render()
    page = Page(text)
    for words in (
        "4.5 Stream Final Size rfc9000/4.5/data-beyond-final-size SHOULD",
        "rfc9000/4.5/final-size MUST without a stimulus",
        "17.4 Latency Spin Bit it shows in many connections only, as a frequency",
        "B-43 Whether the PTO doubles",
    ):
        assert words in page.text, words
    for rfc in (8999, 9000, 9001, 9002, 9114, 9204, 9221, 9287, 9368, 9369):
        assert f"rfc{rfc}" in page.all("id")
    assert not {tag for tag, _ in page.elements} & {"script", "link", "img", "iframe", "form"}
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert any(f"'sha256-{digest}'" in content for content in page.all("content"))


def test_nothing_on_the_page_is_loaded_or_run(tmp_path: Path) -> None:
    hostile = replace(GOLDEN.jobs[0], folder="../..", command=HOSTILE)
    failed = Verdict(Outcome.FAILED, HOSTILE)
    page, text = page_of(replace(GOLDEN, jobs=(replace(hostile, verdict=failed),)), tmp_path)
    assert not {tag for tag, _ in page.elements} & {"script", "link", "img", "iframe", "form"}
    own = ("https://www.rfc-editor", "#", "./coverage.html")
    assert not [link for link in page.all("href") if not link.startswith(own)]
    assert "\x1b" not in text
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert any(f"'sha256-{digest}'" in content for content in page.all("content"))


def test_flaky_cases_and_warnings_are_on_the_page(tmp_path: Path) -> None:
    flaky = conformance_run(
        job(CONTROL, HELD),
        job(MUST, HELD, repetition=1),
        job(MUST, violated(MUST, Outcome.NONCONFORMANT), repetition=2),
    )
    page, _ = page_of(flaky, tmp_path)
    assert "flaky: held, violated MUST" in page.text
    nothing = conformance_run(job(CONTROL, Verdict(Outcome.FAILED, "no PING")))
    page, _ = page_of(replace(nothing, planned=9), tmp_path)
    assert "no control passed, so no case was run: no PING" in page.text
    assert "Stopped early: 1 of 9 planned attempts were done." in page.text


def test_junit_has_the_ids_as_names() -> None:
    suites = ET.fromstring(junit.render(run_view(GOLDEN)))
    cases = {(one.get("classname"), one.get("name")): one for one in suites.iter("testcase")}
    assert cases["tester_a", "rfc9000/4.5/changed-final-size"].find("failure") is not None
    assert cases["tester_a", "rfc9000/5.1/short-id"].find("failure") is None
    said = cases["tester_a", "rfc9000/5.1/short-id"].findtext("system-out")
    assert said is not None
    assert said.startswith("violated: SHOULD: An endpoint refuses a short-id. [RFC 9000, 5.1]")
    answers = [one for one in suites.iter("property") if one.get("name") == "answer"]
    assert [one.get("value") for one in answers] == ["went on", "went on"]
    assert cases["tester_a", "rfc9114/7/no-settings"].find("skipped") is not None
    assert cases["a_tester", "rfc9000/4.5/changed-final-size"].find("error") is not None
    assert len(cases) == len(GOLDEN.jobs)


@pytest.mark.parametrize(
    "line",
    [
        (
            "| implementation | role | crashed | violated MUST | undetermined | violated SHOULD "
            "| not applicable |"
        ),
        "| **a** | server | 1 | 1 | 0 | 1 | 1 |",
        "| **a** | client | 0 | 0 | 1 | 0 | 0 |",
    ],
)
def test_markdown_has_a_table_of_counts_in_place_of_the_matrix(line: str) -> None:
    lines = markdown.render(run_view(GOLDEN)).splitlines()
    assert line in lines
    assert not any(one.startswith("| client") for one in lines)
