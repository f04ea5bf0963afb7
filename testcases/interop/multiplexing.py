"""multiplexing: thousands of small files, each on a stream of its own."""

from __future__ import annotations

from quicmatrix.testcases.model import TestCase
from quicmatrix.testcases.shared.flow_control import (
    client_keeps_to_the_stream_limit,
    server_allows_at_most_1000_streams,
    server_raises_the_stream_limit,
)
from quicmatrix.testcases.shared.handshakes import one_handshake
from quicmatrix.testcases.shared.versions import server_initials_are_version_1

MULTIPLEXING = TestCase(
    name="multiplexing",
    letter="M",
    summary="The server raises the stream limit until the client has fetched 1999 files.",
    client="transfer",
    server="transfer",
    files=(32,) * 1999,
    requirements=(
        one_handshake,
        server_initials_are_version_1,
        server_allows_at_most_1000_streams,
        server_raises_the_stream_limit,
        client_keeps_to_the_stream_limit,
    ),
)
