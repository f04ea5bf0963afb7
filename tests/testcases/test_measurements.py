from __future__ import annotations

import pytest

from quicmatrix.runner.model.attempt import AttemptRecord, LinkRecord
from quicmatrix.runner.network.cross_traffic.goodput import CrossTraffic
from quicmatrix.runner.network.scenarios.scenario import parse_scenario
from quicmatrix.testcases.interop import TESTCASES as TESTS
from quicmatrix.testcases.measurements import TESTCASES
from quicmatrix.testcases.measurements.crosstraffic import tcp_flow_shares_the_link
from quicmatrix.testcases.measurements.rate import goodput_of
from quicmatrix.testcases.model import MIB, Inconclusive, TestCase
from tests.support.story import Story, client, crypto, holds, record, server, trace, unexercised

HELLO = (client.initial(crypto()), server.initial(crypto()))


def with_flow(flow: CrossTraffic | None) -> AttemptRecord:
    return record(link=LinkRecord(cross_traffic=flow))


STORIES = (
    holds(
        tcp_flow_shares_the_link,
        "it does",
        with_flow(CrossTraffic(0.0, 2.0, 2000, (1000, 1000))),
    ),
    unexercised(
        tcp_flow_shares_the_link,
        "it does not get through",
        with_flow(CrossTraffic(0.0, 2.0, 0, (0, 0))),
        "no byte of the TCP flow arrives",
    ),
    unexercised(
        tcp_flow_shares_the_link,
        "there is none",
        with_flow(None),
        "there is no TCP flow",
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()


def test_goodput_is_from_the_first_to_the_last_1_rtt_packet_of_the_server() -> None:
    seen = trace(
        *HELLO,
        server.one_rtt(),  # the third frame: 3 ms
        client.one_rtt(),
        server.one_rtt().lost(),  # the client never saw it
        server.one_rtt(),  # the fifth frame on the left: 5 ms
        client.one_rtt(),
    )
    assert goodput_of(1000)(seen) == pytest.approx(8 * 1000 / 2)


@pytest.mark.parametrize(
    ("seen", "doubt"),
    [
        (trace(*HELLO), "no 1-RTT packet of the server"),
        (trace(*HELLO, server.one_rtt()), "at the same time"),
        (trace(*HELLO, server.one_rtt(), server.one_rtt(), left_damage="cut off"), "cut off"),
        (trace(), "is empty"),
    ],
)
def test_what_cannot_be_told_is_not_guessed(seen: object, doubt: str) -> None:
    with pytest.raises(Inconclusive, match=doubt):
        goodput_of(1000)(seen)  # type: ignore[arg-type]


def test_they_are_the_suite_s() -> None:
    assert [(case.name, case.letter) for case in TESTCASES] == [
        ("goodput", "G"),
        ("crosstraffic", "C"),
    ]
    assert [case.files for case in TESTCASES] == [(10 * MIB,), (25 * MIB,)]
    assert [case.timeout_s for case in TESTCASES] == [60, 180]
    assert {case.repetitions for case in TESTCASES} == {5}


@pytest.mark.parametrize("case", TESTCASES, ids=lambda case: case.name)
def test_each_can_run_and_measures_its_own_file(case: TestCase) -> None:
    parse_scenario(case.scenario)
    assert case.is_measurement
    assert case.metric is not None
    seen = trace(*HELLO, server.one_rtt(), server.one_rtt())
    assert case.metric(seen) == pytest.approx(8 * sum(case.files))


def test_no_test_is_one() -> None:
    assert not any(case.is_measurement for case in TESTS)
