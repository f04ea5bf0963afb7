from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

import quicmatrix.runner.cli.image
from quicmatrix.runner.cli import ExitCode, main
from quicmatrix.runner.contract_check.model import ImageFacts
from quicmatrix.runner.contract_check.requirements import REQUIREMENTS
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.implementation import Image
from quicmatrix.runner.sandbox.fake import FakeBackend
from quicmatrix.runner.sandbox.model import Form

Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeBackend:
    """A backend whose sandboxes all fail."""
    fake = FakeBackend({}, fault="out of order")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(quicmatrix.runner.cli.image, "backend", lambda _: fake)
    monkeypatch.setattr(
        "quicmatrix.runner.sandbox.netns.privileges.enter_user_namespace", lambda *_: None
    )
    monkeypatch.setattr("quicmatrix.runner.trace.tshark.check", lambda: "4.0")
    return fake


CHECK = ("image", "check", "--backend", "netns")
MINE = f"mine={sys.executable} -V"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nobody",), "there is no implementation called 'nobody'"),
        (("mine=./no-such-program",), "there is no program"),
        ((MINE, "--requirements", "it_stops"), "there is no requirement called 'it_stops'"),
        (
            (MINE, "--requirements", "client_writes_qlog", "--role", "server"),
            "no requirement called 'client_writes_qlog'",
        ),
        ((MINE, "--against", "nobody"), "there is no implementation called 'nobody'"),
        ((MINE, "--log-dir", "."), "--log-dir .: exists already"),
        ((MINE, "-n", "0"), "'0' is neither a number from 1 nor 'auto'"),
        ((MINE, "--json", "absent/file.json"), "its folder does not exist"),
    ],
)
def test_wrong_use_is_refused_before_anything_is_run(
    backend: FakeBackend, capsys: Capsys, words: tuple[str, ...], said: str
) -> None:
    assert main([*CHECK, *words]) == ExitCode.WRONG_USE
    assert said in capsys.readouterr().err
    assert backend.sandboxes == []


def test_a_machine_that_cannot_is_wrong_use(backend: FakeBackend, capsys: Capsys) -> None:
    backend.refusal = UserError("no namespaces", "become root")
    assert main([*CHECK, MINE]) == ExitCode.WRONG_USE
    assert "hint: become root" in capsys.readouterr().err


@pytest.mark.usefixtures("backend")
def test_what_is_undetermined_is_a_failure_with_a_report(tmp_path: Path, capsys: Capsys) -> None:
    words = (MINE, "--role", "server", "--json", "report.json", "--log-dir", "kept/here")
    assert main([*CHECK, *words]) == ExitCode.FAILED
    out = capsys.readouterr().out
    assert "≈ undetermined   The server" in out
    assert "the machine or the runner failed: out of order" in out
    assert "stored in kept/here" in out
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["implementation"] == MINE
    assert document["fulfilled"] is False
    assert {one["role"] for one in document["requirements"]} == {None, "server"}
    assert (tmp_path / "kept" / "here" / "report.json").is_file()


@pytest.mark.usefixtures("backend")
def test_the_name_that_was_given_reaches_no_path(tmp_path: Path) -> None:
    main(
        [
            *CHECK,
            f"../../mine={sys.executable}",
            "--requirements",
            "server_exits_127_for_an_unknown_testcase",
        ]
    )
    (folder,) = (tmp_path / "runs").iterdir()
    assert not list(tmp_path.rglob("*mine*"))
    assert (folder / "report.json").is_file()


def test_requirements_are_listed(capsys: Capsys) -> None:
    assert main(["image", "requirements"]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(REQUIREMENTS)
    assert lines[1] == "it_starts (TEST, interop suite): Its program can be started."


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that is not asked anything."""
    monkeypatch.setattr(
        "quicmatrix.runner.contract_check.image_facts.engine", lambda: nullcontext(None)
    )


@pytest.mark.usefixtures("engine")
def test_an_image_for_another_machine_is_reported_and_not_run(
    backend: FakeBackend, monkeypatch: pytest.MonkeyPatch, capsys: Capsys
) -> None:
    monkeypatch.setattr(
        "quicmatrix.runner.contract_check.image_facts.image_facts",
        lambda *_: ImageFacts("arm64", "amd64", "linux", ("/run",), True, "", 1),
    )
    backend.form = Form.IMAGE  # and none is here, as far as the backend is concerned
    backend.images = {"quicmatrix/endpoint:latest": Image("quicmatrix/endpoint:latest", "i", "a")}
    assert main(["image", "check", "mine:latest"]) == ExitCode.FAILED
    out = capsys.readouterr().out
    assert "it is for linux/arm64, the machine is linux/amd64" in out
    assert "the image does not fit the machine" in out
    assert "mine:latest does not fulfil the contract: image_fits_the_machine, it_starts" in out
    assert backend.sandboxes == []


@pytest.mark.usefixtures("engine")
def test_an_image_that_cannot_be_had_is_wrong_use(
    backend: FakeBackend, monkeypatch: pytest.MonkeyPatch, capsys: Capsys
) -> None:
    def refuse(*_: object) -> ImageFacts:
        raise UserError("no such image")

    monkeypatch.setattr("quicmatrix.runner.contract_check.image_facts.image_facts", refuse)
    backend.form = Form.IMAGE
    backend.images = {"quicmatrix/endpoint:latest": Image("quicmatrix/endpoint:latest", "i", "a")}
    assert main(["image", "check", "mine:latest"]) == ExitCode.WRONG_USE
    assert "under_test: no image" in capsys.readouterr().err


@pytest.mark.usefixtures("backend")
def test_what_is_no_name_of_an_image_is_wrong_use(capsys: Capsys) -> None:
    assert main(["image", "check", "mine=./command"]) == ExitCode.WRONG_USE
    assert "cannot be the name of an image" in capsys.readouterr().err
