"""How connections with an implementation under test begin other than usual, for several cases."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames, packets
from quicmatrix.endpoint.tester.arrivals import destination_of
from quicmatrix.endpoint.tester.frames import FrameType
from quicmatrix.endpoint.tester.packets import DATAGRAM_BYTES, ConnectionIdPair, Shape
from quicmatrix.endpoint.tester.peer import HANDSHAKE, INITIAL, Sent
from quicmatrix.endpoint.tester.tester import ANSWER_S, random_id

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.arrivals import First
    from quicmatrix.endpoint.tester.peer import Peer
    from quicmatrix.endpoint.tester.tester import Tester

UNKNOWN_VERSION = 0x1A2A3A4A
"""A version that is reserved for being unknown (RFC 9000, 15)."""
OTHER_VERSION = 0x2A3A4A5A
"""Another one."""
RETRY_TOKEN = b"a token of the tester"
_NO_TOKEN_AND_LENGTH = 3
"""Bytes of a Token Length of 0 and a Length of two bytes (RFC 9000, 17.2.2)."""
PACKET_NUMBER_0 = Shape(number=0)
FULL = Shape(datagram_size=DATAGRAM_BYTES)


def unknown_version(
    destination: bytes | None = None,
    source: bytes | None = None,
    *,
    size: int = DATAGRAM_BYTES,
    first_byte: int = 0xC0,
    body: bytes | None = None,
    version: int = UNKNOWN_VERSION,
) -> bytes:
    """A datagram with one packet of an unknown version, and random bytes up to its size.

    Behind the connection IDs it has what an Initial of version 1 would have: no token, and a Length
    to the datagram's end, so that nothing but its version is wrong to who looks at that too.
    """
    header = packets.long_header(
        os.urandom(8) if destination is None else destination,
        os.urandom(8) if source is None else source,
        b"",
        version=version,
        first_byte=first_byte,
    )
    if body is None:
        length = max(size - len(header) - _NO_TOKEN_AND_LENGTH, 0)
        body = b"\x00" + (0x4000 | length).to_bytes(2, "big")
    header += body
    return header + os.urandom(max(size - len(header), 0))


def first_initial(
    hello: bytes, destination: bytes, source: bytes, shape: Shape = PACKET_NUMBER_0
) -> bytes:
    """A client's first Initial with its ClientHello, and with any connection IDs."""
    keys = packets.initial_keys(destination, is_client=True)
    pair = ConnectionIdPair(destination, source)
    return packets.long_packet(INITIAL, keys, pair, 0, frames.crypto(hello), shape=shape)


def undecryptable(destination: bytes, source: bytes, size: int) -> bytes:
    """A Handshake packet of some size, protected with keys that nobody has."""
    keys = packets.initial_keys(os.urandom(8), is_client=True)
    pair = ConnectionIdPair(destination, source)
    shape = Shape(datagram_size=size)
    return packets.long_packet(HANDSHAKE, keys, pair, 0, frames.ping(), shape=shape)


async def unsent(tester: Tester, *, elsewhere: bool = False) -> Peer:
    """A connection to a server whose ClientHello the script is to send.

    Args:
        tester: It is a client.
        elsewhere: Whether it has a port of its own, so that another connection can follow.
    """
    path = tester.new_path() if elsewhere else None
    peer = await tester.connecting(held_back=True, path=path)
    peer.forget_flight()
    return peer


def client_hello(peer: Peer, shape: Shape = PACKET_NUMBER_0) -> Sent:
    """Its first Initial, with the whole ClientHello."""
    return peer.packet(frames.crypto(peer.client_hello), kind=INITIAL, shape=shape)


def version_negotiation(
    first: First,
    *versions: int,
    destination: bytes | None = None,
    source: bytes | None = None,
) -> bytes:
    """The Version Negotiation packet that answers a client's Initial, with any connection IDs."""
    return packets.version_negotiation(
        source_cid=first.header.destination_cid if source is None else source,
        destination_cid=first.header.source_cid if destination is None else destination,
        supported_versions=list(versions),
    )


def retry(
    first: First, source: bytes, *, token: bytes = RETRY_TOKEN, version: int | None = None
) -> bytes:
    """The Retry packet that answers a client's Initial."""
    return packets.retry(
        version=first.header.version or 1 if version is None else version,
        source_cid=source,
        destination_cid=first.header.source_cid,
        original_destination_cid=first.header.destination_cid,
        retry_token=token,
    )


async def with_retry(tester: Tester) -> Peer:
    """A connection that was sent a Retry, and whose second ClientHello the script is to send."""
    peer = await unsent(tester)
    hello = client_hello(peer)
    peer.send_datagram(hello.datagram, sent=hello)
    if not await peer.until(lambda: bool(peer.connection.token), "a Retry packet"):
        tester.not_applicable("the server sends no Retry packet")
    peer.forget_flight()
    return peer


async def retried(tester: Tester) -> None:
    """Server: a connection after a Retry, which is the stimulus."""
    first = await tester.initial()
    source = random_id()
    tester.send(retry(first, source), first.address, step="stimulus")
    if await tester.until(
        lambda: any(destination_of(data) == source for data, _ in tester.arrivals),
        "an Initial packet to the Retry's connection ID",
        ANSWER_S,
    ):
        await tester.connected(
            first=await tester.initial(source),
            retry_source=source,
            original_destination=first.header.destination_cid,
        )


async def rebound(tester: Tester, *, is_small: bool = False) -> Peer:
    """A connection whose next packet, the stimulus, came from another port."""
    peer = await tester.connected()
    path = tester.new_path()
    peer.rebind(path)
    await peer.stimulus(frames.ping(), shape=Shape() if is_small else FULL, path=path)
    return peer


async def challenged(peer: Peer, count: int = 1) -> bool:
    """Wait for so many PATH_CHALLENGE frames in all."""
    return await peer.received(FrameType.PATH_CHALLENGE, count=count)
