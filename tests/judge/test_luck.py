"""What a lossy link's chance decides is nobody's failure, if both sides did their part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from quicmatrix.runner.judge.judge import Policy, judge
from quicmatrix.runner.judge.luck import luck
from quicmatrix.runner.model.attempt import Ending, SideRecord
from quicmatrix.runner.model.verdict import Outcome, Status, Verdict
from quicmatrix.runner.trace.model import ServerHello, Stream
from quicmatrix.testcases.interop.handshakecorruption import HANDSHAKECORRUPTION
from quicmatrix.testcases.interop.handshakeloss import HANDSHAKELOSS
from quicmatrix.testcases.model import DEFAULT_SCENARIO, Observation, TestCase
from quicmatrix.testcases.shared.contract import ENDPOINT_CONTRACT
from tests.support.story import Leg, client, crypto, record, server, trace

DOUBLING = (0.1, 1.1, 3.1, 7.1, 15.1)
HELLO = server.initial(crypto(), ServerHello(0x1301))
CASE = replace(HANDSHAKELOSS, requirements=ENDPOINT_CONTRACT)


def lost(leg: Leg) -> Leg:
    return leg.told("#1 dropped: random loss")


def damaged(leg: Leg) -> Leg:
    """What its receiver cannot read."""
    changed = "#1 delivered after 15.1 ms, byte 5 changed from 0x01 to 0x00"
    return replace(leg.told(changed), dropped=True)


def came(leg: Leg) -> Leg:
    return leg.told("#1 delivered after 15.1 ms")


def flights(leg: Leg, times: Sequence[float] = DOUBLING) -> list[Leg]:
    return [leg.after(time) for time in times]


def attempt(
    *legs: Leg, scenario: str = HANDSHAKELOSS.scenario, lasted: float = 30.0, timeout: bool = False
) -> Observation:
    """The client asks, and what then comes ends with its exit code 1, or its time is over."""
    ended = SideRecord(ending=Ending.EXITED, exit_code=1, duration_s=lasted)
    if timeout:
        ended = SideRecord(ending=Ending.OUT_OF_TIME, signal=15, duration_s=lasted)
    its = record(scenario=scenario, client=ended, downloads=())
    return Observation(trace(came(client.initial(crypto())).after(0.0), *legs), its)


def judged(seen: Observation, case: TestCase = CASE, *, compat: bool = False) -> Verdict:
    return judge(seen, case, Policy(compat=compat))


ALL_STRUCK = "the link struck all 5 flights with the ServerHello (chance 2 in a thousand)"


@pytest.mark.parametrize(
    ("struck", "scenario"),
    [(lost, HANDSHAKELOSS.scenario), (damaged, HANDSHAKECORRUPTION.scenario)],
)
@pytest.mark.parametrize("timeout", [False, True])
def test_a_flight_that_chance_took_whole_decides_nothing(
    struck: Callable[[Leg], Leg], scenario: str, timeout: bool
) -> None:
    seen = attempt(*flights(struck(HELLO)), scenario=scenario, timeout=timeout)
    verdict = judged(seen)
    assert (verdict.outcome, verdict.unlucky) == (Outcome.INCONCLUSIVE, True)
    assert verdict.reason.startswith(f"{ALL_STRUCK}; ")
    states = {one.requirement: one.status for one in verdict.requirements}
    assert states["files_arrive"] is Status.UNDETERMINED


def test_ten_strikes_are_6_in_a_million() -> None:
    times = [*DOUBLING, *(time + 0.001 for time in DOUBLING)]
    seen = attempt(*flights(lost(HELLO), sorted(times)))
    assert luck(seen) == (
        "the link struck all 10 flights with the ServerHello (chance 6 in a million)"
    )


def test_compat_keeps_quic_interop_runner_s_word() -> None:
    verdict = judged(attempt(*flights(lost(HELLO))), compat=True)
    assert (verdict.outcome, verdict.unlucky) == (Outcome.FAILED, False)


def test_a_crash_is_no_bad_luck() -> None:
    seen = attempt(*flights(lost(HELLO)))
    crashed = replace(seen.record, client=SideRecord(ending=Ending.EXITED, signal=11))
    verdict = judged(replace(seen, record=crashed))
    assert (verdict.outcome, verdict.unlucky) == (Outcome.CRASHED, False)


@pytest.mark.parametrize(
    ("why", "times", "lasted"),
    [
        ("it stopped trying", DOUBLING, 60.0),
        (
            "it stopped trying, and was waited for as long as it backed off",
            (0.1, 1.1, 3.1, 7.1),
            40.0,
        ),
        ("it gave up early", (0.1, 1.1, 3.1), 5.0),
        ("two datagrams at a time are one flight", (0.1, 0.11, 1.1, 1.11, 3.1, 3.11), 5.0),
        ("its probe timeout grows fourfold", (0.1, 1.1, 5.1, 21.1), 60.0),
        ("its probe timeout does not grow", (0.1, 1.1, 2.1, 3.1, 4.1, 5.1), 6.0),
    ],
)
def test_who_did_not_do_its_part_failed(why: str, times: Sequence[float], lasted: float) -> None:
    verdict = judged(attempt(*flights(lost(HELLO), times), lasted=lasted))
    assert (verdict.outcome, verdict.unlucky) == (Outcome.FAILED, False), why


@pytest.mark.parametrize(
    "legs",
    [
        (*flights(lost(HELLO)), came(HELLO).after(20.0)),
        (*flights(lost(HELLO), DOUBLING[:4]), HELLO.told("#1 dropped: queue full").after(15.1)),
        (*flights(lost(server.one_rtt())),),
        (),
    ],
    ids=["one arrived", "a full queue took one", "nothing needed", "nothing was sent"],
)
def test_what_chance_did_not_take_whole_failed(legs: tuple[Leg, ...]) -> None:
    assert judged(attempt(*legs)).outcome is Outcome.FAILED


def test_a_link_without_chance_strikes_nobody() -> None:
    seen = attempt(*flights(lost(HELLO)), scenario=DEFAULT_SCENARIO)
    assert judged(seen).outcome is Outcome.FAILED


def test_every_direction_and_kind_of_data() -> None:
    for leg, name in (
        (client.initial(crypto("x" * 900, 5)), "the ClientHello"),
        (client.handshake(crypto()), "the client's Finished"),
        (server.handshake(crypto("more", 0)), "the server's Handshake packets"),
        (server.one_rtt(Stream(0, 0, 0, fin=True)), "byte 0 of the server's stream 0"),
    ):
        assert name in luck(attempt(*flights(lost(leg)))), name
    unneeded = server.one_rtt(Stream(3, 0, 10, fin=False))
    assert luck(attempt(*flights(lost(unneeded)))) == ""


PROBES = (1.2, 3.2, 7.2, 15.2)


def blocked(*, size: int = 1200, lasted: float = 30.0) -> Observation:
    """The server's flight is struck, and then all that the client sends to be answered again."""
    first = [lost(HELLO.sized(size)).after(0.1) for _ in range(3)]
    probes = [
        client.initial(crypto()).told(f"#{number} dropped: random loss").after(time)
        for number, time in enumerate(PROBES, 2)
    ]
    return attempt(*first, *probes, lasted=lasted)


def test_a_server_that_may_not_send_waits_for_its_client() -> None:
    struck = "the link struck all 3 flights with the ServerHello, and 4 datagrams that would have"
    assert luck(blocked()).startswith(struck)
    assert luck(blocked()).endswith("(chance 219 in a million)")
    assert judged(blocked()).unlucky


def test_a_server_that_may_send_does_not_wait() -> None:
    assert judged(blocked(size=300)).outcome is Outcome.FAILED
    assert judged(blocked(lasted=80.0)).outcome is Outcome.FAILED


def test_what_cannot_be_read_may_have_arrived() -> None:
    hidden = came(server.handshake(crypto())).secret().after(2.0)
    assert luck(attempt(*flights(lost(HELLO)), hidden))
    assert not luck(attempt(*flights(lost(server.handshake(crypto()))), hidden))
