"""RFC 9000, 7.5: cryptographic message buffering."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, repeat
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.packets import WELL_FORMED
from quicmatrix.endpoint.tester.peer import INITIAL
from quicmatrix.testcases.conformance.expectations import all_of, goes_on
from quicmatrix.testcases.conformance.model import SERVER, case
from quicmatrix.testcases.conformance.openings import PACKET_NUMBER_0, unsent
from quicmatrix.testcases.conformance.replies import processed
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.peer import Peer
    from quicmatrix.endpoint.tester.tester import Tester

ONE_BYTE_FRAMES = 150
"""In one packet; each has 5 or 6 bytes."""
PROCESSED = all_of(processed(), goes_on())


async def _send_initials(peer: Peer, payloads: Iterable[bytes]) -> None:
    for shape, payload in zip(
        chain([PACKET_NUMBER_0], repeat(WELL_FORMED)), payloads, strict=False
    ):
        await peer.stimulus(payload, kind=INITIAL, shape=shape)
    await peer.until(lambda: bool(peer.arrivals), "an answer")
    peer.release()


@case(
    "rfc9000/7.5/client-hello-in-three-packets-last-first",
    Level.MUST,
    rows="S-21",
    roles=SERVER,
    expects=PROCESSED,
)
async def client_hello_in_three_packets_last_first(tester: Tester) -> None:
    """A server buffers the parts of a ClientHello, less than 4096 bytes, that come out of order."""
    peer = await unsent(tester)
    hello = peer.client_hello
    third = len(hello) // 3 + 1
    starts = reversed(range(0, len(hello), third))
    await _send_initials(peer, (frames.crypto(hello[at : at + third], at) for at in starts))


@case(
    "rfc9000/7.5/client-hello-in-one-byte-frames",
    Level.MUST,
    rows="S-22",
    roles=SERVER,
    expects=PROCESSED,
)
async def client_hello_in_one_byte_frames(tester: Tester) -> None:
    """A server puts a ClientHello together from CRYPTO frames of one byte, with PING between."""
    peer = await unsent(tester)
    hello = peer.client_hello
    parts = [
        frames.crypto(hello[at : at + 1], at) + frames.ping() + frames.padding(1)
        for at in range(len(hello))
    ]
    starts = range(0, len(parts), ONE_BYTE_FRAMES)
    await _send_initials(peer, (b"".join(parts[at : at + ONE_BYTE_FRAMES]) for at in starts))
