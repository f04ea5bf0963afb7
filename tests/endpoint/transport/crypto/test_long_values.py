"""Names and tickets that do not fit a packet are sent in several, left out, or refused at once."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from aioquic.quic.packet import QuicErrorCode

from tests.support.quic_pair import Pair, client_configuration, server_configuration


def bytes_sent(pair: Pair) -> int:
    """By the client."""
    return sum(len(data) for _, data in pair.to_server.sent)


@pytest.mark.parametrize("size", [63, 253, 255])
def test_a_long_server_name_is_sent(certs: Path, size: int) -> None:
    pair = Pair(
        client_configuration(certs, server_name="n" * size, verify_mode=0),
        server_configuration(certs),
    )
    pair.complete_handshake(limit_s=1.0)


@pytest.mark.parametrize("size", [256, 2000, 20_000, 70_000])
def test_a_server_name_that_cannot_be_ends_the_connection_at_once(certs: Path, size: int) -> None:
    """RFC 1035, 2.3.4."""
    configuration = client_configuration(certs, server_name="n" * size, verify_mode=0)
    pair = Pair(configuration, server_configuration(certs))
    pair.connect()
    assert not pair.to_server.sent
    assert pair.client.ending is not None
    assert pair.client.ending.error_code == QuicErrorCode.INTERNAL_ERROR
    assert pair.client.ending.reason_phrase == f"the server name has {size} bytes, 255 at most"
    assert pair.client.get_timer() is None


def test_a_server_name_that_is_not_ascii_ends_the_connection_at_once(certs: Path) -> None:
    configuration = client_configuration(
        certs, server_name="b\N{LATIN SMALL LETTER U WITH DIAERESIS}"
    )
    pair = Pair(configuration, server_configuration(certs))
    pair.connect()
    assert pair.client.ending is not None
    assert pair.client.ending.reason_phrase == "the server name is not ASCII"


def resuming(certs: Path, ticket_bytes: int) -> Pair:
    """A client with a ticket of so many bytes, and a server that knows it."""
    first = Pair(client_configuration(certs), server_configuration(certs))
    first.connect()
    first.run_until(lambda: bool(first.client_tickets))
    long = dataclasses.replace(first.client_tickets[0], ticket=bytes(ticket_bytes))
    first.tickets.add(long)
    return Pair(
        client_configuration(certs, session_ticket=long),
        server_configuration(certs),
        tickets=first.tickets,
    )


@pytest.mark.parametrize("size", [1000, 1200, 5000, 12_000])
def test_a_long_ticket_is_sent_in_several_packets(certs: Path, size: int) -> None:
    pair = resuming(certs, size)
    pair.complete_handshake(limit_s=2.0)
    assert bytes_sent(pair) > size
    assert pair.client.tls.session_resumed


@pytest.mark.parametrize("size", [20_000, 64_000])
def test_a_ticket_that_the_server_does_not_take_ends_the_connection(certs: Path, size: int) -> None:
    """Ours takes 16 KiB of a ClientHello; RFC 9000, 7.5, wants 4096 bytes."""
    pair = resuming(certs, size)
    pair.connect()
    pair.run_until(lambda: pair.client.is_ending, limit_s=1.0)
    assert pair.client.ending is not None
    assert pair.client.ending.error_code == QuicErrorCode.CRYPTO_BUFFER_EXCEEDED
    assert "a handshake message of" in pair.client.ending.reason_phrase


@pytest.mark.parametrize("size", [64_001, 65_400, 65_535])
def test_a_ticket_that_fits_no_client_hello_is_not_offered(certs: Path, size: int) -> None:
    pair = resuming(certs, size)
    pair.complete_handshake(limit_s=2.0)
    assert not pair.client.tls.session_resumed
    assert bytes_sent(pair) < 10_000
