"""A download over a :class:`quic_pair.Pair`: the server sends so many bytes on one stream."""

from __future__ import annotations

from aioquic.quic.events import StreamDataReceived

from quicmatrix.endpoint.transport.connection import Connection
from tests.support.quic_pair import Idle, Pair


class Source:
    """A server application that sends so many bytes on the first stream it sees."""

    def __init__(self, connection: Connection, size: int) -> None:
        self.connection = connection
        self.size = size

    def event_received(self, event: object) -> None:
        if isinstance(event, StreamDataReceived) and self.size:
            size, self.size = self.size, 0
            self.connection.send_stream_data(event.stream_id, bytes(size), end_stream=True)

    def pump(self) -> None:
        pass


class Sink(Idle):
    """A client application that counts what it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.received = 0
        self.is_finished = False

    def event_received(self, event: object) -> None:
        if isinstance(event, StreamDataReceived):
            self.received += len(event.data)
            self.is_finished = event.end_stream


def download(pair: Pair, size: int) -> Sink:
    """Ask for so many bytes, as soon as that is possible."""
    pair.client_app = sink = Sink()
    pair.new_server_app = lambda connection: Source(connection, size)
    pair.connect()
    pair.run_until(lambda: pair.client.can_open_stream)
    pair.client.send_stream_data(0, b"x", end_stream=True)
    pair.drive_client()
    return sink
