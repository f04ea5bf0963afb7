"""RFC 9000, 5.2: matching packets to connections."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import packets
from quicmatrix.endpoint.tester.frames import ping
from quicmatrix.endpoint.tester.packets import ConnectionIdPair, Shape
from quicmatrix.endpoint.tester.peer import HANDSHAKE, ZERO_RTT
from quicmatrix.runner.trace.model import PacketType
from quicmatrix.testcases.conformance.expectations import goes_on
from quicmatrix.testcases.conformance.model import SERVER, case
from quicmatrix.testcases.conformance.openings import (
    client_hello,
    first_initial,
    unknown_version,
    unsent,
)
from quicmatrix.testcases.conformance.replies import negotiates_version, no_reply, not_served
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from aioquic.quic.packet import QuicPacketType

    from quicmatrix.endpoint.tester.tester import Tester

SMALL = 100


@case(
    "rfc9000/5.2.2/unknown-version",
    Level.SHOULD,
    rows="S-01",
    roles=SERVER,
    expects=negotiates_version(),
)
async def version_that_nobody_knows(tester: Tester) -> None:
    """A packet of an unsupported version, in 1200 bytes, is answered with Version Negotiation."""
    tester.send(unknown_version(), tester.new_path(), step="stimulus")
    await tester.answers()
    await tester.connected()


@case(
    "rfc9000/5.2.2/unknown-version-of-random-bytes",
    Level.SHOULD,
    rows="S-01",
    roles=SERVER,
    expects=negotiates_version(),
)
async def unknown_version_of_random_bytes(tester: Tester) -> None:
    """A server reads nothing behind the connection IDs of a version that it does not support."""
    tester.send(unknown_version(body=b"\xff" * 16), tester.new_path(), step="stimulus")
    await tester.answers()
    await tester.connected()


@case(
    "rfc9000/5.2.2/small-datagram-of-unknown-version",
    Level.MUST,
    rows="S-02",
    roles=SERVER,
    expects=no_reply(),
)
async def small_datagram_of_unknown_version(tester: Tester) -> None:
    """A server drops an unsupported version in a datagram too small to begin a connection."""
    tester.send(unknown_version(size=SMALL), tester.new_path(), step="stimulus")
    await tester.connected()


@case(
    "rfc9000/5.2.2/version-negotiation-in-a-connection",
    Level.MUST,
    rows="S-08",
    roles=SERVER,
    expects=goes_on(),
)
async def version_negotiation_in_a_connection(tester: Tester) -> None:
    """A server drops a Version Negotiation packet that has the connection IDs of a connection."""
    peer = await unsent(tester)
    hello = client_hello(peer)
    peer.send_datagram(hello.datagram, sent=hello)
    await peer.until(lambda: bool(peer.arrivals), "an answer")
    negotiation = packets.version_negotiation(
        source_cid=peer.connection.host_cid,
        destination_cid=peer.connection.peer_connection_id,
        supported_versions=[0x2A3A4A5A],
    )
    peer.send_datagram(negotiation, step="stimulus")
    peer.release()


def _of_no_connection(kind: QuicPacketType) -> bytes:
    destination, source = os.urandom(8), os.urandom(8)
    keys = packets.initial_keys(destination, is_client=True)
    pair = ConnectionIdPair(destination, source)
    return packets.long_packet(kind, keys, pair, 0, ping(), shape=Shape(datagram_size=1200))


@case(
    "rfc9000/5.2.2/handshake-packet-of-no-connection",
    Level.SHOULD,
    rows="S-15",
    roles=SERVER,
    expects=no_reply(),
)
async def handshake_packet_of_no_connection(tester: Tester) -> None:
    """A server ignores a Handshake packet of no connection that it knows."""
    tester.send(_of_no_connection(HANDSHAKE), tester.new_path(), step="stimulus")
    await tester.connected()


@case(
    "rfc9000/5.2.2/0-rtt-packet-of-no-connection",
    Level.MUST,
    rows="S-16",
    roles=SERVER,
    expects=no_reply(PacketType.RETRY),
)
async def zero_rtt_packet_of_no_connection(tester: Tester) -> None:
    """A server buffers or drops a 0-RTT packet of no connection; a Retry may answer it."""
    tester.send(_of_no_connection(ZERO_RTT), tester.new_path(), step="stimulus")
    await tester.connected()


@case(
    "rfc9000/5.2.2/length-beyond-the-datagram",
    Level.MUST,
    rows="S-39",
    roles=SERVER,
    expects=not_served(),
)
async def length_beyond_the_datagram(tester: Tester) -> None:
    """A server drops an Initial packet whose Length field says more than the datagram has."""
    peer = await unsent(tester, elsewhere=True)
    hello = client_hello(peer, Shape(number=0, excess_length=1))
    peer.send_datagram(hello.datagram, step="stimulus", sent=hello)
    await tester.connected()


@case(
    "rfc9000/5.2/corrupt-initial-before-the-intact-one",
    Level.MUST,
    rows="S-37",
    roles=SERVER,
    expects=goes_on(),
)
async def corrupt_initial_before_the_intact_one(tester: Tester) -> None:
    """Nothing of an Initial packet that cannot be decrypted remains when the intact one comes."""
    peer = await unsent(tester)
    corrupt = client_hello(peer, Shape(number=0, corrupt=True))
    peer.send_datagram(corrupt.datagram, step="stimulus", sent=corrupt)
    intact = client_hello(peer)
    peer.send_datagram(intact.datagram, sent=intact)
    await peer.until(lambda: bool(peer.arrivals), "an answer")
    peer.release()


@case(
    "rfc9000/5.2/corrupt-source-connection-id-before-the-intact-one",
    Level.MUST,
    rows="S-40",
    roles=SERVER,
    expects=goes_on(),
)
async def corrupt_source_connection_id_before_the_intact_one(tester: Tester) -> None:
    """The Source Connection ID of an Initial packet that is not authentic is not remembered."""
    peer = await unsent(tester)
    intact = client_hello(peer)
    at = 1 + 4 + 1 + len(peer.connection.peer_connection_id) + 1
    flipped = bytes([intact.datagram[at] ^ 1])
    corrupt = intact.datagram[:at] + flipped + intact.datagram[at + 1 :]
    peer.send_datagram(corrupt, step="stimulus")
    peer.send_datagram(intact.datagram, sent=intact)
    await peer.until(lambda: bool(peer.arrivals), "an answer")
    peer.release()


@case(
    "rfc9000/5.2/initial-that-cannot-be-decrypted",
    Level.MUST,
    rows="S-37",
    roles=SERVER,
    expects=not_served(),
)
async def initial_that_cannot_be_decrypted(tester: Tester) -> None:
    """An Initial packet that cannot be decrypted is not processed."""
    peer = await unsent(tester, elsewhere=True)
    corrupt = first_initial(
        peer.client_hello, os.urandom(8), os.urandom(8), Shape(number=0, corrupt=True)
    )
    peer.send_datagram(corrupt, step="stimulus")
    await tester.connected()
