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


def _thirds(hello: bytes) -> list[bytes]:
    size = len(hello) // 3 + 1
    return [frames.crypto(hello[at : at + size], at) for at in range(0, len(hello), size)]


@case(
    "rfc9000/7.5/client-hello-out-of-order",
    Level.MUST,
    rows="S-21",
    roles=SERVER,
    expects=PROCESSED,
)
async def client_hello_out_of_order(tester: Tester) -> None:
    """A server buffers the end of a ClientHello, less than 4096 bytes, that precedes its middle."""
    peer = await unsent(tester)
    beginning, middle, end = _thirds(peer.client_hello)
    await _send_initials(peer, (beginning, end, middle))


@case(
    "rfc9000/7.5/client-hello-last-part-first",
    Level.MAY,
    rows="S-21",
    roles=SERVER,
    expects=PROCESSED,
)
async def client_hello_last_part_first(tester: Tester) -> None:
    """A server may begin a connection with a part of a ClientHello that is not its beginning."""
    peer = await unsent(tester)
    await _send_initials(peer, reversed(_thirds(peer.client_hello)))


@case(
    "rfc9000/7.5/client-hello-in-one-byte-frames",
    Level.MAY,
    rows="S-22",
    roles=SERVER,
    expects=PROCESSED,
)
async def client_hello_in_one_byte_frames(tester: Tester) -> None:
    """A server can put a ClientHello together from CRYPTO frames of one byte, with PING between."""
    peer = await unsent(tester)
    hello = peer.client_hello
    parts = [
        frames.crypto(hello[at : at + 1], at) + frames.ping() + frames.padding(1)
        for at in range(len(hello))
    ]
    starts = range(0, len(parts), ONE_BYTE_FRAMES)
    await _send_initials(peer, (b"".join(parts[at : at + ONE_BYTE_FRAMES]) for at in starts))
