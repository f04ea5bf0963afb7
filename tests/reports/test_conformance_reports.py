from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from quicmatrix.reports import html, junit, markdown
from quicmatrix.runner.model.run import RunResult
from quicmatrix.runner.model.verdict import Outcome, Verdict
from quicmatrix.runner.results.run_view import run_view
from tests.support.conformance_run import (
    CONTROL,
    GOLDEN,
    HELD,
    MUST,
    conformance_run,
    job,
    violated,
)
from tests.support.golden_run import HOSTILE
from tests.support.html_page import Page


def page_of(result: RunResult, folder: Path) -> tuple[Page, str]:
    path = html.write(run_view(result), folder)
    assert path == folder / "index.html"
    text = path.read_text(encoding="utf-8")
    return Page(text), text


def test_the_page_lists_cases_by_implementation_and_role(tmp_path: Path) -> None:
    page, _ = page_of(GOLDEN, tmp_path)
    for words in (
        "a as server 1 not applicable, 1 violated SHOULD, 1 violated MUST, 1 crashed",
        "a as client 1 inconclusive",
        "violated MUST MUST rfc9000/4.5/changed-final-size",
        "quicmatrix conform a --role server -t rfc9000/4.5/changed-final-size --seed 7",
        "its control control/transfer failed: no PING is acknowledged",
    ):
        assert words in page.text, words
    assert "https://www.rfc-editor.org/rfc/rfc9000.html#section-4.5" in page.all("href")
    assert "./a_tester/rfc9000/4.5/changed-final-size/sim/trace_node_right.pcap" in page.all("href")
    assert "matrix" not in page.all("id")


def test_nothing_on_the_page_is_loaded_or_run(tmp_path: Path) -> None:
    hostile = replace(GOLDEN.jobs[0], folder="../..", command=HOSTILE)
    failed = Verdict(Outcome.FAILED, HOSTILE)
    page, text = page_of(replace(GOLDEN, jobs=(replace(hostile, verdict=failed),)), tmp_path)
    assert not {tag for tag, _ in page.elements} & {"script", "link", "img", "iframe", "form"}
    assert not [link for link in page.all("href") if not link.startswith("https://www.rfc-editor")]
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
    assert cases["a_tester", "rfc9000/4.5/changed-final-size"].find("error") is not None
    assert len(cases) == len(GOLDEN.jobs)


@pytest.mark.parametrize(
    "line",
    [
        (
            "| implementation | role | crashed | violated MUST | inconclusive | violated SHOULD "
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
