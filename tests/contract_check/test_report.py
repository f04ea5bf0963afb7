from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from quicmatrix.runner.contract_check.cases import contract_cases
from quicmatrix.runner.contract_check.model import Observations
from quicmatrix.runner.contract_check.report import Report, write_json
from quicmatrix.runner.contract_check.requirements import REQUIREMENTS, evaluate_all
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.verdict import Status
from quicmatrix.runner.plan import select
from tests.support.good_contract import GOOD, with_logs


def report(seen: Observations) -> Report:
    return Report(
        implementation="mine:latest",
        backend="docker",
        peer="reference",
        run_id="now-1",
        folder=Path("runs/now"),
        started_at=1.0,
        duration_s=2.5,
        results=evaluate_all(seen),
        cases=contract_cases(select.testcases()),
    )


def test_all_of_it_is_in_the_file(tmp_path: Path) -> None:
    write_json(report(with_logs("server-transfer", qlogs=(), secrets=())), tmp_path / "a.json")
    document = json.loads((tmp_path / "a.json").read_text())
    requirements = document.pop("requirements")
    assert document == {
        "format": 2,
        "implementation": "mine:latest",
        "backend": "docker",
        "peer": "reference",
        "run_id": "now-1",
        "fulfilled": False,
        "started_at": 1.0,
        "duration_s": 2.5,
        "folder": "runs/now",
    }
    assert [one["result"]["requirement"] for one in requirements] == [
        one.name for one in REQUIREMENTS
    ]
    name = "server_key_log_decrypts_its_packets"
    (key_log,) = (one for one in requirements if one["result"]["requirement"] == name)
    assert key_log == {
        "role": "server",
        "hint": "write to SSLKEYLOGFILE in NSS key log format, and flush each line: the server is"
        " killed",
        "cases": ["server-transfer"],
        "result": {
            "requirement": name,
            "level": "TEST",
            "citation": "interop suite",
            "text": "The server's key log in SSLKEYLOGFILE decrypts every packet, once it has been"
            " stopped.",
            "compat": False,
            "status": "violated",
            "reason": "",
            "answer": "",
            "times_held": 0,
            "evidence": [],
            "violations": [
                {
                    "message": "keys.log has no line in NSS key log format",
                    "side": "server",
                    "evidence": [],
                }
            ],
        },
    }


def test_a_violated_should_does_not_decide() -> None:
    found = report(with_logs("server-transfer", qlogs=()))
    assert found.fulfilled
    assert found.counts == {Status.HELD: len(REQUIREMENTS) - 1, Status.VIOLATED: 1}


def test_what_decides_is_named() -> None:
    found = report(replace(GOOD, launch_error="no such file"))
    assert not found.fulfilled
    assert [one.about.name for one in found.deciding] == ["it_starts"]


def test_a_file_that_cannot_be_written_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--json"):
        write_json(report(GOOD), tmp_path / "absent" / "a.json")
