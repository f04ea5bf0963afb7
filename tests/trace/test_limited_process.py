from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from quicmatrix.runner.trace.limited_process import LimitedProcess, Limits, environment
from tests.support.one_sandbox import REPOSITORY
from tests.support.real_root import real_root

LIMITS = Limits()


@contextmanager
def running(
    code: str, tmp_path: Path, limits: Limits = LIMITS, stop: threading.Event | None = None
) -> Iterator[LimitedProcess]:
    """A Python program in place of tshark."""
    source = tmp_path / "input"
    source.write_bytes(b"from the file")
    with (
        source.open("rb") as file,
        LimitedProcess(
            ("/usr/bin/env", "python3", "-c", code),
            file,
            b"-- a script",
            limits,
            stop or threading.Event(),
        ) as process,
    ):
        yield process


def run(code: str, tmp_path: Path, limits: Limits = LIMITS) -> tuple[list[str], str]:
    with running(code, tmp_path, limits) as process:
        lines = list(process.lines())
    return lines, process.failure


def test_lines_of_a_program_that_reads_the_file(tmp_path: Path) -> None:
    code = "import sys; print(sys.stdin.read()); print('two')"
    assert run(code, tmp_path) == (["from the file", "two"], "")


def test_the_script_can_be_read(tmp_path: Path) -> None:
    code = "import sys; print(open(sys.argv[-1].partition(':')[2]).read())"
    assert run(code, tmp_path) == (["-- a script"], "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_root_runs_it_as_user_nobody(tmp_path: Path) -> None:
    code = "import os; print(os.getuid(), os.getgid())"
    assert run(code, tmp_path) == (["65534 65534"], "")


@pytest.mark.skipif(not real_root(), reason="root of a user namespace keeps its groups")
def test_root_keeps_no_groups(tmp_path: Path) -> None:
    assert run("import os; print(os.getgroups())", tmp_path) == (["[]"], "")


@pytest.mark.netns
def test_root_of_a_user_namespace_runs_it_as_user_nobody(tmp_path: Path) -> None:
    """As tshark 4.4 wants it, which does not run scripts as root."""
    test = f"{__file__}::{test_root_runs_it_as_user_nobody.__name__}"
    python = (sys.executable, "-m", "pytest", "-q", f"--basetemp={tmp_path}/inside", test)
    done = subprocess.run(
        ("unshare", "--user", "--map-root-user", *python),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout


def test_no_preferences_of_a_user_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("WIRESHARK_CONFIG_DIR", str(tmp_path))
    code = "import os; print(*sorted(os.environ.items()), sep='\\n')"
    lines, _ = run(code, tmp_path)
    assert str(tmp_path) not in "".join(lines)
    assert environment()["HOME"] == "/nonexistent"


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("import sys; sys.exit('the file is cut short')", "the file is cut short"),
        ("import sys; sys.exit(3)", "tshark exited with 3"),
        (
            'import sys; sys.exit(\'Running as user "root" and group "root"\\nno capture\')',
            "no capture",
        ),
        ("import os; os.abort()", "tshark was ended by SIGABRT"),
        (
            "import sys; print('tshark: Lua: syntax error', file=sys.stderr)",
            "tshark: Lua: syntax error",
        ),
        ("import sys; print('a warning', file=sys.stderr)", ""),
    ],
)
def test_the_failure_names_exit_code_or_signal(code: str, failure: str, tmp_path: Path) -> None:
    assert run(code, tmp_path) == ([], failure)


def test_time_is_limited(tmp_path: Path) -> None:
    code = "import signal; print('begun', flush=True); signal.pause()"
    lines, failure = run(code, tmp_path, Limits(seconds=1.0))
    assert failure == "tshark was not finished after 1 s"
    assert lines in ([], ["begun"])


@pytest.mark.parametrize(
    ("end", "shown", "failure"),
    [
        ("time.sleep(1000)", ["whole"], "tshark was not finished after 1 s"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", ["whole"], "tshark was ended by SIGSEGV"),
        ("sys.exit(0)", ["whole", "cut"], ""),
    ],
)
def test_a_line_within_which_it_ended_is_left_out(
    end: str, shown: list[str], failure: str, tmp_path: Path
) -> None:
    code = f"import os, signal, sys, time; print('whole\\ncut', end='', flush=True); {end}"
    lines, why = run(code, tmp_path, Limits(seconds=1.0))
    assert why == failure
    assert lines == shown or (end.startswith("time") and not lines)


def test_output_is_limited(tmp_path: Path) -> None:
    lines, failure = run("while True: print('x' * 99)", tmp_path, Limits(output_bytes=1000))
    assert failure == "it prints more than 1000 bytes"
    assert len(lines) == 10


def test_memory_is_limited(tmp_path: Path) -> None:
    lines, failure = run("bytes(1 << 30)", tmp_path, Limits(memory_bytes=512 << 20))
    assert lines == []
    assert failure.startswith("Traceback")


def test_standard_error_is_limited(tmp_path: Path) -> None:
    code = "import os\nwhile True: os.write(2, b'\\x1b' * 65536)"
    assert run(code, tmp_path) == ([], "\\x1b" * 200)


def test_it_can_be_stopped(tmp_path: Path) -> None:
    stop = threading.Event()
    code = "import signal; print('begun', flush=True); signal.pause()"
    with running(code, tmp_path, stop=stop) as process:
        lines = process.lines()
        assert next(lines) == "begun"
        stop.set()
        assert list(lines) == []
    assert process.failure == "decoding was stopped"


def test_leaving_early_ends_it(tmp_path: Path) -> None:
    code = "import signal; print('begun', flush=True); signal.pause()"
    seen = []
    with suppress(ZeroDivisionError), running(code, tmp_path) as process:
        seen.append(process)
        assert next(process.lines()) == "begun"
        raise ZeroDivisionError
    assert seen[0].failure == "tshark was ended by SIGKILL"


def test_no_descriptor_is_left(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    run("pass", tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_there_is_no_such_program(tmp_path: Path) -> None:
    with Path(sys.executable).open("rb") as file, pytest.raises(FileNotFoundError):
        LimitedProcess(("no-such-program",), file, b"", Limits(), threading.Event())
