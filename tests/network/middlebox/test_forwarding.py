from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quicmatrix.runner.network.impairments.fate import Copy, Direction, Dropped, Fate, Replaced
from quicmatrix.runner.network.impairments.impairment import Arrival
from quicmatrix.runner.network.impairments.loss_pattern import LossPattern
from quicmatrix.runner.network.middlebox.forwarding import (
    MAX_FRAGMENTED,
    NO_FIRST_FRAGMENT,
    Delivery,
    ForwardingDecision,
    Network,
)
from quicmatrix.runner.network.middlebox.frame import Headers, headers
from quicmatrix.runner.network.middlebox.version_negotiation import is_version_negotiation
from quicmatrix.runner.network.scenarios.catalogue import ScenarioKind
from quicmatrix.runner.network.scenarios.scenario import Scenario, parse_scenario
from quicmatrix.runner.network.topology import CLIENT, SERVER
from tests.support import frames

TO_CLIENT, TO_SERVER = Direction.TO_CLIENT, Direction.TO_SERVER
MS = 1_000_000
LINK = "--delay=15ms --bandwidth=10Mbps --queue=25"

DATAGRAM = frames.udp(bytes(1220))  # 1248 bytes of IP: 1 ms on the wire
PING = frames.ipv4(bytes(1228), protocol=1)


def forward(
    network: Network, direction: Direction, now_ns: int, frame: bytes
) -> ForwardingDecision:
    found = headers(frame)
    assert found is not None
    return network.forward(direction, now_ns, frame, found)


def test_udp_datagrams_are_numbered_for_each_direction_and_nothing_else_is() -> None:
    network = Network(parse_scenario(f"simple-p2p {LINK}"), 1)
    sent = [
        (TO_SERVER, DATAGRAM),
        (TO_CLIENT, DATAGRAM),
        (TO_SERVER, PING),
        (TO_SERVER, frames.udp(b"", "fd00:cafe:cafe::100", "fd00:cafe:cafe:100::100")),
        (TO_CLIENT, DATAGRAM),
    ]
    numbers = [forward(network, direction, 0, frame).number for direction, frame in sent]
    assert numbers == [1, 1, None, 2, 2]


def test_all_packets_of_a_direction_share_its_link_and_the_other_has_its_own() -> None:
    network = Network(parse_scenario(f"simple-p2p {LINK}"), 1)
    decisions = [
        forward(network, direction, 0, frame)
        for direction, frame in [(TO_SERVER, DATAGRAM), (TO_SERVER, PING), (TO_CLIENT, DATAGRAM)]
    ]
    assert decisions == [
        ForwardingDecision(1, 0, (Delivery(16 * MS, None),)),
        ForwardingDecision(None, 0, (Delivery(17 * MS, None),)),
        ForwardingDecision(1, 0, (Delivery(16 * MS, None),)),
    ]


def test_a_datagram_that_the_queue_refuses_keeps_its_number() -> None:
    network = Network(parse_scenario("simple-p2p --delay=15ms --bandwidth=10Mbps --queue=1"), 1)
    decisions = [forward(network, TO_SERVER, 0, DATAGRAM) for _ in range(4)]
    assert [one.waiting for one in decisions] == [0, 0, 1, 2]
    assert decisions[3] == ForwardingDecision(4, 2, Dropped("queue full"))
    assert forward(network, TO_SERVER, 50 * MS, DATAGRAM).number == 5


def test_a_dropped_datagram_has_taken_its_time_on_the_link() -> None:
    network = Network(parse_scenario(f"droplist {LINK} --drops_to_server=1"), 1)
    assert forward(network, TO_SERVER, 0, DATAGRAM) == ForwardingDecision(1, 0, Dropped("droplist"))
    assert forward(network, TO_SERVER, 0, DATAGRAM) == ForwardingDecision(
        2, 0, (Delivery(17 * MS, None),)
    )


def test_the_impairments_clock_starts_with_the_first_packet() -> None:
    network = Network(parse_scenario(f"blackhole {LINK} --on=5s --off=2s"), 1)
    began = 10**15
    assert forward(network, TO_CLIENT, began, PING).fate == (Delivery(began + 16 * MS, None),)
    late = forward(network, TO_SERVER, began + 5_000 * MS - 16 * MS, DATAGRAM)
    assert late == ForwardingDecision(1, 0, Dropped("blackhole"))


def test_a_packet_larger_than_the_mtu_is_dropped() -> None:
    network = Network(parse_scenario(f"simple-p2p {LINK}"), 1)
    huge = Headers(1501, b"", 17, 34)
    assert network.forward(TO_SERVER, 0, b"", huge) == ForwardingDecision(
        1, 0, Dropped("larger than the MTU")
    )


class Duplicate:
    """Two copies of each packet, the second one altered and later."""

    def __init__(self) -> None:
        self.seen: list[Arrival] = []

    def fate(self, arrival: Arrival) -> Fate:
        self.seen.append(arrival)
        return Replaced((Copy(None), Copy(b"other", "replaced", 3 * MS)))


def test_an_impairment_may_replace_a_packet_by_several() -> None:
    duplicate = Duplicate()
    link = parse_scenario(f"simple-p2p {LINK}")
    kind = ScenarioKind("dup", "Doubles.", (), lambda _v, _s: duplicate)
    network = Network(Scenario(kind, link.values), 1)
    assert forward(network, TO_SERVER, 7, DATAGRAM) == ForwardingDecision(
        1, 0, (Delivery(16 * MS + 7, None), Delivery(19 * MS + 7, b"other", "replaced"))
    )
    found = headers(DATAGRAM)
    assert found is not None
    assert duplicate.seen == [Arrival(TO_SERVER, 1, 16 * MS, DATAGRAM, found)]


IMPAIRED = (
    "drop-rate {} --rate_to_client=30 --rate_to_server=30 --burst_to_client=3",
    "corrupt-rate {} --rate_to_client=30 --rate_to_server=30 --burst_to_client=3",
    "reorder {} --rate_to_client=30 --rate_to_server=30",
    "duplicate {} --rate_to_client=30 --rate_to_server=30 --gap=1ms",
)


@pytest.mark.parametrize("scenario", IMPAIRED)
@given(
    st.integers(0, 1 << 64),
    st.lists(st.tuples(st.booleans(), st.integers(0, 2 * MS), st.binary(max_size=60)), max_size=50),
)
def test_decisions_do_not_depend_on_the_other_direction_or_the_time(
    scenario: str, seed: int, sends: list[tuple[bool, int, bytes]]
) -> None:
    parsed = parse_scenario(scenario.format("--delay=1ms --bandwidth=10Gbps --queue=100"))
    alone = {way: Network(parsed, seed) for way in Direction}
    together = Network(parsed, seed)
    now_ns = 0
    for to_client, pause_ns, payload in sends:
        now_ns += pause_ns
        direction, frame = (TO_CLIENT if to_client else TO_SERVER), frames.udp(payload)
        expected = done(forward(alone[direction], direction, 0, frame))
        assert done(forward(together, direction, now_ns, frame)) == expected


@pytest.mark.parametrize("scenario", [*IMPAIRED, "rebind {} --first-rebind=1ms --rebind-freq=1ms"])
@given(st.integers(0, 1 << 64), st.lists(st.tuples(st.booleans(), st.binary(max_size=60))))
def test_each_datagram_is_delivered_or_dropped_as_decided(
    scenario: str, seed: int, sends: list[tuple[bool, bytes]]
) -> None:
    name = scenario.split(maxsplit=1)[0]
    parsed = parse_scenario(scenario.format("--delay=1ms --bandwidth=10Gbps --queue=100"))
    burst = {TO_CLIENT: 3 if "burst" in scenario else None, TO_SERVER: None}
    pattern = LossPattern(dict.fromkeys(Direction, 30), burst, seed)
    network = Network(parsed, seed)
    for to_client, payload in sends:
        direction = TO_CLIENT if to_client and name != "rebind" else TO_SERVER
        number, _, fate = forward(network, direction, 0, frames.udp(payload))
        affected = name != "rebind" and pattern.affects(direction, number)
        if name == "drop-rate" and affected:
            assert fate == Dropped("random loss")
            continue
        assert not isinstance(fate, Dropped)
        assert len(fate) == (2 if name == "duplicate" and affected else 1)
        for delivery in fate:
            came = payload if delivery.frame is None else delivery.frame[42:]
            assert len(came) == len(payload)
            wrong = sum(one != other for one, other in zip(came, payload, strict=True))
            spared = not payload or is_version_negotiation(payload)
            assert wrong == (name == "corrupt-rate" and affected and not spared)


@pytest.mark.parametrize(
    "scenario", [*IMPAIRED, "rebind {} --first-rebind=1ms --rebind-freq=1ms --rebind-addr"]
)
@pytest.mark.parametrize("ends", [(CLIENT.ipv4, SERVER.ipv4), (CLIENT.ipv6, SERVER.ipv6)])
@given(st.integers(0, 1 << 64))
@settings(max_examples=20)
def test_fragments_fare_as_their_datagram_does(
    scenario: str, ends: tuple[str, str], seed: int
) -> None:
    parsed = parse_scenario(scenario.format("--delay=1ms --bandwidth=10Gbps --queue=100"))
    whole, cut = Network(parsed, seed), Network(parsed, seed)
    for number in range(1, 11):
        datagram, now_ns = frames.udp(bytes([number]) * 1200, *ends), number * MS
        expected = forward(whole, TO_SERVER, now_ns, datagram)
        parts = frames.fragments(datagram, 480, identification=number)
        decisions = [forward(cut, TO_SERVER, now_ns, part) for part in parts]
        assert [one.number for one in decisions] == [number] * 3
        if isinstance(expected.fate, Dropped):
            assert [one.fate for one in decisions] == [expected.fate] * 3
            continue
        for at, delivery in enumerate(expected.fate):
            arrived = []
            for part, decision in zip(parts, decisions, strict=True):
                assert not isinstance(decision.fate, Dropped)
                arrived.append(decision.fate[at].frame or part)
                assert decision.fate[at].change == delivery.change
            assert arrived == frames.fragments(delivery.frame or datagram, 480, number)


def test_a_fragment_without_the_first_one_does_not_pass() -> None:
    network = Network(parse_scenario(f"simple-p2p {LINK}"), 1)
    first, second, third = frames.fragments(DATAGRAM, 480)
    lost = ForwardingDecision(None, 0, NO_FIRST_FRAGMENT)
    assert forward(network, TO_SERVER, 0, second) == lost
    assert forward(network, TO_SERVER, 10 * MS, first).number == 1
    assert forward(network, TO_CLIENT, 10 * MS, second) == lost
    assert forward(network, TO_SERVER, 20 * MS, third).number == 1
    assert forward(network, TO_SERVER, 30 * MS, second) == lost  # the last one has passed


def test_a_datagram_whose_first_fragment_the_queue_refuses_does_not_pass() -> None:
    network = Network(parse_scenario("simple-p2p --delay=15ms --bandwidth=10Mbps --queue=1"), 1)
    for _ in range(3):
        forward(network, TO_SERVER, 0, DATAGRAM)
    parts = frames.fragments(DATAGRAM, 480)
    fates = [forward(network, TO_SERVER, at * 5 * MS, part) for at, part in enumerate(parts)]
    assert [(one.number, one.fate) for one in fates] == [(4, Dropped("queue full"))] * 3


def test_what_is_kept_of_fragments_is_limited() -> None:
    network = Network(parse_scenario(f"simple-p2p {LINK}"), 1)
    for identification in range(MAX_FRAGMENTED + 1):
        first, second, _ = frames.fragments(DATAGRAM, 480, identification)
        forward(network, TO_SERVER, 10 * MS * identification, first)
    assert len(network._fragmented) == MAX_FRAGMENTED
    assert forward(network, TO_SERVER, 1 << 50, second).number == MAX_FRAGMENTED + 1


def done(decision: ForwardingDecision) -> object:
    """What became of a packet, but for when."""
    if isinstance(decision.fate, Dropped):
        return decision.fate
    return [(one.frame, one.change) for one in decision.fate]
