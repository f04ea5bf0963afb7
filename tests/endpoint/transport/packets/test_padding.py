from __future__ import annotations

from pathlib import Path

import pytest

from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.packets.coalescing import packet_starts
from tests.support.quic_pair import (
    SERVER_ADDRESS,
    START,
    Link,
    Pair,
    client_configuration,
    random_loss,
    server_configuration,
)

LONG_HEADER = 0x80


def bytes_behind_packets(datagram: bytes) -> int:
    """How many bytes of a datagram belong to no packet."""
    if not datagram[0] & LONG_HEADER:
        return 0
    start, last = packet_starts(datagram, 8)[-1]
    return len(datagram) - start - last.packet_length


@pytest.mark.parametrize("seed", [None, 1, 2, 3, 4, 5])
def test_datagrams_of_a_handshake_consist_of_packets(certs: Path, seed: int | None) -> None:
    to_server, to_client = (
        Link() if seed is None else Link(drops=random_loss(0.3, seed + offset))
        for offset in (0, 100)
    )
    pair = Pair(
        client_configuration(certs),
        server_configuration(certs),
        to_server=to_server,
        to_client=to_client,
    )
    pair.complete_handshake()
    for _, datagram in (*to_server.sent, *to_client.sent):
        assert bytes_behind_packets(datagram) == 0
    initials = [sent for _, sent in to_server.sent if sent[0] & 0xB0 == LONG_HEADER]
    assert {len(sent) for sent in initials} == {1200}, "RFC 9000, 14.1"


def test_padding_is_in_flight(certs: Path) -> None:
    """RFC 9002, 2."""
    client = Connection(configuration=client_configuration(certs))
    client.connect(SERVER_ADDRESS, now=START)
    ((datagram, _),) = client.datagrams_to_send(now=START)
    assert client._loss.bytes_in_flight == len(datagram) == 1200


def test_a_close_in_an_initial_packet_is_padded(certs: Path) -> None:
    client = Connection(configuration=client_configuration(certs))
    client.connect(SERVER_ADDRESS, now=START)
    client.datagrams_to_send(now=START)
    client.close(error_code=0)
    ((datagram, _),) = client.datagrams_to_send(now=START)
    assert len(datagram) == 1200
    assert bytes_behind_packets(datagram) == 0


@pytest.mark.parametrize("is_confirmed", [False, True])
def test_a_reason_is_cut_to_what_fits(certs: Path, pair: Pair, is_confirmed: bool) -> None:
    """RFC 9000, 19.19."""
    if not is_confirmed:
        pair = Pair(client_configuration(certs), server_configuration(certs))
        pair.connect()
        pair.run_until(lambda: pair.client.is_started)
    reason = "\N{EURO SIGN}" * 1000
    pair.client.close(error_code=7, frame_type=0, reason_phrase=reason)
    pair.drive_client()
    pair.run_until(lambda: pair.server.is_ending)
    assert pair.server.ending is not None
    assert pair.server.ending.error_code == 7
    assert 100 < len(pair.server.ending.reason_phrase) < 400
    assert reason.startswith(pair.server.ending.reason_phrase)
