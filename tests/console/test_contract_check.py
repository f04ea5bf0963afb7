from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from quicmatrix.runner.console.contract_check import show_progress, show_report
from quicmatrix.runner.contract_check.cases import contract_cases
from quicmatrix.runner.contract_check.model import Observations
from quicmatrix.runner.contract_check.report import Report
from quicmatrix.runner.contract_check.requirements import evaluate_all, select_requirements
from quicmatrix.runner.model.attempt import EntryKind, FileRecord
from quicmatrix.runner.plan import select
from quicmatrix.runner.trace.model import PacketType, Side
from tests.support.good_contract import (
    GOOD,
    TRACE,
    packet,
    trace,
    with_logs,
    with_record,
    with_trace,
)

CASES = contract_cases(select.testcases())


def printed(seen: Observations, names: str, *, debug: bool = False, terminal: bool = False) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=60, highlight=False)
    results = evaluate_all(seen, select_requirements(names, frozenset(Side)))
    report = Report(
        "mine", "docker", "reference", "now-1", Path("runs/now"), 0.0, 1.0, results, CASES
    )
    show_report(console, report, debug=debug)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_a_held_requirement_is_one_line() -> None:
    assert printed(GOOD, "client_writes_qlog") == (
        "✓ held           The client writes a qlog to QLOGDIR.  1.sqlog\n"
        "\n"
        "1 requirement: 1 held\n"
        "mine fulfils the contract\n"
        "stored in runs/now\n"
    )


def test_a_violated_one_has_its_name_where_to_look_and_what_to_do() -> None:
    seen = with_logs("server-transfer", secrets=(), files=())
    lines = printed(seen, "server_key_log_decrypts_its_packets,it_starts").splitlines()
    assert lines[1].startswith("✕ violated       The server's key log in SSLKEYLOGFILE decrypts")
    assert lines[1].endswith("  there is no keys.log")
    assert lines[2] == (
        "                 server_key_log_decrypts_its_packets (TEST, interop suite), "
        "see runs/now/server-transfer"
    )
    assert lines[3].startswith("                 -> write to SSLKEYLOGFILE")
    assert lines[5] == "2 requirements: 1 held, 1 violated"
    assert lines[6] == "mine does not fulfil the contract: server_key_log_decrypts_its_packets"


def test_packets_that_show_a_violation_are_named() -> None:
    unread = packet(PacketType.ONE_RTT, 1, decrypted=False)
    seen = with_trace("client-transfer", trace(*TRACE.left.packets, unread))
    lines = printed(seen, "client_key_log_decrypts_its_packets").splitlines()
    assert lines[1] == "                 left capture, frame 2, 0.100 s: 1-RTT 1"


def test_debug_names_every_requirement() -> None:
    text = printed(GOOD, "client_writes_qlog", debug=True)
    assert "client_writes_qlog (SHOULD, interop suite), see runs/now/client-transfer" in text


def test_what_others_wrote_does_nothing_to_a_terminal() -> None:
    evil = FileRecord("\x1b[2J[red]x[/red]\n\u202e", EntryKind.FILE, 1, "0" * 64)
    seen = with_record("client-transfer", downloads=(evil,))
    for terminal in (False, True):
        text = printed(seen, "client_downloads_what_was_requested", terminal=terminal)
        assert "\\x1b[2J[red]x[/red]\\n\\u202e" in text
        assert "\x1b[2J" not in text
        assert "\u202e" not in text


def progress_output(*, terminal: bool, debug: bool) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=100, highlight=False)
    with show_progress(console, CASES[:2], debug=debug) as progress:
        for case in CASES[:2]:
            progress.started(case)
            progress.finished(case)
    return file.getvalue()


def test_without_a_terminal_debug_shows_a_line_for_each_case() -> None:
    assert progress_output(terminal=False, debug=False) == ""
    first, second = progress_output(terminal=False, debug=True).splitlines()
    assert first == f"done: {CASES[0].name}: {CASES[0].summary}"
    assert CASES[1].name in second


def test_a_terminal_shows_how_far_it_is() -> None:
    assert "2/2" in progress_output(terminal=True, debug=False)
