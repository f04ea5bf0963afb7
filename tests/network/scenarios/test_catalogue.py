from __future__ import annotations

from quicmatrix.runner.network.impairments.corruption import CorruptRate
from quicmatrix.runner.network.impairments.fate import Direction
from quicmatrix.runner.network.impairments.impairment import (
    Blackhole,
    Droplist,
    DropRate,
    Impairment,
)
from quicmatrix.runner.network.impairments.loss_pattern import LossPattern
from quicmatrix.runner.network.impairments.rebinding import Rebinding
from quicmatrix.runner.network.impairments.reordering import Duplicate, Reorder
from quicmatrix.runner.network.scenarios.catalogue import SCENARIOS
from quicmatrix.runner.network.scenarios.scenario import parse_scenario

TO_CLIENT, TO_SERVER = Direction.TO_CLIENT, Direction.TO_SERVER
S = 10**9
LINK = "--delay=15ms --bandwidth=10Mbps --queue=25"
RATES = f"{LINK} --rate_to_client=30 --rate_to_server=2"
PATTERN = LossPattern({TO_CLIENT: 30, TO_SERVER: 2}, {TO_CLIENT: None, TO_SERVER: None}, 7)


def impairment(text: str) -> Impairment | None:
    return parse_scenario(text).impairment(7)


def test_a_plain_link_does_nothing_else() -> None:
    assert impairment(f"simple-p2p {LINK}") is None
    assert impairment(f"tcp-cross-traffic {LINK}") is None


def test_drop_rate_and_corrupt_rate_affect_the_same_datagrams() -> None:
    limited = LossPattern(PATTERN.percent, {TO_CLIENT: 3, TO_SERVER: None}, 7)
    assert impairment(f"drop-rate {RATES}") == DropRate(PATTERN)
    assert impairment(f"drop-rate {RATES} --burst_to_client=3") == DropRate(limited)
    assert impairment(f"corrupt-rate {RATES}") == CorruptRate(PATTERN)
    assert impairment(f"corrupt-rate {RATES} --burst_to_client 3") == CorruptRate(limited)


def test_droplist() -> None:
    assert impairment(f"droplist {LINK} --drops_to_server=2,3,4,5,6,7") == Droplist(
        {TO_CLIENT: frozenset(), TO_SERVER: frozenset(range(2, 8))}
    )


def test_blackhole() -> None:
    both = impairment(f"blackhole {LINK} --on=5s --off=2s")
    assert both == Blackhole(5 * S, 2 * S, 1, frozenset(Direction))
    one = impairment(f"blackhole {LINK} --on=5s --off=2s --repeat=3 --direction=toserver")
    assert one == Blackhole(5 * S, 2 * S, 3, frozenset({TO_SERVER}))


def test_reorder_and_duplicate() -> None:
    assert impairment(f"reorder {RATES}") == Reorder(PATTERN, 5_000_000)
    assert impairment(f"reorder {RATES} --gap=20ms") == Reorder(PATTERN, 20_000_000)
    assert impairment(f"duplicate {RATES}") == Duplicate(PATTERN, 0)
    assert impairment(f"duplicate {RATES} --gap=3ms") == Duplicate(PATTERN, 3_000_000)


def test_rebind() -> None:
    once = impairment(f"rebind {LINK} --first-rebind=1s")
    moving = impairment(f"rebind {LINK} --first-rebind=1s --rebind-freq=5s --rebind-addr")
    assert isinstance(once, Rebinding)
    assert isinstance(moving, Rebinding)
    assert (once.first_ns, once.every_ns, once.changes_address) == (S, 0, False)
    assert (moving.first_ns, moving.every_ns, moving.changes_address) == (S, 5 * S, True)


def test_it_can_be_listed() -> None:
    for kind in SCENARIOS:
        assert kind.summary.endswith(".")
        names = [parameter.name for parameter in kind.parameters]
        assert names[:3] == ["delay", "bandwidth", "queue"]
        assert len(set(names)) == len(names)
        assert all(parameter.meaning for parameter in kind.parameters)
        assert not any(one.required and one.default for one in kind.parameters)
