"""The answers that a client may get before a handshake: Retry and Version Negotiation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aioquic.quic.packet import (
    QuicErrorCode,
    encode_quic_retry,
    encode_quic_version_negotiation,
)

from quicmatrix.endpoint.transport.connection import Connection
from tests.support.quic_pair import (
    CLIENT_ADDRESS,
    SERVER_ADDRESS,
    START,
    Pair,
    client_configuration,
    server_configuration,
)

V1, V2 = 0x00000001, 0x6B3343CF


def retry(client: Connection, *, source: bytes = b"retrying", token: bytes = b"token") -> bytes:
    return encode_quic_retry(
        version=V1,
        source_cid=source,
        destination_cid=client.host_cid,
        original_destination_cid=client.original_destination_connection_id,
        retry_token=token,
    )


def waiting(certs: Path) -> Connection:
    """A client whose first Initial is out."""
    client = Connection(configuration=client_configuration(certs))
    client.connect(SERVER_ADDRESS, now=START)
    client.datagrams_to_send(now=START)
    return client


def test_a_retry_without_a_token_is_discarded(certs: Path) -> None:
    """RFC 9000, 17.2.5.2."""
    client = waiting(certs)
    client.receive_datagram(retry(client, token=b""), SERVER_ADDRESS, now=START)
    assert client._retry_count == 0


def test_a_retry_from_our_own_connection_id_is_discarded(certs: Path) -> None:
    """RFC 9000, 17.2.5.1."""
    client = waiting(certs)
    original = client.original_destination_connection_id
    client.receive_datagram(retry(client, source=original), SERVER_ADDRESS, now=START)
    assert client._retry_count == 0


def test_a_retry_with_a_wrong_tag_is_discarded(certs: Path) -> None:
    client = waiting(certs)
    datagram = retry(client)
    client.receive_datagram(datagram[:-1] + bytes([datagram[-1] ^ 1]), SERVER_ADDRESS, now=START)
    assert client._retry_count == 0


def test_a_second_retry_is_discarded(certs: Path) -> None:
    client = waiting(certs)
    client.receive_datagram(retry(client), SERVER_ADDRESS, now=START)
    client.receive_datagram(retry(client, token=b"second"), SERVER_ADDRESS, now=START)
    assert client._peer_token == b"token"
    sent = client.datagrams_to_send(now=START)
    assert all(b"token" in datagram and b"retrying" in datagram for datagram, _ in sent)


def test_a_retry_after_the_servers_initial_is_discarded(certs: Path) -> None:
    pair = Pair(client_configuration(certs), server_configuration(certs))
    pair.connect()
    pair.run_until(lambda: pair.client.is_started)
    pair.client.receive_datagram(retry(pair.client), SERVER_ADDRESS, now=pair.now)
    assert pair.client._retry_count == 0


@pytest.mark.parametrize("source", [None, b"somebody"])
def test_the_server_must_own_up_to_the_retry(certs: Path, source: bytes | None) -> None:
    """RFC 9000, 7.3: retry_source_connection_id is missing, or another."""

    class Server(Connection):
        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            self._retry_source_connection_id = source

    pair = Pair(client_configuration(certs), server_configuration(certs), server_type=Server)
    pair.connect()
    pair._arrivals.clear()
    pair.client.receive_datagram(retry(pair.client), SERVER_ADDRESS, now=pair.now)
    pair.drive_client()
    pair.run_until(lambda: pair.client.is_ending)
    assert pair.client.ending is not None
    assert pair.client.ending.error_code == QuicErrorCode.TRANSPORT_PARAMETER_ERROR


def test_version_negotiation_after_the_servers_initial_is_ignored(certs: Path) -> None:
    pair = Pair(client_configuration(certs), server_configuration(certs))
    pair.connect()
    pair.run_until(lambda: pair.client.is_started)
    answer = encode_quic_version_negotiation(
        source_cid=pair.client._peer_cid.cid,
        destination_cid=pair.client.host_cid,
        supported_versions=[V2],
    )
    pair.client.receive_datagram(answer, SERVER_ADDRESS, now=pair.now)
    pair.run_until(lambda: pair.client.is_confirmed)
    assert pair.client._version == V1


@pytest.mark.parametrize("tail", [b"", b"\0\0\0"])
def test_version_negotiation_without_a_whole_version(certs: Path, tail: bytes) -> None:
    """RFC 8999, 6: it is ignored."""
    client = waiting(certs)
    answer = encode_quic_version_negotiation(
        source_cid=client.original_destination_connection_id,
        destination_cid=client.host_cid,
        supported_versions=[],
    )
    client.receive_datagram(answer + tail, SERVER_ADDRESS, now=START)
    assert not client.is_ending


def test_a_server_ignores_version_negotiation(certs: Path) -> None:
    pair = Pair(client_configuration(certs), server_configuration(certs))
    pair.connect()
    pair.run_until(lambda: pair.client.is_started)
    answer = encode_quic_version_negotiation(
        source_cid=pair.client.host_cid,
        destination_cid=pair.server.host_cid,
        supported_versions=[V2],
    )
    pair.server.receive_datagram(answer, CLIENT_ADDRESS, now=pair.now)
    pair.run_until(lambda: pair.client.is_confirmed)
    assert pair.server._version == V1
    assert not pair.server.is_ending


def test_a_client_discards_packets_of_another_version(certs: Path) -> None:
    """RFC 9000, 5.2.1."""
    pair = Pair(client_configuration(certs), server_configuration(certs))
    pair.connect()
    pair.run_until(lambda: pair._server is not None)
    pair._arrivals.clear()
    _, datagram = pair.to_client.sent[0]
    other = datagram[:1] + V2.to_bytes(4, "big") + datagram[5:]
    pair.client.receive_datagram(other, SERVER_ADDRESS, now=pair.now)
    assert not pair.client.is_started
    pair.run_until(lambda: pair.client.is_confirmed)
