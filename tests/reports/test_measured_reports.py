"""Metrics and flaky jobs, in every report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from quicmatrix.reports import html, junit, markdown
from quicmatrix.runner.bundle.layout import SERIES_FILE
from quicmatrix.runner.bundle.records import write_series
from quicmatrix.runner.model.measurement import Sample, TimeSeries
from quicmatrix.runner.model.run import JobResult, RunResult, TestInfo
from quicmatrix.runner.model.verdict import Outcome, Verdict
from quicmatrix.runner.results.run_view import run_view
from tests.support.golden_run import HANDSHAKE, PASSED, job
from tests.support.html_page import Page

GOODPUT = TestInfo("goodput", "G", "It is fast.", "simple-p2p", is_measurement=True)
BUSY = "machine too busy: p99 lateness 4.0 ms"
FAILED = Verdict(Outcome.FAILED, "the file is <not> there")


def repetition(number: int, kbps: float, doubt: str = "") -> JobResult:
    sample = Sample(kbps, 0.48, doubt)
    return replace(job("a", "b", GOODPUT, PASSED, repetition=number), sample=sample)


def run(*jobs: JobResult) -> RunResult:
    return RunResult(
        run_id="r",
        started_at=0.0,
        ended_at=1.0,
        folder="runs/r",
        clients=("a",),
        servers=("b",),
        urls={},
        tests=(HANDSHAKE, GOODPUT),
        seed=1,
        planned=len(jobs),
        jobs=jobs,
    )


MEASURED = run(
    repetition(1, 9000),
    repetition(2, 9200, BUSY),
    job("a", "b", GOODPUT, FAILED, repetition=3),
)
FLAKY = run(
    job("a", "b", HANDSHAKE, FAILED),
    replace(job("a", "b", HANDSHAKE, PASSED, folder="b_a/handshake.attempt-2"), attempt=2),
)
HOPELESS = run(
    job("a", "b", HANDSHAKE, FAILED),
    replace(job("a", "b", HANDSHAKE, FAILED, folder="b_a/handshake.attempt-2"), attempt=2),
)


def properties(element: ET.Element) -> dict[str, str]:
    return {one.attrib["name"]: one.attrib["value"] for one in element.findall("properties/*")}


def test_markdown_has_the_metric_in_the_matrix_and_its_samples_below() -> None:
    text = markdown.render(run_view(MEASURED))
    assert "G: 9100 (± 141) kbps ⚠ |" in text
    assert "| 9100 (± 141) kbps | 2 of 3 samples, 95 % confidence 9000 to 9200 kbps" in text
    assert "| 9000, 9200 | machine too busy: p99 lateness 4.0 ms |" in text
    assert "### Measurements" not in markdown.render(run_view(FLAKY))


def test_markdown_names_what_is_flaky() -> None:
    text = markdown.render(run_view(FLAKY))
    assert "### Flaky" in text
    assert "- client a, server b: handshake, 1 of 2 passed" in text
    assert "handshake, attempt 1**: ✕ failed (1 of 2 passed)" in text
    assert "### Flaky" not in markdown.render(run_view(HOPELESS))


def test_junit_has_metrics_as_properties() -> None:
    suite = ET.fromstring(junit.render(run_view(MEASURED)).encode())[0]
    facts = properties(suite)
    assert facts["goodput"] == "9100 (± 141) kbps"
    assert facts["goodput doubts"] == BUSY
    cases = suite.findall("testcase")
    assert [properties(case).get("kbps") for case in cases] == ["9000.000", "9200.000", None]
    assert [properties(case).get("doubt") for case in cases] == [None, BUSY, None]
    assert [case.find("failure") is not None for case in cases] == [False, False, True]


def test_junit_does_not_fail_for_what_passed_in_the_end_but_tells() -> None:
    root = ET.fromstring(junit.render(run_view(FLAKY)).encode())
    assert (root.attrib["tests"], root.attrib["failures"]) == ("1", "0")
    (case,) = root[0].findall("testcase")
    assert case.find("failure") is None
    flaky = case.find("flakyFailure")
    assert flaky is not None
    assert flaky.attrib["message"] == "failed: the file is <not> there"
    assert properties(case)["flaky"] == "1 of 2 passed"


def test_junit_fails_once_for_what_never_passed() -> None:
    root = ET.fromstring(junit.render(run_view(HOPELESS)).encode())
    assert (root.attrib["tests"], root.attrib["failures"]) == ("1", "1")
    (case,) = root[0].findall("testcase")
    assert case.find("failure") is not None
    assert case.find("rerunFailure") is not None
    assert case.find("flakyFailure") is None


def test_html_draws_each_repetition_and_says_what_the_drawing_shows(tmp_path: Path) -> None:
    series = TimeSeries(100, (1000,) * 9, (30.0,) * 9, (500,) * 9, (25,) * 9, (0, 4) + (0,) * 7)
    for number in (1, 2):
        bundle = tmp_path / "b_a" / "goodput" / str(number)
        bundle.mkdir(parents=True)
        write_series(series, bundle)
    page = Page(html.write(run_view(MEASURED), tmp_path).read_text())
    assert page.all("class").count("chart") == 2
    assert "G: 9100 (± 141) kbps unreliable" in page.text
    assert f"Unreliable: {BUSY}." in page.text
    assert "goodput, repetition 2: throughput over time" in page.text
    assert "the link's queue up to 25 packets, which dropped 4" in page.text
    assert "2 of 3 samples" in page.text
    ids = page.all("id")
    assert len(ids) == len(set(ids))
    for names in page.all("aria-labelledby"):
        assert set(names.split()) <= set(ids)


def test_html_without_time_series_has_the_metrics_all_the_same() -> None:
    page = Page(html.render(run_view(MEASURED)))
    assert "9100 (± 141) kbps" in page.text
    assert "chart" not in page.all("class")


def test_a_damaged_time_series_is_left_out(tmp_path: Path) -> None:
    bundle = tmp_path / "b_a" / "goodput" / "1"
    bundle.mkdir(parents=True)
    (bundle / SERIES_FILE).write_text("{")
    assert "9100 (± 141) kbps" in html.write(run_view(MEASURED), tmp_path).read_text()


@pytest.mark.parametrize(
    ("result", "headline"),
    [
        (FLAKY, "Nothing failed in the end, but 1 of 1 attempt is flaky"),
        (HOPELESS, "1 of 1 attempt needs attention"),
    ],
)
def test_html_tells_what_is_flaky_from_what_failed(result: RunResult, headline: str) -> None:
    page = Page(html.render(run_view(result)))
    assert headline in page.text
    assert "attempt 1; " in page.text
    targets = {href[1:] for href in page.all("href") if href.startswith("#")}
    assert targets <= set(page.all("id"))


def test_html_links_no_log_of_a_program_that_never_started(tmp_path: Path) -> None:
    folder = tmp_path / "b_a" / "handshake" / "server"
    folder.mkdir(parents=True)
    (folder / "output.log").touch()
    page = Page(html.write(run_view(run(job("a", "b", HANDSHAKE, FAILED))), tmp_path).read_text())
    assert "./b_a/handshake/server/output.log" in page.all("href")
    assert "./b_a/handshake/client/output.log" not in page.all("href")
    assert "no log of the client: it never started" in page.text
