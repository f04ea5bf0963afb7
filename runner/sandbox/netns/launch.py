"""Executes a program on a host: a script, run inside by the runner's Python.

It sends a byte on its socket, by which the kernel tells the runner its process id, so that limits
can be set. Then it receives the command, and another socket on which it reports why the command
cannot be executed; execve(2) closes that one. So every later exit status is the program's own.
Usage: ``python -I -S launch.py SOCKET_FD``.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence


def encode(cwd: bytes, command: Sequence[bytes], environment: Mapping[bytes, bytes]) -> bytes:
    """A command, as :func:`main` reads it: fields separated by NUL, which none can contain."""
    variables = [name + b"=" + value for name, value in environment.items()]
    fields = [cwd, str(len(command)).encode(), *command, *variables]
    if any(b"\0" in field for field in fields):
        raise ValueError("a NUL character in a command, its environment or its working directory")
    return b"\0".join(fields)


def decode(message: bytes) -> tuple[bytes, list[bytes], dict[bytes, bytes]]:
    """The inverse of :func:`encode`."""
    cwd, count, *fields = message.split(b"\0")
    command, variables = fields[: int(count)], fields[int(count) :]
    pairs = (variable.partition(b"=") for variable in variables)
    return cwd, command, {name: value for name, _, value in pairs}


def main(control: socket.socket) -> None:
    """Receive a command and execute it."""
    control.send(b"!")
    _, (answers,), _, _ = socket.recv_fds(control, 1, 1)
    os.set_inheritable(answers, False)
    message = b"".join(iter(lambda: control.recv(65536), b""))
    if not message:
        os._exit(1)  # the runner closed the socket
    control.close()
    cwd, command, environment = decode(message)
    os.setsid()
    os.umask(0o022)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # ignored by Python, and that is inherited
        signal.signal(number, signal.SIG_DFL)
    try:
        os.chdir(cwd)
    except OSError as error:
        report(answers, cwd, error)
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606 - there is no shell on purpose
    except OSError as error:
        report(answers, command[0], error)


def report(fd: int, name: bytes, error: OSError) -> None:
    """Tell the runner why a program cannot be executed."""
    os.write(fd, name + b": " + (error.strerror or "cannot be executed").encode())
    os._exit(127)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
