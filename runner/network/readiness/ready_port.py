"""TCP port 57832, which client images wait for: it is open while the middlebox captures."""

from __future__ import annotations

import socket

from quicmatrix.runner.network.topology import SIM_READY_PORT


def ready_listener() -> socket.socket:
    """Listens on the port, on all addresses."""
    if socket.has_dualstack_ipv6():
        listener = socket.create_server(
            ("::", SIM_READY_PORT), family=socket.AF_INET6, dualstack_ipv6=True
        )
    else:
        listener = socket.create_server(("", SIM_READY_PORT))
    listener.setblocking(False)
    return listener


def accept_and_close(listener: socket.socket) -> None:
    """Accept a connection and close it: client images need no more than the connection."""
    try:
        connection, _ = listener.accept()
    except (BlockingIOError, ConnectionAbortedError):
        return
    connection.close()
