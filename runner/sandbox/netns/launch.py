"""The last step before a program runs on a host: a script, run inside by the runner's own Python.

It says hello on the socket that it is given, by which the runner learns its process id and can put
limits on it, then receives what to run, and becomes it. With that it receives another socket, which
nobody else inside has: it closes as the program is executed, or carries the reason why it cannot
be. So whatever exit status comes later is the program's own.
Usage: ``python -I -S launch.py SOCKET_FD``.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence


def encode(cwd: bytes, command: Sequence[bytes], environment: Mapping[bytes, bytes]) -> bytes:
    """What to run, as :func:`main` reads it: fields that end with NUL, which none can contain."""
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


def main(orders: socket.socket) -> None:
    """Become the program."""
    orders.send(b"!")
    _, (answers,), _, _ = socket.recv_fds(orders, 1, 1)
    os.set_inheritable(answers, False)
    message = b"".join(iter(lambda: orders.recv(65536), b""))
    if not message:
        os._exit(1)  # the runner gave up
    orders.close()
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
    """Tell the runner why there is no program."""
    os.write(fd, name + b": " + (error.strerror or "cannot be executed").encode())
    os._exit(127)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
