from __future__ import annotations

import pytest

import quicmatrix.runner.sandbox.backends
from quicmatrix.runner.cli import main
from quicmatrix.runner.sandbox.fake import FakeBackend


def test_what_is_removed_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = FakeBackend({}, remains=["process 7 of run x", "folder \x1b[2J"])
    monkeypatch.setattr(quicmatrix.runner.sandbox.backends, "backend", lambda _: fake)
    assert main(["clean"]) == 0
    assert capsys.readouterr().out == ("removed: process 7 of run x\nremoved: folder \\x1b[2J\n")
    assert main(["clean"]) == 0
    assert capsys.readouterr().out == "nothing was left behind\n"
