"""What scripts do with streams, above a connection that only remembers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from quicmatrix.endpoint.tester import http3
from quicmatrix.endpoint.tester.http3 import H3Frame, StreamKind
from quicmatrix.endpoint.tester.streams import NoStimulusError, Rest, Streams

FILE = b"a file"
HEADER = http3.headers([(b":status", b"200"), (b"content-length", b"6")])
CONTENT = http3.frame(H3Frame.DATA, FILE)
REQUEST = http3.headers(http3.request_fields("/file"))


class Remembering:
    """Stands for a connection."""

    def __init__(self, allowed: int = 8) -> None:
        self.allowed = allowed
        self.written: dict[int, tuple[bytes, bool]] = {}
        self.stopped: set[int] = set()

    def open_stream(self, *, unidirectional: bool = False) -> int:
        return 2 if unidirectional else 4 * len(self.written)

    def send_stream_data(self, stream_id: int, data: bytes, end: bool) -> None:
        before, _ = self.written.get(stream_id, (b"", False))
        self.written[stream_id] = before + data, end

    def can_send_on(self, stream_id: int) -> bool:
        return stream_id not in self.stopped

    def streams_allowed(self) -> int:
        return self.allowed

    def get_next_available_stream_id(self) -> int:
        return 4 * len(self.written)


class Script(Streams):
    """Streams whose flights are sent, unless they are blocked."""

    def __init__(self, connection: Remembering, *, is_client: bool, blocked: bool = False) -> None:
        super().__init__(cast("Any", connection), is_client=is_client, alpn="h3")
        self.blocked = blocked
        self.marked: list[str] = []

    def flush(self) -> None:
        if self._marks_as and not self.blocked:
            self.marked.append(self._marks_as)
            self._marks_as = ""

    def mark_next_flight(self, step: str = "stimulus") -> None:
        self._marks_as = step

    async def until(self, holds: Callable[[], bool], what: str) -> bool:
        return holds()


def server(*, stopped: bool = False) -> tuple[Script, Remembering]:
    """A tester in the server's place, to which a request came."""
    connection = Remembering()
    if stopped:
        connection.stopped.add(0)
    script = Script(connection, is_client=False)
    script.streams[0], script.ended = REQUEST, {0}
    return script, connection


@pytest.mark.parametrize(
    ("rest", "follows"), [(Rest.ALL, HEADER + CONTENT), (Rest.CONTENT, CONTENT), (Rest.END, b"")]
)
def test_rest_of_an_answer(rest: Rest, follows: bytes) -> None:
    script, connection = server()
    assert script.message_stimulus(b"the stimulus", rest=rest) == 0
    assert script.requests == {0: "/file"}
    script.respond(0, FILE)
    assert connection.written == {0: (b"the stimulus" + follows, True)}
    assert script.marked == ["stimulus"]
    assert script.requests == {}


def test_whole_message_is_not_answered_again() -> None:
    script, connection = server()
    script.message_stimulus(b"all of it", fin=True)
    assert (script.requests, connection.written) == ({}, {0: (b"all of it", True)})


def test_stopped_request_is_not_answered() -> None:
    script, connection = server(stopped=True)
    script.respond(0, FILE)
    assert (script.requests, connection.written) == ({}, {})


def test_message_of_a_client_is_a_request() -> None:
    script = Script(Remembering(), is_client=True)
    assert [script.message_stimulus(b"one", fin=True), script.message_stimulus(b"two")] == [0, 4]


def test_no_message_without_request() -> None:
    script = Script(Remembering(), is_client=False)
    with pytest.raises(NoStimulusError, match="no request"):
        script.message_stimulus(b"an answer")


def test_no_stimulus_that_limits_forbid() -> None:
    script = Script(Remembering(), is_client=True, blocked=True)
    with pytest.raises(NoStimulusError, match="limits do not permit data on stream 2"):
        script.open_stimulus(http3.stream(StreamKind.PUSH))
    script.blocked = False
    script.flush()
    assert script.marked == []


def test_needed_messages() -> None:
    script = Script(Remembering(allowed=2), is_client=True)
    script.needs_messages(2)
    script.message_stimulus(b"one")
    with pytest.raises(NoStimulusError, match="2 messages are needed, and 1 possible"):
        script.needs_messages(2)
    answering, _ = server()
    answering.needs_messages(1)
    with pytest.raises(NoStimulusError, match="2 messages are needed, and 1 possible"):
        answering.needs_messages(2)


def test_settings() -> None:
    script = Script(Remembering(), is_client=True)
    with pytest.raises(NoStimulusError, match="no SETTINGS"):
        asyncio.run(script.setting(1))
    script.streams[7] = http3.stream(StreamKind.QPACK_ENCODER)
    script.streams[3] = http3.stream(StreamKind.CONTROL, http3.settings((1, 4096)))
    assert asyncio.run(script.setting(1)) == 4096
    assert asyncio.run(script.setting(7)) == 0
    assert script.control_of_peer == 3
