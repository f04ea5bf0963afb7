"""HTTP/3, ALPN ``h3`` (RFC 9114), on aioquic's framing and QPACK."""

from __future__ import annotations

from collections.abc import Iterator

from aioquic.h3.connection import ErrorCode, H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.events import QuicEvent, StreamReset

from endpoint.application import Answer
from endpoint.contract import Request
from endpoint.transport.connection import Connection

ALPN = "h3"
NO_ERROR = int(ErrorCode.H3_NO_ERROR)


class H3Client:
    """The client's side of HTTP/3. A push is on a stream that nobody asked on, and is dropped.

    aioquic checks that an answer is as long as its content-length (RFC 9114, 4.1.2).
    """

    no_error = NO_ERROR

    def __init__(self, connection: Connection) -> None:
        self._h3 = H3Connection(connection)
        self._accepted: set[int] = set()

    def ask(self, stream_id: int, request: Request) -> None:
        """Send a request on a new stream."""
        headers = [
            (b":method", b"GET"),
            (b":scheme", b"https"),
            (b":authority", request.authority.encode()),
            (b":path", request.path.encode()),
        ]
        self._h3.send_headers(stream_id, headers, end_stream=True)

    def answers(self, event: QuicEvent) -> Iterator[Answer]:
        """What an event brought of answers."""
        if isinstance(event, StreamReset):
            failure = f"the server reset the stream with error {event.error_code:#x}"
            yield Answer(event.stream_id, failure=failure)
        for http_event in self._h3.handle_event(event):
            yield from self._answers(http_event)

    def _answers(self, event: H3Event) -> Iterator[Answer]:
        match event:
            case HeadersReceived(stream_id=stream_id) if stream_id not in self._accepted:
                status = dict(event.headers).get(b":status", b"").decode(errors="replace")
                if status == "200":
                    self._accepted.add(stream_id)
                elif not status.startswith("1"):  # else an interim answer (RFC 9114, 4.1)
                    yield Answer(stream_id, failure=f"status {status}")
                if event.stream_ended:
                    yield Answer(stream_id, is_last=True)
            case HeadersReceived():  # trailers
                yield Answer(event.stream_id, is_last=event.stream_ended)
            case DataReceived() if event.stream_id in self._accepted:
                yield Answer(event.stream_id, event.data, event.stream_ended)


class H3Server:
    """The server's side of HTTP/3."""

    no_error = NO_ERROR

    def __init__(self, connection: Connection) -> None:
        self._h3 = H3Connection(connection)

    def requests(self, event: QuicEvent) -> Iterator[tuple[int, str]]:
        """Streams on which an event completed a request, with the path that is asked for."""
        for http_event in self._h3.handle_event(event):
            if isinstance(http_event, HeadersReceived):
                headers = dict(http_event.headers)
                path = headers.get(b":path")
                if headers.get(b":method") == b"GET" and path is not None:
                    yield http_event.stream_id, path.decode("utf-8", "surrogateescape")
                elif b":method" in headers:
                    self._answer(http_event.stream_id, b"405", 0)

    def begin(self, stream_id: int, size: int) -> None:
        """Begin the answer that is a file of so many bytes."""
        self._h3.send_headers(
            stream_id,
            [(b":status", b"200"), (b"content-length", str(size).encode())],
        )

    def refuse(self, stream_id: int) -> None:
        """Answer that there is no such file."""
        self._answer(stream_id, b"404", 0)

    def send(self, stream_id: int, data: bytes, is_last: bool) -> None:
        """Send a piece of the file."""
        self._h3.send_data(stream_id, data, end_stream=is_last)

    def _answer(self, stream_id: int, status: bytes, length: int) -> None:
        self._h3.send_headers(
            stream_id,
            [(b":status", status), (b"content-length", str(length).encode())],
            end_stream=True,
        )
