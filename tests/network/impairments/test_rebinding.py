from __future__ import annotations

from ipaddress import ip_address, ip_network
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicmatrix.runner.network.impairments.fate import PASSED, Direction, Dropped, Fate, Replaced
from quicmatrix.runner.network.impairments.impairment import Arrival
from quicmatrix.runner.network.impairments.rebinding import NO_BINDING, OLD_BINDING, Rebinding
from quicmatrix.runner.network.middlebox.frame import (
    Headers,
    destination,
    headers,
    source,
    udp_payload,
)
from quicmatrix.runner.network.topology import CLIENT, CLIENT_NETWORKS, SERVER, SIM_LEFT
from tests.support import frames

S = 10**9
FAMILIES = ((CLIENT.ipv4, SERVER.ipv4), (CLIENT.ipv6, SERVER.ipv6))

Address = tuple[str, int]


def arrival(direction: Direction, time_ns: int, frame: bytes) -> Arrival:
    found = headers(frame)
    assert found is not None
    return Arrival(direction, 1, time_ns, frame, found)


class Story:
    """A NAT, a client and a server."""

    def __init__(self, nat: Rebinding, own: str = CLIENT.ipv4, server: str = SERVER.ipv4) -> None:
        self.nat = nat
        self.own = own
        self.server = server

    def up(self, time_ns: int, port: int = 50_000) -> Address:
        """What the server sees of a datagram that the client sends."""
        frame = frames.udp(b"up", self.own, self.server, (port, 443))
        sent = arrival(Direction.TO_SERVER, time_ns, frame)
        address, outside_port = source(*seen(sent, self.nat.fate(sent)))
        return str(ip_address(address)), outside_port

    def down(self, time_ns: int, to: Address) -> Address | Dropped:
        """What the client sees of a datagram that the server sends."""
        frame = frames.udp(b"down", self.server, to[0], (443, to[1]))
        sent = arrival(Direction.TO_CLIENT, time_ns, frame)
        fate = self.nat.fate(sent)
        if isinstance(fate, Dropped):
            return fate
        address, port = destination(*seen(sent, fate))
        return str(ip_address(address)), port


def seen(sent: Arrival, fate: Fate) -> tuple[bytes, Headers]:
    """The one frame that comes out; it is as if its sender had made it like that."""
    if fate == PASSED:
        return sent.frame, sent.headers
    assert isinstance(fate, Replaced)
    (one,) = fate.copies
    assert one.frame is not None
    assert one.delay_ns == 0
    found = headers(one.frame)
    assert found is not None
    (from_address, from_port), (to_address, to_port) = (
        end(one.frame, found) for end in (source, destination)
    )
    start, stop = udp_payload(found)
    expected = frames.udp(
        one.frame[start:stop],
        str(ip_address(from_address)),
        str(ip_address(to_address)),
        (from_port, to_port),
    )
    assert one.frame == expected
    changed = (from_address, from_port) if b"up" in one.frame else (to_address, to_port)
    assert one.change.endswith(f":{changed[1]}")
    return one.frame, found


def nat(seed: int = 1, *, changes_address: bool = False, every_s: int = 5) -> Rebinding:
    return Rebinding(1 * S, every_s * S, seed, changes_address=changes_address)


@pytest.mark.parametrize(("own", "server"), FAMILIES)
def test_before_the_first_rebind_nothing_changes(own: str, server: str) -> None:
    story = Story(nat(changes_address=True), own, server)
    for time_ns in (0, S - 1):
        assert story.up(time_ns) == (own, 50_000)
        assert story.down(time_ns, (own, 50_000)) == (own, 50_000)


@pytest.mark.parametrize(("own", "server"), FAMILIES)
@pytest.mark.parametrize("changes_address", [False, True])
def test_each_rebind_moves_the_flow_and_the_client_does_not_notice(
    own: str, server: str, changes_address: bool
) -> None:
    story = Story(nat(changes_address=changes_address), own, server)
    outside = [story.up(time_s * S) for time_s in (0, 1, 6, 11, 16)]
    assert len({port for _, port in outside}) == 5
    assert len({address for address, _ in outside}) == (5 if changes_address else 1)
    for generation, time_s in enumerate((0.9, 5.9, 10.9, 15.9, 100)):
        fresh = Story(nat(changes_address=changes_address), own, server)
        for before in (0, 1, 6, 11, 16)[: generation + 1]:
            fresh.up(before * S)
        assert fresh.down(int(time_s * S), outside[generation]) == (
            (own, 50_000) if generation < 4 else OLD_BINDING
        )


def test_what_the_server_sends_to_an_old_binding_is_dropped() -> None:
    story = Story(nat())
    old = story.up(0)
    assert story.down(1 * S, old) == OLD_BINDING  # even before the client sends again
    new = story.up(1 * S)
    assert story.down(2 * S, old) == OLD_BINDING
    assert story.down(2 * S, new) == (CLIENT.ipv4, 50_000)


def test_what_the_server_sends_to_no_binding_is_dropped() -> None:
    story = Story(nat())
    story.up(0)
    assert story.down(0, (CLIENT.ipv4, 50_001)) == NO_BINDING
    assert story.down(0, ("193.167.0.77", 50_000)) == NO_BINDING


def test_it_may_rebind_just_once() -> None:
    story = Story(nat(every_s=0))
    first, second, later = (story.up(time_s * S) for time_s in (0, 1, 1000))
    assert first != second == later
    assert story.down(1000 * S, second) == (CLIENT.ipv4, 50_000)


def test_each_flow_has_its_own_binding() -> None:
    story = Story(nat(changes_address=True))
    first = [story.up(0, port) for port in (50_000, 50_001)]
    assert first == [(CLIENT.ipv4, 50_000), (CLIENT.ipv4, 50_001)]
    outside = [story.up(1 * S, port) for port in (50_000, 50_001, 50_002)]
    assert len({port for _, port in outside}) == 3
    assert len({address for address, _ in outside}) == 1
    assert outside[2][1] == 50_002, "a flow that begins later begins with its own port"
    for port, to in zip((50_000, 50_001, 50_002), outside, strict=True):
        assert story.down(2 * S, to) == (CLIENT.ipv4, port)


def test_a_flow_never_gets_the_port_of_another() -> None:
    story = Story(nat())
    story.up(0)
    taken = story.up(1 * S)[1]
    other = story.up(1 * S, taken)
    assert other[1] != taken
    assert story.down(1 * S, other) == (CLIENT.ipv4, taken)


# 300 rebinds are more than there are addresses.
@settings(max_examples=30)
@given(st.integers(0, 1 << 64), st.booleans())
def test_addresses_are_free_ones_of_the_clients_network(seed: int, is_ipv6: bool) -> None:
    own, server = FAMILIES[is_ipv6]
    story = Story(nat(seed, changes_address=True, every_s=1), own, server)
    outside = [story.up(time_s * S) for time_s in range(300)]
    taken = {SIM_LEFT.ipv4, SIM_LEFT.ipv6}
    for before, (address, port) in pairwise(outside):
        assert address not in {before[0], own, *taken}
        assert ip_address(address) in ip_network(CLIENT_NETWORKS[is_ipv6])
        assert ip_address(address) != ip_network(CLIENT_NETWORKS[0]).broadcast_address
        assert port >= 49_152
    assert len(set(outside)) == 300


@given(st.integers(0, 1 << 64), st.integers(1024, 65_535), st.integers(1024, 65_535))
def test_the_seed_decides_and_not_the_clients_port(seed: int, one: int, other: int) -> None:
    def ports(own_port: int) -> list[Address]:
        story = Story(nat(seed, changes_address=True))
        return [story.up(time_s * S, own_port) for time_s in (0, 1, 6)][1:]

    assert ports(one) == ports(other)


def test_what_is_no_datagram_passes() -> None:
    frame = frames.ipv4(bytes(40), protocol=6)
    found = headers(frame)
    assert found is not None
    assert nat().fate(Arrival(Direction.TO_CLIENT, None, 2 * S, frame, found)) == PASSED
