from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

import quicmatrix.runner.cli
from quicmatrix.runner.cli import COMMANDS, ExitCode, main
from quicmatrix.runner.errors import UserError
from tests.support.imports import newly_imported


def test_help_imports_next_to_nothing() -> None:
    loaded = newly_imported("from quicmatrix.runner.cli import main; main(['--help'])")
    assert {name for name in loaded if name.startswith("quicmatrix.")} == {
        *("quicmatrix.runner", "quicmatrix.runner.cli", "quicmatrix.runner.cli.output"),
        *("quicmatrix.runner.errors", "quicmatrix.runner.printable"),
    }
    assert {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names == {
        *("click", "quicmatrix"),
    }
    assert not {"asyncio", "json", "logging", "ssl", "subprocess", "tempfile"} & loaded


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_every_command_has_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--help"]) == ExitCode.OK
    assert "Usage: quicmatrix" in capsys.readouterr().out


def test_the_list_of_commands_is_what_there_is() -> None:
    folder = Path(quicmatrix.runner.cli.__file__).parent
    assert all((folder / f"{module}.py").is_file() for module, _ in COMMANDS.values())


def test_python_dash_m_is_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "quicmatrix.runner", "--version"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("quicmatrix ")


def test_without_a_command_there_is_help_and_an_error_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([]) == ExitCode.WRONG_USE
    assert "Commands:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["frobnicate"], "error: No such command 'frobnicate'."),
        (["--frobnicate"], "error: No such option '--frobnicate'."),
        (["run", "--frobnicate"], "error: No such option '--frobnicate'."),
        (["run", "stray"], "error: Got unexpected extra argument"),
        (["judge"], "error: Missing argument 'DIR'."),
        (["list"], "error: Missing command."),
        (["list", "\x1b[2J"], r"error: No such command '\x1b[2J'."),
    ],
)
def test_wrong_use_is_said_in_one_line_with_a_hint(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == ExitCode.WRONG_USE
    out, err = capsys.readouterr()
    assert out == ""
    first, hint = err.splitlines()
    assert first.replace("\\\\", "\\").startswith(message)
    assert hint.startswith("hint: 'quicmatrix")
    assert "--help' shows how it is used" in hint


def failing_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    @click.command()
    def command() -> None:
        raise error

    monkeypatch.setattr(quicmatrix.runner.cli.LazyGroup, "get_command", lambda *_: command)


def test_a_user_error_is_a_message_and_a_hint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing_with(monkeypatch, UserError("no \x1b[31mtea", "boil\nwater"))
    assert main(["run"]) == ExitCode.WRONG_USE
    assert capsys.readouterr().err == "error: no \\x1b[31mtea\nhint: boil\\nwater\n"


def test_a_user_error_may_come_out_of_a_task_group(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing_with(monkeypatch, ExceptionGroup("tasks", [ExceptionGroup("x", [UserError("no tea")])]))
    assert main(["run"]) == ExitCode.WRONG_USE
    assert capsys.readouterr().err == "error: no tea\n"


def test_a_bug_shows_its_traceback_and_asks_for_a_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing_with(monkeypatch, ZeroDivisionError("by \x1b[2J"))
    assert main(["run"]) == ExitCode.BUG
    err = capsys.readouterr().err
    assert "Traceback (most recent call last)" in err
    assert r"ZeroDivisionError: by \x1b[2J" in err
    assert err.splitlines()[-1].startswith("This is a bug in quicmatrix: please report it")


def test_ctrl_c_outside_of_a_run_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    failing_with(monkeypatch, KeyboardInterrupt())
    assert main(["run"]) == 130
