"""The streams of a connection with the implementation under test, and HTTP on them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import Enum

from quicmatrix.endpoint.tester import http3
from quicmatrix.endpoint.tester.connection import TesterConnection


class Rest(Enum):
    """What is missing of an HTTP/3 answer."""

    ALL = "header and content"
    CONTENT = "content"
    END = "only the end of the stream"


class Streams(ABC):
    """What a script does with streams; the base of a connection's peer.

    Args:
        connection: Whose streams.
        is_client: The tester's role.
        alpn: ``hq-interop`` or ``h3``.
    """

    def __init__(self, connection: TesterConnection, *, is_client: bool, alpn: str) -> None:
        self.connection = connection
        self.is_client = is_client
        self.alpn = alpn
        self.streams: dict[int, bytes] = {}
        """What came on each stream."""
        self.ended: set[int] = set()
        """The streams of which everything came."""
        self.answered: set[int] = set()
        """The requests that were answered."""
        self.rests: dict[int, Rest] = {}
        """What is missing of answers that a script has begun."""
        self.control = -1
        """Our control stream; -1 if there is none."""
        self._marks_as = ""

    @abstractmethod
    def flush(self) -> None:
        """Send what is to be sent."""

    @abstractmethod
    def mark_next_flight(self, step: str = "stimulus") -> None:
        """Log the datagrams of the connection's next flight as what the case is about."""

    @abstractmethod
    async def until(self, holds: Callable[[], bool], what: str) -> bool:
        """Wait until something holds."""

    def new_stream(self, *, unidirectional: bool = False) -> int:
        """A stream that we open; nothing is sent on it."""
        return self.connection.open_stream(unidirectional=unidirectional)

    def stream_id(self, number: int, *, ours: bool, unidirectional: bool = False) -> int:
        """The ID of the n-th stream of a kind, from 0 (RFC 9000, 2.1), whether or not it exists."""
        by_server = ours is not self.is_client
        return number * 4 + 2 * unidirectional + by_server

    def sending_stream(self) -> int:
        """A stream on which we may send, and have sent nothing; there always is one.

        A new one; if the client allows none, that of its request, which is not answered then.
        """
        for is_uni in (False,) if self.is_client else (True, False):
            if self.connection.streams_allowed(unidirectional=is_uni):
                return self.new_stream(unidirectional=is_uni)
        stream_id = self.stream_id(0, ours=False)
        self.answered.add(stream_id)
        return stream_id

    def write(self, stream_id: int, data: bytes, *, fin: bool = False) -> None:
        """Write to a stream as an endpoint does, with retransmission."""
        self.connection.send_stream_data(stream_id, data, fin)
        self.flush()

    def write_stimulus(self, stream_id: int, data: bytes, *, fin: bool = False) -> None:
        """Write to a stream what the case is about.

        Raises:
            NoStimulusError: The implementation's limits do not permit it.
        """
        self.flush()
        self.mark_next_flight()
        self.write(stream_id, data, fin=fin)
        if self._marks_as:
            self.mark_next_flight("")
            raise NoStimulusError(f"its limits do not permit data on stream {stream_id}")

    def open(self, *data: bytes) -> int:
        """Open a unidirectional stream that begins with this. Returns its ID."""
        stream_id = self.new_stream(unidirectional=True)
        self.write(stream_id, b"".join(data))
        return stream_id

    def open_control(self) -> None:
        """Open the control stream, and send SETTINGS without a setting on it."""
        self.control = self.open(http3.stream(http3.StreamKind.CONTROL, http3.settings()))

    def open_stimulus(self, *data: bytes, fin: bool = False) -> int:
        """Open a unidirectional stream that the case is about. Returns its ID."""
        stream_id = self.new_stream(unidirectional=True)
        self.write_stimulus(stream_id, b"".join(data), fin=fin)
        return stream_id

    @property
    def message_stream(self) -> int:
        """Where our next message goes: a new stream, or that of the first unanswered request.

        Raises:
            NoStimulusError: The client sent no request.
        """
        if self.is_client:
            return self.new_stream()
        if not self.requests:
            raise NoStimulusError("the client sent no request")
        return next(iter(self.requests))

    def message_stimulus(self, data: bytes, *, fin: bool = False, rest: Rest = Rest.ALL) -> int:
        """Begin a message with what the case is about. Returns its stream.

        It is a request on a new stream, or the answer to the first request that has none.

        Args:
            data: The beginning of the message.
            fin: Whether it is all of it.
            rest: Server: what follows when the implementation was seen to go on.

        Raises:
            NoStimulusError: The client sent no request.
        """
        stream_id = self.message_stream
        if fin:
            self.answered.add(stream_id)
        self.rests[stream_id] = rest
        self.write_stimulus(stream_id, data, fin=fin)
        return stream_id

    def needs_messages(self, count: int) -> None:
        """Make sure that so many messages can be under way at once.

        Raises:
            NoStimulusError: The server permits less requests, or the client sent less.
        """
        connection = self.connection
        unused = connection.streams_allowed() - connection.get_next_available_stream_id() // 4
        possible = unused if self.is_client else len(self.requests)
        if possible < count:
            raise NoStimulusError(f"{count} messages are needed, and {possible} possible")

    @property
    def settings(self) -> dict[int, int] | None:
        """The implementation's SETTINGS; None if they have not come (RFC 9114, 7.2.4)."""
        return self._control_of_peer[1]

    @property
    def control_of_peer(self) -> int:
        """The implementation's control stream; -1 if it is not known."""
        return self._control_of_peer[0]

    @property
    def _control_of_peer(self) -> tuple[int, dict[int, int] | None]:
        theirs = self.stream_id(0, ours=False, unidirectional=True)
        for stream_id, data in self.streams.items():
            if stream_id % 4 == theirs and (found := http3.settings_in(data)) is not None:
                return stream_id, found
        return -1, None

    async def setting(self, identifier: int, default: int = 0) -> int:
        """Wait for a setting of the implementation.

        Raises:
            NoStimulusError: Its SETTINGS do not come.
        """
        await self.until(lambda: self.settings is not None, "SETTINGS")
        if self.settings is None:
            raise NoStimulusError("it sends no SETTINGS")
        return self.settings.get(identifier, default)

    def request(self, path: str) -> int:
        """Ask for a file; the tester is the client. Returns the stream's ID."""
        stream_id = self.new_stream()
        if self.alpn == "h3":
            self.write(stream_id, http3.headers(http3.request_fields(path)), fin=True)
        else:
            self.write(stream_id, f"GET {path}\r\n".encode(), fin=True)
        return stream_id

    @property
    def requests(self) -> dict[int, str]:
        """The path of each request that came and was not answered; the tester is the server."""
        return {
            stream_id: path
            for stream_id in sorted(self.ended - self.answered)
            if stream_id % 4 == 0 and (path := self._requested(stream_id))
        }

    def respond(self, stream_id: int, body: bytes) -> None:
        """Answer a request as a server does, unless the client has stopped the stream."""
        self.answered.add(stream_id)
        if not self.connection.can_send_on(stream_id):
            return
        rest = self.rests.get(stream_id, Rest.ALL)
        if self.alpn == "h3":
            header = http3.headers(http3.response_fields(len(body)))
            content = http3.frame(http3.H3Frame.DATA, body)
            body = {Rest.ALL: header + content, Rest.CONTENT: content, Rest.END: b""}[rest]
        self.write(stream_id, body, fin=True)

    def _requested(self, stream_id: int) -> str:
        data = self.streams[stream_id]
        if self.alpn == "h3":
            return http3.requested_path(data)
        return data.removeprefix(b"GET ").strip().decode(errors="replace")


class NoStimulusError(Exception):
    """The implementation did nothing that the stimulus could be sent after."""
