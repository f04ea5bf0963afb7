"""Runs tshark on untrusted captures: without privileges, with limits on time, memory and output."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Self

from quicmatrix.runner.printable import printable

_NOBODY = 65534
_MAX_LINE = 1 << 19
"""A datagram has at most 64 KiB, which are 128 Ki hexadecimal digits, printed at most twice."""
_MAX_STDERR = 1 << 20
_MAX_REASON = 200
_BUFFER = 1 << 17
_HARMLESS = ("Running as user",)
"""Beginnings of lines on standard error that are no errors."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Resource limits of one run."""

    seconds: float = 120.0
    memory_bytes: int = 8 << 30
    """Of address space."""
    output_bytes: int = 4 << 30
    """A script's lines are about twice as long as the capture."""


def environment() -> dict[str, str]:
    """An environment without any user's preferences of Wireshark."""
    return {
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "PATH": os.environ.get("PATH", os.defpath),
        "TZ": "UTC",
        "WIRESHARK_CONFIG_DIR": "/nonexistent",
    }


class LimitedProcess:
    """Runs tshark over a file on its standard input, with a Lua script.

    If this process is root, tshark runs as user ``nobody``: tshark 4.4 and later load no scripts as
    root, and an open file can be read without permissions. The script is passed as a file
    descriptor, because ``nobody`` may not be allowed to read the folder of the installation.

    Args:
        command: The program and its arguments.
        file: Its standard input.
        script: The Lua script; empty for none.
        limits: Its resource limits.
        stop: Setting it kills the process; it is set when the process has ended.

    Raises:
        FileNotFoundError: The program is not installed.
    """

    def __init__(
        self,
        command: Sequence[str],
        file: BinaryIO,
        script: bytes,
        limits: Limits,
        stop: threading.Event,
    ) -> None:
        self.failure = ""
        """Why the run failed; empty if it did not. Known when the context is left."""
        self._limits = limits
        self._stop = stop
        self._killed_because = ""
        with ExitStack() as opened:
            script_file = opened.enter_context(_memory_file("script.lua", script))
            self._stderr = _memory_file("stderr")
            opened.enter_context(self._stderr)
            extension = ("-X", f"lua_script:/dev/fd/{script_file.fileno()}") if script else ()
            limited = _limited((*command, *extension), limits.memory_bytes)
            self._process = _start(limited, file, self._stderr, script_file)
            opened.pop_all()
            script_file.close()
        self._watchdog = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._watchdog.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self._process.kill()
        assert self._process.stdout is not None
        self._process.stdout.close()
        exit_code = self._process.wait()
        self._stop.set()
        self._watchdog.join()
        with self._stderr:
            self.failure = self._killed_because or self._failure(exit_code)

    def lines(self) -> Iterator[str]:
        """The lines of its standard output, without line ends.

        Where it was killed or failed within a line, that one is left out: the failure says why.
        """
        assert self._process.stdout is not None
        left = self._limits.output_bytes
        while line := self._process.stdout.readline(_MAX_LINE):
            left -= len(line)
            if left < 0:
                self._kill(f"it prints more than {self._limits.output_bytes} bytes")
                return
            is_cut_off = not line.endswith(b"\n") and len(line) < _MAX_LINE
            if is_cut_off and self._process.wait():
                return
            yield line.rstrip(b"\n").decode(errors="replace")

    def _watch(self) -> None:
        if not self._stop.wait(self._limits.seconds):
            self._kill(f"tshark was not finished after {self._limits.seconds:g} s")
        elif self._process.poll() is None:
            self._kill("decoding was stopped")

    def _kill(self, reason: str) -> None:
        self._killed_because = self._killed_because or reason
        self._process.kill()

    def _failure(self, exit_code: int) -> str:
        """Why it failed, by its exit code and standard error; empty if it did not."""
        if exit_code < 0:
            return f"tshark was ended by {signal.Signals(-exit_code).name}"
        self._stderr.seek(0)
        text = self._stderr.read(_MAX_STDERR).decode(errors="replace")
        lines = [line for line in text.splitlines() if line and not line.startswith(_HARMLESS)]
        if not exit_code:  # then only errors of the Lua script count
            lines = [line for line in lines if "Lua" in line] or [""]
        reason = lines[0] if lines else f"tshark exited with {exit_code}"
        return printable(reason[:_MAX_REASON])


def _limited(arguments: Sequence[str], memory_bytes: int) -> tuple[str, ...]:
    """The command line, with resource limits if ``prlimit`` (util-linux) is installed.

    Raises:
        FileNotFoundError: The program is not installed.
    """
    path = environment()["PATH"]
    program = shutil.which(arguments[0], path=path)
    if program is None:
        raise FileNotFoundError(arguments[0])
    prlimit = shutil.which("prlimit", path=path)
    limits = (f"--as={memory_bytes}", "--core=0", f"--fsize={_MAX_STDERR}", "--")
    return (*((prlimit, *limits) if prlimit else ()), program, *arguments[1:])


def _start(
    arguments: Sequence[str], file: BinaryIO, stderr: BinaryIO, script: BinaryIO
) -> subprocess.Popen[bytes]:
    """Start a program as user ``nobody`` if this process is root, else as its own user.

    Root of a user namespace, which does not map ``nobody``, is that user in one more, without a
    mapping. Since version 4.4 tshark runs no scripts as root.
    """

    def start(user: int | None, *prefix: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            (*prefix, *arguments),
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=stderr,
            bufsize=_BUFFER,
            cwd="/",
            env=environment(),
            pass_fds=(script.fileno(),),
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=None if user is None else (),
        )

    if os.geteuid() == 0:
        with contextlib.suppress(OSError):
            return start(_NOBODY)
        return start(None, "unshare", "--user", "--")
    return start(None)


def _memory_file(name: str, content: bytes = b"") -> BinaryIO:
    file = os.fdopen(os.memfd_create(name), "w+b")
    file.write(content)
    file.flush()
    file.seek(0)
    return file
