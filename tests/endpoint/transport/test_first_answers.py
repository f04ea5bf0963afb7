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


# --- Tokens of any length ------------------------------------------------------------------------


def retried(certs: Path, token_bytes: int) -> Pair:
    """A client whose first Initial was answered with a Retry that has a token of so many bytes."""
    pair = Pair(client_configuration(certs), server_configuration(certs))
    pair.connect()
    pair._arrivals.clear()
    pair._server = Connection(
        configuration=pair._server_configuration,
        original_destination_connection_id=pair.client.original_destination_connection_id,
        retry_source_connection_id=b"retrying",
    )
    answer = retry(pair.client, token=bytes(token_bytes))
    pair.client.receive_datagram(answer, SERVER_ADDRESS, now=pair.now)
    pair.drive_client()
    return pair


@pytest.mark.parametrize("token_bytes", [64, 1000, 1080, 1100, 1125, 1160, 1250, 1290])
def test_a_retry_token_is_repeated_in_datagrams_with_room_for_it(
    certs: Path, token_bytes: int
) -> None:
    pair = retried(certs, token_bytes)
    pair.run_until(lambda: pair.client.is_confirmed, limit_s=2.0)
    initials = [sent for _, sent in pair.to_server.sent[1:] if sent[0] & 0xB0 == 0x80]
    assert all(bytes(token_bytes) in sent and 1200 <= len(sent) <= 1472 for sent in initials)


@pytest.mark.parametrize("token_bytes", [1310, 1400])
def test_a_retry_token_that_fits_no_datagram_ends_the_connection(
    certs: Path, token_bytes: int
) -> None:
    pair = retried(certs, token_bytes)
    assert len(pair.to_server.sent) == 1
    assert pair.client.ending is not None
    reason = f"the Retry token of {token_bytes} bytes fits no datagram"
    assert pair.client.ending.reason_phrase == reason
    assert pair.client.get_timer() is None


@pytest.mark.parametrize(("token_bytes", "is_sent"), [(1200, True), (1400, False)])
def test_a_token_of_an_earlier_connection_is_used_if_it_fits(
    certs: Path, token_bytes: int, is_sent: bool
) -> None:
    token = bytes(token_bytes)
    pair = Pair(client_configuration(certs, token=token), server_configuration(certs))
    pair.complete_handshake(limit_s=2.0)
    assert (token in pair.to_server.sent[0][1]) is is_sent


def test_a_handshake_with_a_long_token_survives_loss(certs: Path) -> None:
    """Probe timeouts do not shrink the datagrams below what the token needs."""
    pair = retried(certs, 1250)
    pair.to_server.drops = lambda number, _: number < 12
    pair._arrivals.clear()
    pair.run_until(lambda: pair.client.is_confirmed)
    assert pair.to_server.dropped > 3
