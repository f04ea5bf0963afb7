"""RFC 9204, 4.4: decoder instructions. Our SETTINGS permit no dynamic table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import http3, qpack
from quicmatrix.endpoint.tester.http3 import StreamKind
from quicmatrix.testcases.conformance.codes import QPACK_DECODER_STREAM_ERROR
from quicmatrix.testcases.conformance.expectations import closes
from quicmatrix.testcases.conformance.model import HTTP3, case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.peer import Peer
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9204/4.4.1/acknowledgment-of-a-static-section",
    Level.MUST,
    rows="H-60",
    flow=HTTP3,
    expects=closes(QPACK_DECODER_STREAM_ERROR),
)
async def acknowledgment_of_a_static_section(tester: Tester) -> None:
    """Acknowledging a field section without dynamic entries is a decoder stream error."""
    peer = await tester.connected()
    stream = peer.stream_id(0, ours=peer.is_client)
    if peer.is_client:
        stream = peer.request(tester.path_of_file)
        await peer.until(lambda: stream in peer.ended, "the whole answer")
    _instruct(peer, qpack.section_acknowledgment(stream))


@case(
    "rfc9204/4.4.1/acknowledgment-for-an-unknown-stream",
    Level.MUST,
    rows="H-60",
    flow=HTTP3,
    expects=closes(QPACK_DECODER_STREAM_ERROR),
)
async def acknowledgment_for_an_unknown_stream(tester: Tester) -> None:
    """A Section Acknowledgment for a stream that is not there is a decoder stream error."""
    _instruct(await tester.connected(), qpack.section_acknowledgment(400))


@case(
    "rfc9204/4.4.3/increment-of-zero",
    Level.MUST,
    rows="H-59",
    flow=HTTP3,
    expects=closes(QPACK_DECODER_STREAM_ERROR),
)
async def increment_of_zero(tester: Tester) -> None:
    """An Insert Count Increment of 0 is refused with QPACK_DECODER_STREAM_ERROR."""
    _instruct(await tester.connected(), qpack.insert_count_increment(0))


@case(
    "rfc9204/4.4.3/increment-beyond-what-was-sent",
    Level.MUST,
    rows="H-59",
    flow=HTTP3,
    expects=closes(QPACK_DECODER_STREAM_ERROR),
)
async def increment_beyond_what_was_sent(tester: Tester) -> None:
    """An Insert Count Increment beyond what was inserted is a decoder stream error."""
    _instruct(await tester.connected(), qpack.insert_count_increment(5))


def _instruct(peer: Peer, instruction: bytes) -> None:
    peer.open_stimulus(http3.stream(StreamKind.QPACK_DECODER, instruction))
