from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from pathlib import Path

from quicmatrix.runner.network.middlebox.events import ControlSocket


def test_a_control_socket_carries_one_line_for_each_event(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(os.fspath(tmp_path / "control"))
        listener.listen()
        control = ControlSocket(tmp_path / "control")
        runner, _ = listener.accept()
    with runner:
        control.emit("server-ready", {"after_s": 0.5})
        assert runner.recv(1000) == b'{"event": "server-ready", "after_s": 0.5}\n'
        assert not select.select([control], (), (), 0)[0]
        runner.sendall(b"finish\n")
        assert select.select([control], (), (), 5)[0]
        assert control.stop_requested()
    for _ in range(2):
        control.emit("finished", {})  # the runner is gone: no error, and the loop is to stop
        assert select.select([control], (), (), 5)[0]
        assert control.stop_requested()
    control.close()


def test_standard_streams_carry_events_until_the_input_ends() -> None:
    program = (
        "from quicmatrix.runner.network.middlebox.events import StandardStreams\n"
        "control = StandardStreams()\n"
        "control.emit('capturing', {})\n"
        "print(control.stop_requested(), control.stop_requested())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=b"x", stdout=subprocess.PIPE, check=True
    )
    assert done.stdout == b'{"event": "capturing"}\nFalse True\n'
