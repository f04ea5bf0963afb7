from __future__ import annotations

import heapq
from pathlib import Path

import pytest
from aioquic.quic.packet import (
    QuicErrorCode,
    encode_quic_version_negotiation,
)
from aioquic.tls import Epoch

from quicmatrix.endpoint.transport.connection import Connection
from tests.support.injection import FROM_CLIENT, hello_in_pieces, long_packet
from tests.support.quic_pair import (
    CLIENT_ADDRESS,
    SERVER_ADDRESS,
    START,
    Pair,
    client_configuration,
    server_configuration,
)

V1, V2, RESERVED = 0x00000001, 0x6B3343CF, 0x1A2A3A4A


def begun(certs: Path) -> Connection:
    """A client that sent an Initial of a version that nobody speaks."""
    client = Connection(configuration=client_configuration(certs, supported_versions=[RESERVED]))
    client.connect(SERVER_ADDRESS, now=START)
    ((datagram, _),) = client.datagrams_to_send(now=START)
    assert int.from_bytes(datagram[1:5], "big") == RESERVED
    return client


def test_a_client_learns_the_versions_of_the_server(certs: Path) -> None:
    client = begun(certs)
    answer = encode_quic_version_negotiation(
        source_cid=client.original_destination_connection_id,
        destination_cid=client.host_cid,
        supported_versions=[V2, V1],
    )
    client.receive_datagram(answer, SERVER_ADDRESS, now=START)
    assert client.versions_offered == (V2, V1)
    assert client.ending is not None
    assert client.ending.error_code == QuicErrorCode.VERSION_NEGOTIATION_ERROR


@pytest.mark.parametrize(
    ("source_cid", "versions"), [(b"somebody", [V1]), (None, [V1, RESERVED])], ids=["ID", "version"]
)
def test_a_version_negotiation_that_cannot_be_the_servers_is_ignored(
    certs: Path, source_cid: bytes | None, versions: list[int]
) -> None:
    client = begun(certs)
    answer = encode_quic_version_negotiation(
        source_cid=source_cid or client.original_destination_connection_id,
        destination_cid=client.host_cid,
        supported_versions=versions,
    )
    client.receive_datagram(answer, SERVER_ADDRESS, now=START)
    assert client.versions_offered == ()
    assert not client.is_ending


def test_a_client_goes_on_in_a_version_that_both_know(certs: Path) -> None:
    client = Connection(configuration=client_configuration(certs, supported_versions=[V2, V1]))
    client.connect(SERVER_ADDRESS, now=START)
    client.datagrams_to_send(now=START)
    answer = encode_quic_version_negotiation(
        source_cid=client.original_destination_connection_id,
        destination_cid=client.host_cid,
        supported_versions=[V1],
    )
    client.receive_datagram(answer, SERVER_ADDRESS, now=START)
    ((datagram, _),) = client.datagrams_to_send(now=START)
    assert int.from_bytes(datagram[1:5], "big") == V1
    assert client.versions_offered == (V1,)


def test_initials_of_the_negotiated_version_have_its_keys(certs: Path) -> None:
    """RFC 9369, 4.1."""
    pair = Pair(
        client_configuration(certs, supported_versions=[V1, V2], original_version=V1),
        server_configuration(certs, supported_versions=[V2, V1]),
    )
    pair.connect()
    pair.run_until(lambda: pair.client._version == V2)
    initials = [
        datagram
        for _, datagram in pair.to_server.sent
        if datagram[0] & 0x80 and int.from_bytes(datagram[1:5], "big") == V2
    ]
    assert initials, "the ACK of the server's Initial"
    assert pair.client._cryptos[Epoch.INITIAL] is pair.client._cryptos_initial[V2]
    pair.run_until(lambda: not pair.server._spaces[Epoch.INITIAL].sent_packets, limit_s=0.1)


def test_a_transport_parameter_that_is_there_twice_is_refused(certs: Path) -> None:
    class Twice(Connection):
        def _serialize_transport_parameters(self) -> bytes:
            return super()._serialize_transport_parameters() + b"\x0a\x01\x03"

    pair = Pair(client_configuration(certs), server_configuration(certs), client_type=Twice)
    pair.connect()
    pair.run_until(lambda: pair.client.is_ending)
    assert pair.client.ending is not None
    assert pair.client.ending.error_code == QuicErrorCode.TRANSPORT_PARAMETER_ERROR


def test_a_client_hello_comes_in_any_order(certs: Path) -> None:
    """RFC 9000, 7.5: data ahead of a gap waits."""
    client = Connection(configuration=client_configuration(certs))
    client.connect(SERVER_ADDRESS, now=START)
    server = Connection(
        configuration=server_configuration(certs),
        original_destination_connection_id=client.original_destination_connection_id,
    )
    for datagram in reversed(hello_in_pieces(client, (100, 1, 1, 1, 10))):
        assert not server._cryptos or not server._cryptos[Epoch.HANDSHAKE].send.is_valid()
        server.receive_datagram(datagram, CLIENT_ADDRESS, now=START)
    assert server._cryptos[Epoch.HANDSHAKE].send.is_valid()
    assert not server.is_ending


# --- The first packet that arrives ---------------------------------------------------------------


def test_a_ping_that_arrives_before_the_client_hello_is_acknowledged(certs: Path) -> None:
    """A client's probe after its first Initial was lost (RFC 9002, 6.2.4)."""
    pair = Pair(client_configuration(certs), server_configuration(certs))
    pair.to_server.drops = lambda number, _: number == 1
    pair.connect()
    probe = long_packet(pair.client, Epoch.INITIAL, b"\x01")
    number = pair.client._packet_number - 1
    heapq.heappush(pair._arrivals, (pair.now, -1, True, probe, FROM_CLIENT, 0))
    pair.run_until(lambda: pair._server is not None)
    assert number in pair.server._spaces[Epoch.INITIAL].ack_queue
    pair.run_until(lambda: pair.client.is_confirmed)
    assert not pair.server.is_ending
