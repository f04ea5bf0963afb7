from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import UserError
from runner.network.fate import Direction
from runner.network.impairment import Blackhole, Droplist, DropRate
from runner.network.scenario import SCENARIOS, parse_scenario

LINK = "--delay=15ms --bandwidth=10Mbps --queue=25"


def test_the_default_scenario() -> None:
    scenario = parse_scenario(f"simple-p2p {LINK}")
    assert scenario.kind.name == "simple-p2p"
    assert scenario.delay_ns == 15_000_000
    assert scenario.bandwidth_bps == 10_000_000
    assert scenario.queue_packets == 25
    assert scenario.impairment(1) is None
    assert scenario.link().offer(0, 1248) == 16_000_000


@pytest.mark.parametrize(
    ("word", "nanoseconds"),
    [("15ms", 15_000_000), ("2s", 2 * 10**9), ("750us", 750_000), ("1.5ms", 1_500_000), ("0s", 0)],
)
def test_durations(word: str, nanoseconds: int) -> None:
    scenario = parse_scenario(f"simple-p2p --delay={word} --bandwidth=10Mbps --queue=25")
    assert scenario.delay_ns == nanoseconds


@pytest.mark.parametrize(
    ("word", "bps"),
    [("800bps", 800), ("64kbps", 64_000), ("64Kbps", 64_000), ("2.5Gbps", 2_500_000_000)],
)
def test_bandwidths(word: str, bps: int) -> None:
    scenario = parse_scenario(f"simple-p2p --delay=1ms --bandwidth={word} --queue=25")
    assert scenario.bandwidth_bps == bps


def test_values_may_stand_apart() -> None:
    apart = parse_scenario("simple-p2p --delay 15ms   --bandwidth 10Mbps --queue=25")
    assert apart == parse_scenario(f"simple-p2p {LINK}")


def test_drop_rate() -> None:
    scenario = parse_scenario(
        f"drop-rate {LINK} --rate_to_client=30 --rate_to_server=0 --burst_to_client=3"
    )
    assert scenario.impairment(7) == DropRate(
        {Direction.TO_CLIENT: 30, Direction.TO_SERVER: 0},
        {Direction.TO_CLIENT: 3, Direction.TO_SERVER: None},
        7,
    )


def test_droplist() -> None:
    scenario = parse_scenario(f"droplist {LINK} --drops_to_server=2,3,4,5,6,7")
    assert scenario.impairment(7) == Droplist(
        {Direction.TO_CLIENT: frozenset(), Direction.TO_SERVER: frozenset(range(2, 8))}
    )


def test_blackhole() -> None:
    both = parse_scenario(f"blackhole {LINK} --on=5s --off=2s").impairment(7)
    assert both == Blackhole(5 * 10**9, 2 * 10**9, 1, frozenset(Direction))
    one = parse_scenario(f"blackhole {LINK} --on=5s --off=2s --repeat=3 --direction=toserver")
    assert one.impairment(7) == Blackhole(5 * 10**9, 2 * 10**9, 3, frozenset({Direction.TO_SERVER}))


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "unknown scenario ''", "Known scenarios: simple-p2p, drop-rate, droplist, blackhole."),
        (f"simple-p2 {LINK}", "unknown scenario 'simple-p2'", "Did you mean simple-p2p?"),
        (
            "simple-p2p --delay=15ms --queue=25",
            "scenario simple-p2p: --bandwidth is missing",
            "It is the link's rate, per direction.",
        ),
        (
            f"simple-p2p {LINK} --dealy=3ms",
            "scenario simple-p2p: unknown parameter --dealy",
            "Did you mean delay?",
        ),
        (
            f"simple-p2p {LINK} --queue=3",
            "scenario simple-p2p: --queue is there twice",
            "Leave one of them out.",
        ),
        (
            f"simple-p2p {LINK} 15ms",
            "scenario simple-p2p: '15ms' is no parameter",
            "Write --name=value or --name value.",
        ),
        (
            "simple-p2p --delay=15ms --bandwidth=10Mbps --queue",
            "scenario simple-p2p: --queue has no value",
            "It is how many packets the link's queue holds, per direction.",
        ),
        (
            "simple-p2p --delay=15 --bandwidth=10Mbps --queue=25",
            "scenario simple-p2p: --delay: '15' is not a duration such as 15ms, 5s or 750us",
            "It is the link's one-way delay.",
        ),
        (
            "simple-p2p --delay=15ms --bandwidth=0bps --queue=25",
            "scenario simple-p2p: --bandwidth: '0bps' is not a bandwidth such as 10Mbps or 500kbps",
            "It is the link's rate, per direction.",
        ),
        (
            "simple-p2p --delay=1s --bandwidth=1Mps --queue=0",
            "scenario simple-p2p: --bandwidth: '1Mps' is not a bandwidth such as 10Mbps or 500kbps",
            "It is the link's rate, per direction.",
        ),
        (
            "simple-p2p --delay=15ms --bandwidth=10Mbps --queue=0",
            "scenario simple-p2p: --queue: '0' is not a whole number from 1",
            "It is how many packets the link's queue holds, per direction.",
        ),
        (
            f"drop-rate {LINK} --rate_to_client=100 --rate_to_server=2",
            "scenario drop-rate: --rate_to_client: '100' is not a whole number from 0 to 99",
            "It is how many are lost on the way to the client.",
        ),
        (
            f"droplist {LINK} --drops_to_client=1,,2",
            (
                "scenario droplist: --drops_to_client: '1,,2' is not a list of whole numbers"
                " from 1 such as 2,3,5"
            ),
            "It is which datagrams towards the client are lost, counted from 1.",
        ),
        (
            f"blackhole {LINK} --on=5s --off=0s",
            "scenario blackhole: --off: '0s' is not a duration above zero such as 2s",
            "It is how long an outage lasts.",
        ),
        (
            f"blackhole {LINK} --on=5s --off=2s --direction=up",
            "scenario blackhole: --direction: 'up' is not one of both, toclient, toserver",
            "It is which direction suffers.",
        ),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_scenario(text)
    assert (caught.value.message, caught.value.hint) == (message, hint)


words = st.sampled_from(
    [
        *("simple-p2p", "drop-rate", "blackhole", "droplist", "--", "=", "--=", "1e3ms"),
        *("--delay=1ms", "--delay", "--bandwidth=1Mbps", "--queue=1", "--queue=-1"),
        *(
            "--on=0s",
            "--off=1s",
            "--rate_to_client=1",
            "--rate_to_server=\N{ARABIC-INDIC DIGIT ONE}",
        ),
    ]
)


@given(st.lists(words).map(" ".join) | st.text())
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        scenario = parse_scenario(text)
    except UserError:
        return
    assert scenario.kind.name == text.split(maxsplit=1)[0]


def test_the_registry_can_be_listed() -> None:
    for kind in SCENARIOS:
        assert kind.summary.endswith(".")
        names = [parameter.name for parameter in kind.parameters]
        assert names[:3] == ["delay", "bandwidth", "queue"]
        assert len(set(names)) == len(names)
        assert all(parameter.meaning for parameter in kind.parameters)
        assert not any(one.required and one.default for one in kind.parameters)
