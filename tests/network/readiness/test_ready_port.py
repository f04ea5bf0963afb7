from __future__ import annotations

import socket

from quicmatrix.runner.network.readiness.ready_port import accept_and_close, ready_listener
from quicmatrix.runner.network.topology import SIM_READY_PORT


def test_a_connection_is_accepted_and_closed() -> None:
    with ready_listener() as listener:
        accept_and_close(listener)  # no connection is waiting: no error
        listener.settimeout(5)
        with socket.create_connection(("127.0.0.1", SIM_READY_PORT), timeout=5) as client:
            accept_and_close(listener)
            assert client.recv(10) == b""
