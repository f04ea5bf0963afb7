"""multiplexing: thousands of small files, each on a stream of its own."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import Packet, Side, Stream
from quicmatrix.testcases.model import (
    Finding,
    Level,
    Observation,
    TestCase,
    Violation,
    requirement,
)
from quicmatrix.testcases.shared.closing import no_side_closes_with_an_error
from quicmatrix.testcases.shared.connection_ids import server_keeps_its_source_connection_id
from quicmatrix.testcases.shared.contract import ATTEMPT_IS_MADE, CLIENT_IS_DONE
from quicmatrix.testcases.shared.flow_control import (
    client_keeps_to_the_stream_limit,
    server_allows_at_most_1000_streams,
    server_raises_the_stream_limit,
)
from quicmatrix.testcases.shared.handshakes import one_handshake
from quicmatrix.testcases.shared.transfers import TRANSFER_ENDS
from quicmatrix.testcases.shared.versions import server_initials_are_version_1
from quicmatrix.testcases.views.streams import StreamType
from quicmatrix.testcases.views.view import exists, frames, sent

FILES = 1999


@requirement(Level.TEST, "interop suite")
def client_opens_1999_streams(seen: Observation) -> Iterator[Finding]:
    """The client opens 1999 bidirectional streams, one for each file."""
    data = frames(sent(seen.trace, Side.CLIENT), Stream)
    opened: dict[tuple[int | None, int], Packet] = {}
    for packet, frame in data:
        if StreamType.of(frame.stream_id) is StreamType.CLIENT_BIDIRECTIONAL:
            opened.setdefault((packet.connection, frame.stream_id), packet)
    yield from exists(
        opened.values() if len(opened) >= FILES else (),
        Violation(f"it opens {len(opened)}", side=Side.CLIENT),
        data,
    )


MULTIPLEXING = TestCase(
    name="multiplexing",
    letter="M",
    summary="The server raises the stream limit until the client has fetched 1999 files.",
    client="transfer",
    server="transfer",
    files=(32,) * FILES,
    requirements=(
        *ATTEMPT_IS_MADE,
        server_keeps_its_source_connection_id,
        server_initials_are_version_1,
        server_allows_at_most_1000_streams,
        client_keeps_to_the_stream_limit,
        one_handshake,
        server_raises_the_stream_limit,
        *TRANSFER_ENDS,
        no_side_closes_with_an_error,
        client_opens_1999_streams,
        *CLIENT_IS_DONE,
    ),
)
