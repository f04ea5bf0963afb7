from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from quicmatrix.runner.contract_check.cases import catalogue
from quicmatrix.runner.contract_check.model import Observations, Standing
from quicmatrix.runner.contract_check.report import Report, write_json
from quicmatrix.runner.contract_check.rules import RULES, judge
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.plan import select
from tests.support.good_contract import GOOD, with_logs


def report(seen: Observations) -> Report:
    return Report(
        subject="mine:latest",
        backend="docker",
        peer="reference",
        run_id="now-1",
        folder=Path("runs/now"),
        started_at=1.0,
        duration_s=2.5,
        judged=judge(seen),
        trials=catalogue(select.testcases()),
    )


def test_all_of_it_is_in_the_file(tmp_path: Path) -> None:
    write_json(report(with_logs("server-transfer", qlogs=(), secrets=())), tmp_path / "a.json")
    document = json.loads((tmp_path / "a.json").read_text())
    rules = document.pop("rules")
    assert document == {
        "format": 1,
        "subject": "mine:latest",
        "backend": "docker",
        "peer": "reference",
        "run_id": "now-1",
        "honoured": False,
        "started_at": 1.0,
        "duration_s": 2.5,
        "folder": "runs/now",
    }
    assert [rule["name"] for rule in rules] == [rule.name for rule in RULES]
    (key_log,) = (rule for rule in rules if rule["name"] == "server_key_log_decrypts_its_packets")
    assert key_log == {
        "name": "server_key_log_decrypts_its_packets",
        "role": "server",
        "importance": "required",
        "text": "The server's key log in SSLKEYLOGFILE decrypts every packet, once it has been"
        " stopped.",
        "outcome": "broken",
        "evidence": "keys.log has no line of that format",
        "hint": "write to SSLKEYLOGFILE in NSS key log format, and flush each line: the server is"
        " killed",
        "trials": ["server-transfer"],
    }


def test_a_recommended_rule_alone_does_not_dishonour() -> None:
    found = report(with_logs("server-transfer", qlogs=()))
    assert found.honoured
    assert found.counts == {Standing.OK: len(RULES) - 1, Standing.BROKEN: 1}


def test_what_decides_is_named() -> None:
    found = report(replace(GOOD, unlaunchable="no such file"))
    assert not found.honoured
    assert [one.rule.name for one in found.decisive] == ["it_starts"]


def test_a_file_that_cannot_be_written_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--json"):
        write_json(report(GOOD), tmp_path / "absent" / "a.json")
