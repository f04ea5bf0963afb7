"""Frames that only 0-RTT and 1-RTT packets may carry (RFC 9000, 12.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.peer import random_bytes

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.peer import Peer


class Forbidden(NamedTuple):
    """A frame that only 0-RTT and 1-RTT packets may carry."""

    name: str
    row: str
    make: Callable[[Peer], bytes]


FORBIDDEN = (
    Forbidden("STREAM", "F-08", lambda peer: frames.stream(peer.stream_id(0, ours=True), b"x")),
    Forbidden("MAX_DATA", "F-08", lambda _: frames.max_data(1 << 30)),
    Forbidden("NEW_CONNECTION_ID", "F-08", lambda peer: peer.issue_connection_id()),
    Forbidden("PATH_CHALLENGE", "F-10", lambda _: frames.path_challenge(random_bytes(8))),
    Forbidden("DATA_BLOCKED", "F-61", lambda _: frames.data_blocked(0)),
    Forbidden(
        "STREAM_DATA_BLOCKED",
        "F-61",
        lambda peer: frames.stream_data_blocked(peer.stream_id(0, ours=True), 0),
    ),
    Forbidden("HANDSHAKE_DONE", "F-08", lambda _: frames.handshake_done()),
)
