"""HTTP/0.9 over QUIC, ALPN ``hq-interop``: ``GET /path``, and the file until the stream's end."""

from __future__ import annotations

from collections.abc import Iterator

from aioquic.quic.events import QuicEvent, StreamDataReceived, StreamReset

from quicmatrix.endpoint.contract import Request
from quicmatrix.endpoint.http.application import Answer
from quicmatrix.endpoint.transport.connection import Connection

ALPN = "hq-interop"
NO_ERROR = 0
NOT_FOUND = 1
"""The error code of the RESET_STREAM that stands for a missing file."""
LONGEST_REQUEST = 8192


def is_request_stream(stream_id: int) -> bool:
    """Whether it is a bidirectional stream that the client opened (RFC 9000, 2.1)."""
    return stream_id % 4 == 0


class HqClient:
    """The client's side of HTTP/0.9."""

    no_error = NO_ERROR

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def ask(self, stream_id: int, request: Request) -> None:
        """Send a request on a new stream."""
        line = f"GET {request.path}\r\n".encode()
        self._connection.send_stream_data(stream_id, line, end_stream=True)

    def answers(self, event: QuicEvent) -> Iterator[Answer]:
        """What an event brought of answers."""
        match event:
            case StreamDataReceived():
                yield Answer(event.stream_id, event.data, event.end_stream)
            case StreamReset():
                failure = f"the server reset the stream with error {event.error_code:#x}"
                yield Answer(event.stream_id, failure=failure)


class HqServer:
    """The server's side of HTTP/0.9."""

    no_error = NO_ERROR

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lines: dict[int, bytes | None] = {}
        """The request received so far on each stream that has not ended; None once answered."""

    def requests(self, event: QuicEvent) -> Iterator[tuple[int, str]]:
        """Streams on which an event completed a request, with the path that is asked for."""
        match event:
            case StreamDataReceived(stream_id=stream_id) if is_request_stream(stream_id):
                yield from self._data_received(stream_id, event.data, event.end_stream)
            case StreamReset():
                self._lines.pop(event.stream_id, None)

    def begin(self, stream_id: int, size: int) -> None:
        """Nothing comes before the file."""

    def refuse(self, stream_id: int) -> None:
        """Answer that there is no such file."""
        self._connection.reset_stream(stream_id, NOT_FOUND)

    def send(self, stream_id: int, data: bytes, is_last: bool) -> None:
        """Send a piece of the file."""
        self._connection.send_stream_data(stream_id, data, end_stream=is_last)

    def _data_received(
        self, stream_id: int, data: bytes, is_last: bool
    ) -> Iterator[tuple[int, str]]:
        line = self._lines.pop(stream_id, b"")
        is_complete = line is None
        if line is not None:
            line += data
            is_complete = is_last or b"\n" in line or len(line) > LONGEST_REQUEST
        if not is_last:
            self._lines[stream_id] = None if is_complete else line
        if line is not None and is_complete:
            method, _, path = line.partition(b"\n")[0].strip().partition(b" ")
            if method == b"GET" and path.startswith(b"/") and len(path) <= LONGEST_REQUEST:
                yield stream_id, path.decode("utf-8", "surrogateescape")
            else:
                self.refuse(stream_id)
