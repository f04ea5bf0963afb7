"""10,000 damaged datagrams for each side: no exception leaves a connection, and it works on."""

from __future__ import annotations

import random
from pathlib import Path

from aioquic.quic.packet import QuicPacketType
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.tls import Epoch

from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.sockets.udp import LocalAddress, PathAddress
from tests.support.quic_pair import (
    CLIENT_ADDRESS,
    SERVER_ADDRESS,
    START,
    Pair,
    client_configuration,
    events,
    server_configuration,
)
from tests.support.transfer import download

COUNT = 10_000


def damaged(originals: list[bytes], count: int, seed: int) -> list[bytes]:
    """Real datagrams with flipped bits, cut short, run together, or of nothing but noise."""
    source = random.Random(seed)
    made = []
    for _ in range(count):
        data = bytearray(source.choice(originals))
        match source.randrange(5):
            case 0:
                for _ in range(source.randint(1, 8)):
                    data[source.randrange(len(data))] ^= 1 << source.randrange(8)
            case 1:
                del data[source.randrange(len(data)) :]
            case 2:
                data += source.choice(originals)
            case 3:
                data[: source.randint(1, 30)] = source.randbytes(source.randint(0, 40))
            case 4:
                data = bytearray(source.randbytes(source.randint(0, 1500)))
        made.append(bytes(data))
    return made


def test_damaged_datagrams_do_no_harm(certs: Path) -> None:
    pair = Pair(client_configuration(certs), server_configuration(certs))
    sink = download(pair, 300_000)
    pair.run_until(lambda: sink.received > 100_000)
    for connection, link, peer, seed in (
        (pair.server, pair.to_server, CLIENT_ADDRESS, 1),
        (pair.client, pair.to_client, SERVER_ADDRESS, 2),
    ):
        source = PathAddress(peer, LocalAddress(443 if seed == 1 else CLIENT_ADDRESS[1]))
        for data in damaged([sent for _, sent in link.sent], COUNT, seed):
            connection.receive_datagram(data, source, now=pair.now)
        assert not connection.is_ending
    pair.run_until(lambda: sink.is_finished)


def test_a_server_in_its_handshake_survives_damage(certs: Path) -> None:
    client = Connection(configuration=client_configuration(certs))
    client.connect(SERVER_ADDRESS, now=START)
    flight = [data for data, _ in client.datagrams_to_send(now=START)]
    source = PathAddress(CLIENT_ADDRESS, LocalAddress(443))
    for data in damaged(flight, 1000, seed=3):
        server = Connection(
            configuration=server_configuration(certs),
            original_destination_connection_id=client.original_destination_connection_id,
        )
        server.receive_datagram(data, source, now=START)
        list(events(server))
        server.datagrams_to_send(now=START)
        assert not server.is_ending, "what is not authenticated ends nothing"


def test_nonsense_in_intact_packets_is_answered_with_a_close(certs: Path) -> None:
    """A connection is closed, with the error of its kind: nothing is raised."""
    source = random.Random(4)
    codes = set()
    for _ in range(100):
        pair = Pair(client_configuration(certs), server_configuration(certs))
        pair.complete_handshake()
        client = pair.client
        builder = QuicPacketBuilder(
            host_cid=client.host_cid,
            is_client=True,
            max_datagram_size=1200,
            packet_number=client._packet_number,
            peer_cid=client._peer_cid.cid,
            version=1,
        )
        builder.start_packet(QuicPacketType.ONE_RTT, client._cryptos[Epoch.ONE_RTT])
        builder.start_frame(source.randrange(0x32)).push_bytes(
            source.randbytes(source.randint(3, 60))
        )
        ((datagram,), _) = builder.flush()
        path = PathAddress(CLIENT_ADDRESS, LocalAddress(443))
        pair.server.receive_datagram(datagram, path, now=pair.now)
        pair.drive_server()
        if pair.server.ending is not None:
            codes.add(pair.server.ending.error_code)
    assert len(codes) >= 3
