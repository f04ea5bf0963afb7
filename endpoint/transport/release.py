"""Frees the memory of a connection that has ended, without waiting for garbage collection.

aioquic's connections refer to themselves, through callbacks of TLS, keys, loss detection and sent
packets. Python collects such cycles rarely: an idle server would keep a hundred ended connections
of some 40 kB each.
"""

from __future__ import annotations

from quicmatrix.endpoint.transport.connection import Connection


def release(connection: Connection) -> None:
    """Break the reference cycles of a connection that has ended; its statistics stay."""
    connection.open_path = None
    connection._QuicConnection__frame_handlers.clear()  # type: ignore[attr-defined]  # noqa: SLF001
    if hasattr(connection, "tls"):
        connection.tls.__dict__.clear()
    for crypto in (*connection._cryptos.values(), *connection._cryptos_initial.values()):  # noqa: SLF001
        for context in (crypto.recv, crypto.send):
            context.__dict__.pop("_setup_cb", None)
            context.__dict__.pop("_teardown_cb", None)
    for space in connection._spaces.values():  # noqa: SLF001
        space.sent_packets.clear()
    for callback in ("_send_probe", "_on_packets_lost", "_detect_loss", "on_ack_received"):
        connection._loss.__dict__.pop(callback, None)  # noqa: SLF001
