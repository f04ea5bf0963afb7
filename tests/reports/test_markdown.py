from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from quicmatrix.reports import markdown
from quicmatrix.runner.model.run import RunResult, TestInfo
from quicmatrix.runner.model.verdict import Outcome, Verdict
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results.run_view import run_view
from tests.support.golden_run import (
    HOSTILE,
    KNOWN_FAILURE,
    PASSED,
    RETRY,
    TOKEN_LOST,
    job,
    one_job_run,
)


def test_what_is_known_is_listed_apart_with_reason_and_link() -> None:
    run = replace(one_job_run(Verdict(Outcome.FAILED, "no migration")), known=(KNOWN_FAILURE,))
    text = rendered(run)
    assert "### Needs attention" not in text
    _, _, section = text.partition("### Known")
    assert "failed, known of a as client: has no API for it, https:" in section
    assert "**unexpected pass: handshake" in rendered(replace(run, jobs=one_job_run(PASSED).jobs))


def rendered(result: RunResult) -> str:
    return markdown.render(run_view(result))


def tokens(text: str) -> Iterator[Token]:
    """All of a document as GitHub reads it: CommonMark with tables and HTML."""
    for token in MarkdownIt("commonmark", {"html": True}).enable("table").parse(text):
        yield token
        yield from token.children or ()


def plain(text: str) -> str:
    """What a reader sees of it."""
    return "".join(token.content for token in tokens(text) if token.type in ("text", "code_inline"))


def table(text: str) -> list[list[str]]:
    """The cells of its table, as a reader sees them."""
    rows: list[list[str]] = []
    for token in tokens(text):
        if token.type == "tr_open":
            rows.append([])
        elif token.type in ("th_open", "td_open"):
            rows[-1].append("")
        elif token.type == "text" and rows and rows[-1]:
            rows[-1][-1] += token.content
        elif token.type == "html_inline" and rows:
            rows[-1][-1] += "\n"
        elif token.type == "table_close":
            break
    return rows


def test_it_is_written_into_the_run_s_folder(golden: RunResult, tmp_path: Path) -> None:
    path = markdown.write(run_view(golden), tmp_path)
    assert path == tmp_path / "summary.md"
    assert path.read_text(encoding="utf-8") == rendered(golden)


def test_clients_are_rows_and_servers_are_columns(golden: RunResult) -> None:
    assert table(rendered(golden)) == [
        ["client ↓ server →", "reference", "ngtcp2"],
        ["reference", "✓ (H, S, V2)\n… (L1 2/3)", "✓ (H)\n? (V2)\n! (BP)\n† (L1)\n✕ (S)"],
        ["ngtcp2", "≈ (H)\n⊘ (S)\n✕ (L1)", ""],
    ]


def test_a_failure_says_what_where_and_how_to_repeat_it(golden: RunResult) -> None:
    text = rendered(golden)
    seen = plain(text)
    for part in (
        "client reference, server ngtcp2: retry",
        "MUST: The client repeats the Retry's token in all Initial packets",
        "by the client: the token is not the Retry's",
        "left capture, frame 5, 0.062 s: Initial 2",
        "quicmatrix run -c reference -s ngtcp2 -t retry --seed 42",
        "ngtcp2_reference/retry",
    ):
        assert part in seen
    assert "[RFC 9000, 8.1.2](https://www.rfc-editor.org/rfc/rfc9000.html#section-8.1.2)" in text


def test_it_says_what_passed_could_do_better_and_that_it_stopped_early(golden: RunResult) -> None:
    seen = plain(rendered(golden))
    assert "Stopped early: 14 of 19 planned attempts were done." in seen
    assert "SHOULD: An endpoint sends an ACK frame for every other ack-eliciting packet." in seen
    assert "1 of 14 attempts" in seen


def test_a_run_without_trouble_has_no_chapter_on_it() -> None:
    text = rendered(one_job_run(Verdict(Outcome.PASSED)))
    assert "### " not in text
    assert "Stopped" not in text


def test_hostile_text_stays_text(golden: RunResult) -> None:
    text = rendered(golden)
    assert printable(HOSTILE) in plain(text)
    assert not any(
        (token.attrs.get("href") or "https://www.rfc-editor.org/").__str__().startswith("java")
        for token in tokens(text)
    )
    assert {token.content for token in tokens(text) if token.type.startswith("html")} == {"<br>"}


@given(st.text(alphabet=st.sampled_from("ab`*_[](){}<>|\\&#!~$:/.@-+1 \n\twwwhttps")))
def test_escaped_text_reads_as_it_was(text: str) -> None:
    document = f"x {markdown.escaped(text)} x"
    kinds = {token.type for token in tokens(document)}
    assert kinds <= {
        "paragraph_open",
        "paragraph_close",
        "inline",
        "text",
        "text_special",
    }
    seen = plain_of_escaped(document)
    assert " ".join(seen.split()) == " ".join(f"x {printable(text)} x".split())


def plain_of_escaped(document: str) -> str:
    return "".join(
        token.content for token in tokens(document) if token.type in ("text", "text_special")
    ).replace("\u2060", "")


@given(st.text(alphabet=st.sampled_from("ab`| \\\n"), min_size=1))
def test_code_reads_as_it_was_even_in_a_table(text: str) -> None:
    if not text.strip():
        return
    shown = printable(text)
    rows = f"| head |\n| --- |\n| {markdown.code(text)} |\n"
    (code,) = [token for token in tokens(rows) if token.type == "code_inline"]
    assert code.content == shown


@pytest.mark.parametrize("text", ["https://example.org", "www.example.org", "HTTP://x", "ftp://x"])
def test_addresses_do_not_become_links(text: str) -> None:
    escaped = markdown.escaped(text)
    assert "://" not in escaped
    assert "www." not in escaped.lower()


def test_nobody_is_notified() -> None:
    assert markdown.escaped("@someone a@b") == "@&#8288;someone a@&#8288;b"


def test_a_flood_is_cut_and_counted() -> None:
    (violation,) = TOKEN_LOST.violations
    flood = replace(TOKEN_LOST, violations=(replace(violation, evidence=violation.evidence * 100),))
    one = one_job_run(Verdict(Outcome.FAILED, "why", (flood,)))
    text = rendered(one)
    assert text.count("capture, frame") == markdown.MOST_LINES
    assert "and 295 packets more" in text
    many = replace(one, jobs=one.jobs * (markdown.MOST_FAILURES + 7))
    text = rendered(many)
    assert text.count("**client a, server b: handshake") == markdown.MOST_FAILURES
    assert "and 7 more, in index.html" in text
    assert len(text) < 1_000_000


def test_nonconformant_attempts_are_counted_and_explained_apart(golden: RunResult) -> None:
    text = rendered(golden)
    assert "6 passed, 1 unsupported, 1 nonconformant, " in text
    assert "! nonconformant: it works, but an endpoint broke an RFC's MUST on the way" in text
    attention, nonconformant = text.split("### Nonconformant\n")
    assert "rebind-port**" not in attention
    assert (
        "**client reference, server ngtcp2: rebind-port**: ! nonconformant: "
        "path\\_response\\_is\\_expanded: the datagram has 43 bytes"
    ) in nonconformant
    assert "- requirements: 1 violated, 1 held" in nonconformant


def test_two_tests_with_one_letter_have_their_names_in_the_table() -> None:
    twin = TestInfo("hello-retry", "S", "Another test with the letter of retry.", "simple-p2p")
    jobs = (job("a", "b", RETRY, PASSED), job("a", "b", twin, Verdict(Outcome.FAILED)))
    run = replace(one_job_run(PASSED), tests=(RETRY, twin), jobs=jobs)
    assert table(rendered(run))[1] == ["a", "✓ (retry)\n✕ (hello-retry)"]
