"""RFC 9000, 7.2: negotiating connection IDs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.packets import Shape
from quicmatrix.endpoint.tester.peer import INITIAL
from quicmatrix.testcases.conformance.expectations import discards, keeps
from quicmatrix.testcases.conformance.model import CLIENT, SERVER, case
from quicmatrix.testcases.conformance.openings import (
    PACKET_NUMBER_0,
    client_hello,
    first_initial,
    unsent,
)
from quicmatrix.testcases.conformance.replies import not_served
from quicmatrix.testcases.model import Level
from quicmatrix.testcases.shared.connection_ids import server_keeps_its_source_connection_id

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9000/7.2/destination-connection-id-of-7-bytes",
    Level.MAY,
    rows="S-12",
    roles=SERVER,
    expects=not_served(),
)
async def destination_connection_id_of_7_bytes(tester: Tester) -> None:
    """A server may refuse a client whose Destination Connection ID has less than 8 bytes."""
    peer = await unsent(tester, elsewhere=True)
    scid = peer.connection.host_cid
    peer.send_datagram(first_initial(peer.client_hello, os.urandom(7), scid), step="stimulus")
    await tester.connected()


@case(
    "rfc9000/7.2/source-connection-id-changes",
    Level.MUST,
    rows="S-35",
    roles=SERVER,
    expects=discards(),
)
async def source_connection_id_changes(tester: Tester) -> None:
    """An Initial packet whose Source Connection ID is not that of the first one is discarded."""
    peer = await unsent(tester)
    hello = client_hello(peer)
    peer.send_datagram(hello.datagram, sent=hello)
    other = Shape(scid=os.urandom(8), dcid=peer.connection.peer_connection_id)
    await peer.stimulus(frames.ping(), kind=INITIAL, shape=other)
    await peer.until(lambda: bool(peer.arrivals), "an answer")
    peer.release()


@case(
    "rfc9000/7.2/server-changes-its-connection-id",
    Level.MUST,
    rows="C-39",
    roles=CLIENT,
    expects=discards(),
)
async def server_changes_its_connection_id(tester: Tester) -> None:
    """After the server's first Initial, packets with another Source Connection ID are discarded."""
    peer = await tester.connecting(held_back=True)
    await peer.send(frames.ping(), kind=INITIAL)
    await peer.stimulus(frames.ping(), kind=INITIAL, shape=Shape(scid=os.urandom(8)))
    peer.release()


@case(
    "rfc9000/7.2/one-source-connection-id",
    Level.MUST,
    rows="B-56",
    roles=SERVER,
    expects=keeps(server_keeps_its_source_connection_id),
)
async def one_source_connection_id(tester: Tester) -> None:
    """A server's packets have one Source Connection ID, also those before the whole ClientHello."""
    peer = await unsent(tester)
    hello = peer.client_hello
    half = len(hello) // 2
    await peer.stimulus(frames.crypto(hello[:half]), kind=INITIAL, shape=PACKET_NUMBER_0)
    await peer.until(lambda: bool(peer.arrivals), "an acknowledgment")
    await peer.send(frames.crypto(hello[half:], half), kind=INITIAL)
    known = len(peer.arrivals)
    await peer.until(lambda: len(peer.arrivals) > known, "an answer")
    peer.release()
