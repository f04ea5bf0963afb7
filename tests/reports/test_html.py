from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from quicmatrix.reports import html
from quicmatrix.runner.model.verdict import Outcome, Verdict
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results.store import RunResult
from tests.support.golden_run import HANDSHAKE, HOSTILE, PASSED, TOKEN_LOST, job, one_job_run
from tests.support.html_page import Page


@pytest.fixture
def page(golden: RunResult) -> Page:
    return Page(html.render(golden))


def test_it_is_written_into_the_run_s_folder(golden: RunResult, tmp_path: Path) -> None:
    path = html.write(golden, tmp_path)
    assert path == tmp_path / "index.html"
    assert path.read_text(encoding="utf-8") == html.render(golden)


def test_nothing_on_it_is_loaded_or_run(page: Page) -> None:
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    names = {name for _, attributes in page.elements for name in attributes}
    assert not {name for name in names if name.startswith("on")}
    assert not names & {"src", "srcset", "style", "action"}


def test_its_policy_allows_its_own_style_and_nothing_else(golden: RunResult) -> None:
    text = html.render(golden)
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
        "#why_reference_ngtcp2_S_1",
    )
    assert chips["handshake: passed (client reference, server ngtcp2)"] == (
        "chip passed",
        "#reference_ngtcp2_H_1",
    )
    assert chips["handshakeloss: timeout, 2 of 3 passed (client reference, server reference)"] == (
        "chip timeout flaky",
        "#why_reference_reference_L1_2",
    )
    assert len(chips) == 11


def test_what_was_not_run_is_not_shown_as_anything_else(page: Page) -> None:
    assert "v2: not run" in page.all("title")
    assert "client ngtcp2" in page.text
    assert "not run" in page.text


def test_every_outcome_has_a_symbol_of_its_own(page: Page) -> None:
    ids = set(page.all("id"))
    assert {f"icon-{outcome}" for outcome in Outcome} <= ids


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
        "6 of 13 attempts need attention",
        "Stopped early: 13 of 18 planned attempts were done.",
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
    page = Page(html.render(run))
    assert "img" not in {tag for tag, _ in page.elements}
    assert page.text.count("{{ 7 * 7 }}") > 10
    assert not [href for href in page.all("href") if href.startswith(".")]


def test_a_run_in_which_all_is_well_says_so() -> None:
    page = Page(html.render(one_job_run(PASSED)))
    assert "The attempt passed" in page.text
    assert "Needs attention" not in page.text
    assert "Stopped early" not in page.text


def test_a_run_without_results_is_still_a_page() -> None:
    page = Page(html.render(replace(one_job_run(PASSED), jobs=(), complete=False)))
    assert "Nothing was run" in page.text


def test_a_flood_is_cut_and_counted() -> None:
    flood = replace(TOKEN_LOST, evidence=TOKEN_LOST.evidence * 100)
    others = [replace(TOKEN_LOST, message=f"message {number}") for number in range(50)]
    page = Page(html.render(one_job_run(Verdict(Outcome.FAILED, "why", (flood, *others)))))
    assert "and 260 packets more" in page.text
    assert "and 31 other messages" in page.text
