from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aioquic._buffer import Buffer
from aioquic.quic.connection import QuicReceiveContext
from aioquic.quic.events import StreamDataReceived

from quicmatrix.endpoint.transport.connection import Connection
from tests.support.quic_pair import Idle, Pair, client_configuration, server_configuration

LIMIT = 20_000


class Noting(Connection):
    """Remembers the DATA_BLOCKED and STREAM_DATA_BLOCKED frames that it receives."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.blocked: list[tuple[int, ...]] = []

    def _note(self, buf: Buffer, numbers: int) -> None:
        start = buf.tell()
        self.blocked.append(tuple(buf.pull_uint_var() for _ in range(numbers)))
        buf.seek(start)

    def _handle_data_blocked_frame(
        self, context: QuicReceiveContext, frame_type: int, buf: Buffer
    ) -> None:
        self._note(buf, 1)
        super()._handle_data_blocked_frame(context, frame_type, buf)

    def _handle_stream_data_blocked_frame(
        self, context: QuicReceiveContext, frame_type: int, buf: Buffer
    ) -> None:
        self._note(buf, 2)
        super()._handle_stream_data_blocked_frame(context, frame_type, buf)


def blocked_pair(certs: Path, **limits: int) -> tuple[Pair, Noting]:
    """A pair whose server takes little, and reads nothing."""
    pair = Pair(
        client_configuration(certs),
        server_configuration(certs, **limits),
        server_type=Noting,
    )
    pair.complete_handshake()
    pair.run_for(0.5)
    server = pair.server
    assert isinstance(server, Noting)
    server.held = {0: 1 << 20, 4: 1 << 20}
    return pair, server


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"max_stream_data": LIMIT}, (0, LIMIT)),
        ({"max_data": LIMIT}, (LIMIT,)),
    ],
    ids=["stream", "connection"],
)
def test_a_sender_says_once_what_holds_it_up(
    certs: Path, limits: dict[str, int], expected: tuple[int, ...]
) -> None:
    pair, server = blocked_pair(certs, **limits)
    pair.client.send_stream_data(0, bytes(LIMIT))
    pair.drive_client()
    pair.run_for(0.5)
    assert not server.blocked, "all of it was sent"
    pair.client.send_stream_data(0, b"more")
    pair.drive_client()
    pair.run_for(5.0)
    assert server.blocked == [expected]


def test_another_stream_says_so_too(certs: Path) -> None:
    pair, server = blocked_pair(certs, max_stream_data=LIMIT)
    for stream in (0, 4):
        pair.client.send_stream_data(stream, bytes(LIMIT + 1))
    pair.drive_client()
    pair.run_for(1.0)
    assert sorted(server.blocked) == [(0, LIMIT), (4, LIMIT)]


@pytest.mark.parametrize("limits", [{"max_stream_data": LIMIT}, {"max_data": LIMIT}])
def test_it_is_said_again_if_it_is_lost(certs: Path, limits: dict[str, int]) -> None:
    """RFC 9000, 13.3."""
    pair, server = blocked_pair(certs, **limits)
    pair.client.send_stream_data(0, bytes(LIMIT))
    pair.drive_client()
    pair.run_for(0.5)
    pair.to_server.drops = lambda *_: True
    pair.client.send_stream_data(0, b"more")
    pair.drive_client()
    assert pair.to_server.dropped
    pair.to_server.drops = lambda *_: False
    pair.run_for(2.0)
    assert 1 <= len(server.blocked) <= 2, "in both probes"


@pytest.mark.parametrize("limits", [{"max_stream_data": LIMIT}, {"max_data": LIMIT}])
def test_a_new_limit_is_said_as_well_and_all_arrives(certs: Path, limits: dict[str, int]) -> None:
    pair, server = blocked_pair(certs, **limits)
    pair.client.send_stream_data(0, bytes(20 * LIMIT))
    pair.drive_client()
    pair.run_for(1.0)
    assert len(server.blocked) == 1
    server.held = {}
    pair.drive_server()
    pair.run_for(5.0)
    named = [frame[-1] for frame in server.blocked]
    assert named == sorted(set(named))
    assert isinstance(pair.server_app, Idle)
    received = [e.data for e in pair.server_app.events if isinstance(e, StreamDataReceived)]
    assert len(b"".join(received)) == 20 * LIMIT


def test_what_is_reset_is_not_held_up(certs: Path) -> None:
    pair, server = blocked_pair(certs, max_stream_data=LIMIT)
    pair.client.send_stream_data(0, bytes(LIMIT + 1))
    pair.client.reset_stream(0, 1)
    pair.drive_client()
    pair.run_for(1.0)
    assert not server.blocked
