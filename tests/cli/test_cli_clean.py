from __future__ import annotations

import pytest

import runner.cli.backends
from runner.cli import main
from runner.sandbox.fake import FakeBackend


def test_what_is_removed_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = FakeBackend({}, remains=["process 7 of run x", "folder \x1b[2J"])
    monkeypatch.setattr(runner.cli.backends, "backend", lambda _: fake)
    assert main(["clean"]) == 0
    assert capsys.readouterr().out == ("removed: process 7 of run x\nremoved: folder \\x1b[2J\n")
    assert main(["clean"]) == 0
    assert capsys.readouterr().out == "nothing was left behind\n"
