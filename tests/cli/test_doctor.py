from __future__ import annotations

import json

import pytest

import quicmatrix.runner.sandbox.backends
import quicmatrix.runner.trace.tshark
from quicmatrix.runner.cli import main
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.sandbox.fake import FakeBackend

Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> FakeBackend:
    fake = FakeBackend({})
    monkeypatch.setattr(quicmatrix.runner.sandbox.backends, "backend", lambda _: fake)
    monkeypatch.setattr(quicmatrix.runner.trace.tshark, "check", lambda: "4.0.17")
    return fake


def test_a_healthy_machine_can_run_tests(backend: FakeBackend, capsys: Capsys) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "ok    sandbox: namespaces can be made" in out
    assert "ok    tshark: 4.0.17" in out
    assert out.endswith("tests can run here\n")


def test_what_is_missing_is_said_with_what_to_do(backend: FakeBackend, capsys: Capsys) -> None:
    backend.refusal = UserError("no namespaces \x1b[2J", "be root")
    assert main(["doctor"]) == 2
    out = capsys.readouterr().out
    assert "fail  sandbox: no namespaces \\x1b[2J\n      -> be root\n" in out
    assert out.endswith("tests cannot run here yet\n")


def test_leftovers_are_told_but_stop_nothing(backend: FakeBackend, capsys: Capsys) -> None:
    backend.remains.append("process 7 of run x")
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "warn  leftovers: process 7 of run x\n      -> quicmatrix clean" in out


def test_json_says_the_same(backend: FakeBackend, capsys: Capsys) -> None:
    backend.refusal = UserError("no namespaces", "be root")
    assert main(["doctor", "--json"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is False
    found = {check["name"]: check for check in document["checks"]}
    assert found["sandbox"] == {
        "name": "sandbox",
        "state": "fail",
        "found": "no namespaces",
        "advice": "be root",
    }
    assert found["tshark"]["state"] == "ok"


def test_an_implementations_file_that_is_not_there_is_wrong_use(
    backend: FakeBackend, capsys: Capsys
) -> None:
    assert main(["doctor", "--implementations", "/nowhere.json"]) == 2
    assert "/nowhere.json" in capsys.readouterr().err
