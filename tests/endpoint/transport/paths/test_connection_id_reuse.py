"""A connection ID is used from one local address only, and to one peer (RFC 9000, 9.5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from quicmatrix.endpoint.transport.sockets.udp import LocalAddress, PathAddress
from tests.support.injection import FROM_CLIENT, confirmed_pair, frame, inject, short_packet
from tests.support.quic_pair import CLIENT_ADDRESS, Pair

PREFERRED = PathAddress(CLIENT_ADDRESS, LocalAddress(4443))
ELSEWHERE = PathAddress(("193.167.0.101", 50000), FROM_CLIENT.local)
PING = b"\x01"
PATH_CHALLENGE = frame(0x1A, b"12345678")


class Uses:
    """The addresses that each connection ID was used with, by the server of a pair."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self.of: dict[bytes, set[PathAddress]] = {}

    def receive(self, payload: bytes, path: PathAddress) -> list[bytes]:
        """Let the server receive a packet; the connection IDs of what it sends at once."""
        server, now = self._pair.server, self._pair.now
        server.receive_datagram(short_packet(self._pair.client, payload), path, now=now)
        server.send_ping(uid=0)
        sent = []
        for datagram, address in server.datagrams_to_send(now=now):
            assert isinstance(address, PathAddress)
            self.of.setdefault(datagram[1:9], set()).add(address)
            sent.append(datagram[1:9])
        return sent

    @property
    def reused(self) -> dict[bytes, set[PathAddress]]:
        return {each: paths for each, paths in self.of.items() if len(paths) > 1}


def new_connection_id(number: int, retire_prior_to: int) -> bytes:
    token = bytes([number]) * 16
    return frame(0x18, number, retire_prior_to, b"\x08", bytes([number]) * 8, token)


@pytest.fixture
def pair(certs: Path) -> Pair:
    """A pair whose client has taken all its connection IDs back but the last one."""
    pair = confirmed_pair(certs)
    assert inject(pair, new_connection_id(50, 50)) is None
    assert not pair.server._peer_cid_available
    return pair


@pytest.mark.parametrize("path", [PREFERRED, ELSEWHERE], ids=["own address", "peer's"])
@pytest.mark.parametrize(
    ("probe", "migration"),
    [
        (b"", new_connection_id(51, 51)),
        (b"", new_connection_id(51, 50)),
        (PATH_CHALLENGE, new_connection_id(51, 51)),
        (PATH_CHALLENGE + new_connection_id(51, 51), new_connection_id(52, 52)),
        (PATH_CHALLENGE + new_connection_id(51, 51), new_connection_id(52, 51)),
    ],
)
def test_the_new_path_has_a_connection_id_of_its_own(
    pair: Pair, probe: bytes, migration: bytes, path: PathAddress
) -> None:
    uses = Uses(pair)
    assert uses.receive(PING, FROM_CLIENT)
    pair.client.change_connection_id()
    if probe:
        uses.receive(probe, path)
    uses.receive(PING + migration, path)
    assert path in set.union(*uses.of.values())
    assert not uses.reused


@pytest.mark.parametrize("path", [PREFERRED, ELSEWHERE], ids=["own address", "peer's"])
def test_without_a_connection_id_nothing_is_sent(pair: Pair, path: PathAddress) -> None:
    """Not even in answer to a peer that migrates; it goes on once there is one."""
    uses = Uses(pair)
    assert uses.receive(PING, FROM_CLIENT)
    pair.client.change_connection_id()
    assert not uses.receive(PING, path)
    assert pair.server.get_timer() == pair.server._close_at, "no timer brings anything on"
    assert uses.receive(PING + new_connection_id(51, 0), path)
    assert not uses.reused


def test_a_return_to_the_old_path_takes_another_connection_id(pair: Pair) -> None:
    uses = Uses(pair)
    assert uses.receive(PING, FROM_CLIENT)
    pair.client.change_connection_id()
    assert uses.receive(PING + new_connection_id(51, 0), PREFERRED)
    pair.server._abandon_path_validation()
    assert not uses.receive(b"\0", FROM_CLIENT)
    assert uses.receive(PING + new_connection_id(52, 0), FROM_CLIENT)
    assert not uses.reused


def test_a_nat_rebinding_changes_no_connection_id(pair: Pair) -> None:
    """The peer's packets have the same Destination Connection ID (RFC 9000, 9.5)."""
    uses = Uses(pair)
    assert uses.receive(PING, FROM_CLIENT)
    assert uses.receive(PING, ELSEWHERE)
    assert len(uses.of) == 1
