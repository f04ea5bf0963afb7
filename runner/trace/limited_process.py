"""A program that reads what nobody vouches for: few rights, little room, not much time."""

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
_LONGEST_LINE = 1 << 19
"""A datagram has at most 64 KiB, which are 128 Ki digits, and is printed at most twice."""
_MOST_COMPLAINTS = 1 << 20
_LONGEST_REASON = 200
_BUFFER = 1 << 17
_NOISE = ("Running as user",)
"""What tshark says on standard error although all is well."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may take."""

    seconds: float = 120.0
    memory_bytes: int = 8 << 30
    """Of address space."""
    output_bytes: int = 4 << 30
    """A script's lines are about twice as long as the capture."""


def environment() -> dict[str, str]:
    """An environment in which no user's preferences are found."""
    return {
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "PATH": os.environ.get("PATH", os.defpath),
        "TZ": "UTC",
        "WIRESHARK_CONFIG_DIR": "/nonexistent",
    }


class Confined:
    """Runs tshark over a file on its standard input, with a Lua script.

    As root it runs as nobody: tshark 4.4 and later load no scripts as root, and to read a file that
    is already open takes no rights. The script comes through a descriptor, because nobody may not
    be allowed to read where we are installed.

    Args:
        command: The program and its arguments.
        file: Its standard input.
        script: The Lua script; empty for none.
        limits: What it may take.
        stop: Ends it when set; is set in the end.

    Raises:
        FileNotFoundError: There is no such program.
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
        """Once the context is left: what went wrong; empty if nothing did."""
        self._limits = limits
        self._stop = stop
        self._killed_because = ""
        with ExitStack() as opened:
            script_file = opened.enter_context(_memory_file("script.lua", script))
            self._complaints = _memory_file("stderr")
            opened.enter_context(self._complaints)
            extension = ("-X", f"lua_script:/dev/fd/{script_file.fileno()}") if script else ()
            limited = _limited((*command, *extension), limits.memory_bytes)
            self._process = _start(limited, file, self._complaints, script_file)
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
        with self._complaints:
            self.failure = self._killed_because or self._judge(exit_code)

    def lines(self) -> Iterator[str]:
        """What it prints, line by line, without their ends."""
        assert self._process.stdout is not None
        left = self._limits.output_bytes
        while line := self._process.stdout.readline(_LONGEST_LINE):
            left -= len(line)
            if left < 0:
                self._kill(f"it prints more than {self._limits.output_bytes} bytes")
                return
            yield line.rstrip(b"\n").decode(errors="replace")

    def _watch(self) -> None:
        if not self._stop.wait(self._limits.seconds):
            self._kill(f"tshark was not done after {self._limits.seconds:g} s")
        elif self._process.poll() is None:
            self._kill("decoding was stopped")

    def _kill(self, reason: str) -> None:
        self._killed_because = self._killed_because or reason
        self._process.kill()

    def _judge(self, exit_code: int) -> str:
        """What its end says about the file."""
        if exit_code < 0:
            return f"tshark was ended by {signal.Signals(-exit_code).name}"
        self._complaints.seek(0)
        text = self._complaints.read(_MOST_COMPLAINTS).decode(errors="replace")
        lines = [line for line in text.splitlines() if line and not line.startswith(_NOISE)]
        if not exit_code:  # then only what became of our script matters
            lines = [line for line in lines if "Lua" in line] or [""]
        reason = lines[0] if lines else f"tshark exited with {exit_code}"
        return printable(reason[:_LONGEST_REASON])


def _limited(arguments: Sequence[str], memory_bytes: int) -> tuple[str, ...]:
    """The command line, with resource limits if util-linux is there to set them.

    Raises:
        FileNotFoundError: There is no such program.
    """
    path = environment()["PATH"]
    program = shutil.which(arguments[0], path=path)
    if program is None:
        raise FileNotFoundError(arguments[0])
    prlimit = shutil.which("prlimit", path=path)
    limits = (f"--as={memory_bytes}", "--core=0", f"--fsize={_MOST_COMPLAINTS}", "--")
    return (*((prlimit, *limits) if prlimit else ()), program, *arguments[1:])


def _start(
    arguments: Sequence[str], file: BinaryIO, complaints: BinaryIO, script: BinaryIO
) -> subprocess.Popen[bytes]:
    """Start a program as nobody if we are root and may become nobody, else as we are."""

    def start(user: int | None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            arguments,
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=complaints,
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
        with contextlib.suppress(OSError):  # root of a user namespace may have no nobody to become
            return start(_NOBODY)
    return start(None)


def _memory_file(name: str, content: bytes = b"") -> BinaryIO:
    file = os.fdopen(os.memfd_create(name), "w+b")
    file.write(content)
    file.flush()
    file.seek(0)
    return file
