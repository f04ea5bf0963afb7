from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from quicmatrix.runner.console.contract_check import course, show
from quicmatrix.runner.contract_check.cases import catalogue
from quicmatrix.runner.contract_check.model import Observations
from quicmatrix.runner.contract_check.report import Report
from quicmatrix.runner.contract_check.rules import judge, select_rules
from quicmatrix.runner.model.attempt import EntryKind, FileRecord
from quicmatrix.runner.plan import select
from quicmatrix.runner.trace.model import Side
from tests.support.good_contract import GOOD, with_logs, with_record

TRIALS = catalogue(select.testcases())


def printed(seen: Observations, rules: str, *, debug: bool = False, terminal: bool = False) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=60, highlight=False)
    judged = judge(seen, select_rules(rules, frozenset(Side)))
    report = Report(
        "mine", "docker", "reference", "now-1", Path("runs/now"), 0.0, 1.0, judged, TRIALS
    )
    show(console, report, debug=debug)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_a_kept_rule_is_one_line() -> None:
    assert printed(GOOD, "client_writes_qlog") == (
        "ok              The client leaves a qlog in QLOGDIR.  1.sqlog\n"
        "\n"
        "1 rule: 1 ok\n"
        "mine honours the contract\n"
        "stored in runs/now\n"
    )


def test_a_broken_one_says_its_name_where_to_look_and_what_to_do() -> None:
    seen = with_logs("server-transfer", secrets=(), files=())
    lines = printed(seen, "server_key_log_decrypts_its_packets,it_starts").splitlines()
    assert lines[1].startswith("broken          The server's key log in SSLKEYLOGFILE decrypts")
    assert lines[1].endswith("  there is no keys.log")
    assert lines[2] == (
        "                rule server_key_log_decrypts_its_packets (required), "
        "seen in runs/now/server-transfer"
    )
    assert lines[3].startswith("                -> write to SSLKEYLOGFILE")
    assert lines[5] == "2 rules: 1 ok, 1 broken"
    assert lines[6] == "mine does not honour the contract: server_key_log_decrypts_its_packets"


def test_every_detail_names_every_rule() -> None:
    text = printed(GOOD, "client_writes_qlog", debug=True)
    assert "rule client_writes_qlog (recommended), seen in runs/now/client-transfer" in text


def test_what_others_wrote_does_nothing_to_a_terminal() -> None:
    evil = FileRecord("\x1b[2J[red]x[/red]\n\u202e", EntryKind.FILE, 1, "0" * 64)
    seen = with_record("client-transfer", downloads=(evil,))
    for terminal in (False, True):
        text = printed(seen, "client_leaves_nothing_else_in_downloads", terminal=terminal)
        assert "\\x1b[2J[red]x[/red]\\n\\u202e" in text
        assert "\x1b[2J" not in text
        assert "\u202e" not in text


def told(*, terminal: bool, debug: bool) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=100, highlight=False)
    with course(console, TRIALS[:2], debug=debug) as progress:
        for trial in TRIALS[:2]:
            progress.started(trial)
            progress.finished(trial)
    return file.getvalue()


def test_without_a_terminal_trials_are_lines_if_every_detail_is_wanted() -> None:
    assert told(terminal=False, debug=False) == ""
    first, second = told(terminal=False, debug=True).splitlines()
    assert first == f"done: {TRIALS[0].name}: {TRIALS[0].summary}"
    assert TRIALS[1].name in second


def test_a_terminal_shows_how_far_it_is() -> None:
    assert "2/2" in told(terminal=True, debug=False)
