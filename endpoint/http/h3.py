"""HTTP/3, ALPN ``h3`` (RFC 9114): requests and responses."""

from __future__ import annotations

from collections.abc import Iterator

from aioquic.h3.connection import ErrorCode
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.events import QuicEvent, StreamReset

from quicmatrix.endpoint.contract import Request
from quicmatrix.endpoint.http.application import Answer
from quicmatrix.endpoint.http.h3_connection import Http3, MessageRefused
from quicmatrix.endpoint.transport.connection import Connection

ALPN = "h3"
NO_ERROR = int(ErrorCode.H3_NO_ERROR)


class H3Client:
    """The client's side of HTTP/3.

    A server that goes away answers no request on a stream beyond the one that it names (RFC 9114,
    5.2): those are failures at once, and so is what is asked afterwards.
    """

    no_error = NO_ERROR

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._h3 = Http3(connection)
        self._asked: set[int] = set()
        """Streams without a whole answer."""
        self._accepted: set[int] = set()
        """Those of them that have a status of 200."""

    def ask(self, stream_id: int, request: Request) -> None:
        """Send a request on a new stream."""
        self._asked.add(stream_id)
        if self._h3.last_stream is not None:
            self._connection.reset_stream(stream_id, ErrorCode.H3_REQUEST_CANCELLED)
            return
        headers = [
            (b":method", b"GET"),
            (b":scheme", b"https"),
            (b":authority", request.authority.encode()),
            (b":path", request.path.encode()),
        ]
        self._h3.send_headers(stream_id, headers, end_stream=True)

    def answers(self, event: QuicEvent) -> Iterator[Answer]:
        """What an event brought of answers."""
        for answer in self._answers(event):
            if answer.is_last or answer.failure:
                self._asked.discard(answer.stream_id)
                self._accepted.discard(answer.stream_id)
            yield answer

    def _answers(self, event: QuicEvent) -> Iterator[Answer]:
        if isinstance(event, StreamReset):
            failure = f"the server reset the stream with error {event.error_code:#x}"
            yield Answer(event.stream_id, failure=failure)
        for http_event in self._h3.handle_event(event):
            yield from self._answers_in(http_event)
        last = self._h3.last_stream
        if last is not None:
            for stream_id in sorted(each for each in self._asked if each >= last):
                yield Answer(stream_id, failure="the server is going away")

    def _answers_in(self, event: H3Event) -> Iterator[Answer]:
        match event:
            case MessageRefused():
                yield Answer(event.stream_id, failure=f"a malformed answer: {event.reason}")
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
    """The server's side of HTTP/3: GET and HEAD."""

    no_error = NO_ERROR

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._h3 = Http3(connection)
        self._heads: set[int] = set()
        """Streams of HEAD requests."""

    def requests(self, event: QuicEvent) -> Iterator[tuple[int, str]]:
        """Streams on which an event completed a request, with the path that is asked for."""
        for http_event in self._h3.handle_event(event):
            if isinstance(http_event, HeadersReceived):
                yield from self._asked(http_event.stream_id, dict(http_event.headers))

    def _asked(self, stream_id: int, fields: dict[bytes, bytes]) -> Iterator[tuple[int, str]]:
        method = fields.get(b":method")
        if method is None or not self._connection.can_send_on(stream_id):
            return  # trailers, or the client has stopped the stream
        if method not in {b"GET", b"HEAD"}:
            self._answer(stream_id, b"405", (b"allow", b"GET, HEAD"))
            return
        if method == b"HEAD":
            self._heads.add(stream_id)
        yield stream_id, fields[b":path"].decode("utf-8", "surrogateescape")

    def begin(self, stream_id: int, size: int) -> None:
        """Begin the answer that is a file of so many bytes."""
        is_all = stream_id in self._heads
        self._heads.discard(stream_id)
        self._h3.send_headers(
            stream_id,
            [(b":status", b"200"), (b"content-length", str(size).encode())],
            end_stream=is_all,
        )

    def refuse(self, stream_id: int) -> None:
        """Answer that there is no such file."""
        self._heads.discard(stream_id)
        self._answer(stream_id, b"404")

    def send(self, stream_id: int, data: bytes, is_last: bool) -> None:
        """Send a piece of the file."""
        self._h3.send_data(stream_id, data, end_stream=is_last)

    def _answer(self, stream_id: int, status: bytes, *fields: tuple[bytes, bytes]) -> None:
        answer = [(b":status", status), (b"content-length", b"0"), *fields]
        self._h3.send_headers(stream_id, answer, end_stream=True)
