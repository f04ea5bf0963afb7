from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.network.scenarios.scenario import parse_scenario

LINK = "--delay=15ms --bandwidth=10Mbps --queue=25"


def test_the_default_scenario() -> None:
    scenario = parse_scenario(f"simple-p2p {LINK}")
    assert scenario.kind.name == "simple-p2p"
    assert scenario.delay_ns == 15_000_000
    assert scenario.bandwidth_bps == 10_000_000
    assert scenario.queue_packets == 25
    assert scenario.impairment(1) is None
    assert scenario.link().offer(0, 1248) == 16_000_000


def test_values_may_stand_apart() -> None:
    apart = parse_scenario("simple-p2p --delay 15ms   --bandwidth 10Mbps --queue=25")
    assert apart == parse_scenario(f"simple-p2p {LINK}")


def test_a_flag_does_not_use_the_next_argument() -> None:
    for words, moves in (
        ("", False),
        ("--rebind-addr", True),
        ("--rebind-addr=true", True),
        ("--rebind-addr=false", False),
    ):
        scenario = parse_scenario(f"rebind {words} {LINK} --first-rebind=1s")
        assert scenario.values["rebind-addr"] is moves
    with pytest.raises(UserError, match="'true' is no parameter"):
        parse_scenario(f"rebind {LINK} --first-rebind=1s --rebind-addr true")


def test_only_one_scenario_has_a_tcp_flow() -> None:
    assert parse_scenario(f"tcp-cross-traffic {LINK}").tcp_flow
    assert not parse_scenario(f"simple-p2p {LINK}").tcp_flow


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "",
            "unknown scenario ''",
            (
                "Known scenarios: simple-p2p, drop-rate, corrupt-rate, droplist, blackhole,"
                " rebind, tcp-cross-traffic, reorder, duplicate."
            ),
        ),
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
            f"simple-p2p {LINK} --queue=",
            "scenario simple-p2p: --queue is there twice",
            "Leave one of them out.",
        ),
        (
            f"rebind {LINK} --first-rebind=1s --rebind-addr=",
            "scenario rebind: --rebind-addr has no value",
            "It is whether the NAT's address changes as well.",
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
        *("rebind", "--first-rebind=1s", "--rebind-addr", "--rebind-addr=yes", "reorder"),
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
def test_any_text_is_parsed_or_a_user_error(text: str) -> None:
    try:
        scenario = parse_scenario(text)
    except UserError:
        return
    assert scenario.kind.name == text.split(maxsplit=1)[0]
