"""RFC 9000, 12.2: coalescing packets."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.packets import DATAGRAM_BYTES, Shape
from quicmatrix.endpoint.tester.peer import HANDSHAKE, INITIAL, Sent
from quicmatrix.testcases.conformance.expectations import all_of, discards, goes_on, shows
from quicmatrix.testcases.conformance.model import SERVER, case
from quicmatrix.testcases.conformance.openings import client_hello, undecryptable, unsent
from quicmatrix.testcases.conformance.replies import acknowledges_the_stimulus, processed
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

SMALL = Shape(number=0, datagram_size=0)
PROCESSED = all_of(processed(), goes_on())


@case(
    "rfc9000/12.2/undecryptable-packet-behind-an-initial",
    Level.MUST,
    rows="S-10 S-19",
    roles=SERVER,
    expects=PROCESSED,
)
async def undecryptable_packet_behind_an_initial(tester: Tester) -> None:
    """An Initial packet is processed whatever follows it in its datagram of 1200 bytes."""
    peer = await unsent(tester)
    hello = client_hello(peer, SMALL)
    connection = peer.connection
    rest = undecryptable(
        connection.peer_connection_id, connection.host_cid, DATAGRAM_BYTES - len(hello.datagram)
    )
    peer.send_datagram(hello.datagram + rest, step="stimulus")
    await peer.until(lambda: bool(peer.arrivals), "an answer")
    peer.release()


@case(
    "rfc9000/12.2/undecryptable-packet-before-an-initial",
    Level.MAY,
    rows="S-19",
    roles=SERVER,
    expects=PROCESSED,
)
async def undecryptable_packet_before_an_initial(tester: Tester) -> None:
    """A datagram whose first packet cannot be decrypted can begin a connection all the same."""
    peer = await unsent(tester)
    corrupt = client_hello(peer, Shape(number=0, datagram_size=0, corrupt=True))
    intact = client_hello(
        peer, Shape(number=0, datagram_size=DATAGRAM_BYTES - len(corrupt.datagram))
    )
    peer.send_datagram(corrupt.datagram + intact.datagram, step="stimulus")
    await peer.until(lambda: bool(peer.arrivals), "an answer")
    peer.release()


@case(
    "rfc9000/12.2/undecryptable-packet-before-another",
    Level.MUST,
    rows="S-19",
    roles=SERVER,
    expects=shows(acknowledges_the_stimulus),
)
async def undecryptable_packet_before_another(tester: Tester) -> None:
    """The packets behind one that cannot be decrypted are processed."""
    peer = await tester.connecting()
    await peer.handshaking()
    corrupt = peer.packet(frames.ping(), kind=INITIAL, shape=Shape(datagram_size=0, corrupt=True))
    missing = DATAGRAM_BYTES - len(corrupt.datagram)
    intact = peer.packet(frames.ping(), kind=HANDSHAKE, shape=Shape(datagram_size=missing))
    both = Sent(HANDSHAKE, intact.number, corrupt.datagram + intact.datagram)
    peer.send_datagram(both.datagram, step="stimulus", sent=both)
    await peer.acknowledged(both)


@case(
    "rfc9000/12.2/bytes-behind-an-initial",
    Level.MUST,
    rows="S-19",
    roles=SERVER,
    expects=PROCESSED,
)
async def bytes_behind_an_initial(tester: Tester) -> None:
    """An Initial packet is processed though bytes that are no packet follow it."""
    peer = await unsent(tester)
    hello = client_hello(peer, SMALL)
    rest = bytes(DATAGRAM_BYTES - len(hello.datagram))
    peer.send_datagram(hello.datagram + rest, step="stimulus")
    await peer.until(lambda: bool(peer.arrivals), "an answer")
    peer.release()


@case(
    "rfc9000/12.2/second-packet-to-another-connection-id",
    Level.SHOULD,
    rows="S-20",
    roles=SERVER,
    expects=discards(),
)
async def second_packet_to_another_connection_id(tester: Tester) -> None:
    """A packet whose Destination Connection ID is not that of the datagram's first is ignored."""
    peer = await unsent(tester)
    hello = client_hello(peer, SMALL)
    missing = DATAGRAM_BYTES - len(hello.datagram)
    shape = Shape(number=1, dcid=os.urandom(8), datagram_size=missing)
    other = peer.packet(frames.ping(), kind=INITIAL, shape=shape)
    both = Sent(INITIAL, other.number, hello.datagram + other.datagram)
    peer.connection.next_number()
    peer.send_datagram(both.datagram, step="stimulus", sent=both)
    await peer.until(lambda: bool(peer.arrivals), "an answer")
    peer.release()
