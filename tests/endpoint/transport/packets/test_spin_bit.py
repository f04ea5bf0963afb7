from __future__ import annotations

from pathlib import Path

from quicmatrix.endpoint.transport.connection import Connection
from tests.support.injection import confirmed_pair
from tests.support.quic_pair import Pair, client_configuration

CONNECTIONS = 400


def spin_bits(pair: Pair, pings: int) -> list[int]:
    """The bit of the client's next packets, a round trip apart."""
    builders: list[int] = []
    for uid in range(pings):
        pair.client.send_ping(uid=uid)
        pair.drive_client()
        builders.append(int(pair.client._spin_bit))
        pair.run_for(0.1)
    return builders


def test_a_sixteenth_of_connections_does_not_spin(certs: Path) -> None:
    """RFC 9000, 17.4; 400 connections with none, or half of them, would be a miracle."""
    settings = client_configuration(certs)
    still = sum(not Connection(configuration=settings).spins for _ in range(CONNECTIONS))
    assert 5 <= still <= 60


def test_the_bit_spins_once_a_round_trip(certs: Path) -> None:
    pair = confirmed_pair(certs)
    pair.client.spins = pair.server.spins = True
    bits = spin_bits(pair, 6)
    assert bits in ([0, 1] * 3, [1, 0] * 3)


def test_a_still_bit_is_constant_until_the_connection_id_changes(certs: Path) -> None:
    pair = confirmed_pair(certs)
    pair.client.spins = False
    seen = set()
    for _ in range(6):
        bits = spin_bits(pair, 3)
        assert len(set(bits)) == 1
        seen.add(bits[0])
        pair.client.change_connection_id()
    pair.client._constant_for = b""
    values = set()
    for _ in range(40):
        pair.client._constant_for = b""
        pair.client.datagrams_to_send(now=pair.now)
        values.add(pair.client._spin_bit)
    assert values == {False, True}, "chosen at random"
