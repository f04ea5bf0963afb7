"""Single faults: a packet with any content, in an otherwise valid connection."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

from aioquic.buffer import encode_uint_var
from aioquic.quic.packet import QuicFrameType, QuicPacketType
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.tls import Epoch

from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.sockets.udp import LocalAddress, PathAddress
from tests.support.quic_pair import (
    CLIENT_ADDRESS,
    SERVER_ADDRESS,
    Pair,
    client_configuration,
    server_configuration,
)

FROM_CLIENT = PathAddress(CLIENT_ADDRESS, LocalAddress(SERVER_ADDRESS[1]))
FROM_SERVER = PathAddress(SERVER_ADDRESS, LocalAddress(CLIENT_ADDRESS[1]))
LONG_TYPES = {
    Epoch.INITIAL: QuicPacketType.INITIAL,
    Epoch.ZERO_RTT: QuicPacketType.ZERO_RTT,
    Epoch.HANDSHAKE: QuicPacketType.HANDSHAKE,
}


def confirmed_pair(certs: Path, **server_changes: object) -> Pair:
    """A client and a server that have nothing more to say to each other."""
    pair = Pair(client_configuration(certs), server_configuration(certs, **server_changes))
    pair.complete_handshake()
    pair.run_for(1.0)
    return pair


def frame(*parts: int | bytes) -> bytes:
    """A frame of variable-length integers and byte strings."""
    return b"".join(part if isinstance(part, bytes) else encode_uint_var(part) for part in parts)


def short_packet(sender: Connection, payload: bytes, *, bits: int = 0, number: int = -1) -> bytes:
    """A 1-RTT packet; its number is the sender's next unless it is given."""
    if number < 0:
        number, sender._packet_number = sender._packet_number, sender._packet_number + 1
    keys = sender._cryptos[Epoch.ONE_RTT]
    first = bytes([0x43 | keys.key_phase << 2 | bits])
    header = first + sender._peer_cid.cid + number.to_bytes(4, "big")
    return keys.encrypt_packet(header, payload, number)


def long_packet(sender: Connection, epoch: Epoch, payload: bytes, *, token: bytes = b"") -> bytes:
    """A packet with a long header, padded to a whole datagram if it is an Initial."""
    assert sender._version is not None
    builder = QuicPacketBuilder(
        host_cid=sender.host_cid,
        is_client=sender._is_client,
        max_datagram_size=1200,
        packet_number=sender._packet_number,
        peer_cid=sender._peer_cid.cid,
        peer_token=token,
        version=sender._version,
    )
    builder.start_packet(LONG_TYPES[epoch], sender._cryptos[epoch])
    builder._buffer.push_bytes(payload)
    if epoch is Epoch.INITIAL:
        builder._datagram_needs_padding = True
    (datagram,), _ = builder.flush()
    sender._packet_number += 1
    return datagram


def hello_in_pieces(client: Connection, sizes: tuple[int, ...]) -> list[bytes]:
    """A client's first CRYPTO data, a datagram for each piece, with a PING before it."""
    hello = bytes(client._crypto_streams[Epoch.INITIAL].sender._buffer)
    cuts = [0, *itertools.accumulate(sizes), len(hello)]
    datagrams = []
    for number, (start, end) in enumerate(itertools.pairwise(cuts)):
        builder = QuicPacketBuilder(
            host_cid=client.host_cid,
            is_client=True,
            max_datagram_size=1200,
            packet_number=100 + number,
            peer_cid=client._peer_cid.cid,
            version=client._version or 1,
        )
        builder.start_packet(QuicPacketType.INITIAL, client._cryptos[Epoch.INITIAL])
        builder.start_frame(QuicFrameType.PING)
        buf = builder.start_frame(QuicFrameType.CRYPTO)
        buf.push_uint_var(start)
        buf.push_uint_var(end - start)
        buf.push_bytes(hello[start:end])
        (datagram,), _ = builder.flush()
        datagrams.append(datagram)
    return datagrams


def deliver(pair: Pair, datagrams: Iterable[bytes], *, to_server: bool = True) -> None:
    """Hand datagrams to one side as if the other had sent them, and let it answer."""
    target, source = (pair.server, FROM_CLIENT) if to_server else (pair.client, FROM_SERVER)
    for datagram in datagrams:
        target.codepoint_received = 0
        target.receive_datagram(datagram, source, now=pair.now)
    (pair.drive_server if to_server else pair.drive_client)()


def inject(pair: Pair, *payloads: bytes, to_server: bool = True) -> int | None:
    """The error code that the target closes the connection with; None if it goes on."""
    sender, target = (pair.client, pair.server) if to_server else (pair.server, pair.client)
    deliver(
        pair,
        [short_packet(sender, payload) for payload in payloads],
        to_server=to_server,
    )
    return None if target.ending is None else target.ending.error_code


def is_alive(pair: Pair, *, to_server: bool = True) -> bool:
    """Whether a PING of the other side is still acknowledged."""
    sender = pair.client if to_server else pair.server
    sender.send_ping(uid=4711)
    number = sender._packet_number
    (pair.drive_client if to_server else pair.drive_server)()
    pair.run_for(0.2)
    return sender._spaces[Epoch.ONE_RTT].largest_acked_packet >= number


def has_handshake_keys(connection: Connection) -> bool:
    """Whether it can send Handshake packets."""
    return connection._cryptos[Epoch.HANDSHAKE].send.is_valid()
