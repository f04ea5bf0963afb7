"""Each fact of a conformance attempt that decides, alone and against the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from quicmatrix.runner.judge.judge import Policy, judge
from quicmatrix.runner.model.attempt import (
    AttemptRecord,
    ControlRecord,
    Ending,
    LinkRecord,
    SideRecord,
)
from quicmatrix.runner.model.verdict import Outcome, Status
from quicmatrix.runner.network.recording.lateness import LatenessSummary
from quicmatrix.runner.trace.model import (
    VERSION_1,
    Address,
    Capture,
    Datagram,
    Ecn,
    Packet,
    PacketType,
    Path,
    Side,
    Trace,
)
from quicmatrix.testcases.model import (
    Finding,
    Held,
    Inconclusive,
    Level,
    NotExercised,
    Observation,
    Requirement,
    Step,
    TestCase,
    Violation,
    requirement,
)

PATH = Path(Address("193.167.0.100", 1234), Address("193.167.100.100", 443))
DONE = SideRecord(ending=Ending.EXITED, exit_code=0)
STOPPED = SideRecord(ending=Ending.STOPPED, exit_code=0)
NOT_STARTED = SideRecord()
STEPS = (Step(0.1, "stimulus", "a frame"), Step(0.2, "done"))


def record_of(
    tester: Side, its: SideRecord | None = None, testers: SideRecord | None = None
) -> AttemptRecord:
    """Of an attempt in which nothing went wrong, but for what is said."""
    usual = (DONE, STOPPED) if tester is Side.CLIENT else (STOPPED, DONE)
    sides = dict(zip(Side, usual, strict=True))
    sides |= {tester.peer: its or sides[tester.peer], tester: testers or sides[tester]}
    return AttemptRecord(
        client_name="tester" if tester is Side.CLIENT else "a",
        server_name="a" if tester is Side.CLIENT else "tester",
        test="rfc9000/1/case",
        scenario="simple-p2p --delay=1ms",
        seed=1,
        repetition=1,
        started_at=0.0,
        duration_s=1.0,
        server_ready=True,
        client=sides[Side.CLIENT],
        server=sides[Side.SERVER],
        link=LinkRecord(),
        timeout_s=30.0,
        tester=tester,
        control=ControlRecord("control/transfer", "a_tester/control/transfer"),
    )


def packet_of(side: Side) -> Packet:
    datagram = Datagram(side, 7, 0.5, side, PATH, Ecn.NOT_ECT, 1200)
    return Packet(datagram, PacketType.HANDSHAKE, VERSION_1, b"", b"", 1200, number=3)


def trace_of(*senders: Side, damage: str = "") -> Trace:
    packets = tuple(map(packet_of, senders))
    datagrams = tuple(one.datagram for one in packets)
    left, right = (Capture(side, datagrams, packets, damage) for side in Side)
    return Trace(left, right)


TRACE = trace_of(*Side)


def checks(level: Level, *findings: Finding, doubt: str = "") -> Requirement[Observation]:
    """A requirement that finds what it is told to."""

    @requirement(level, "RFC 9000, 1")
    def named(_: Observation) -> Iterator[Finding]:
        """It is as it should be."""
        yield from findings
        if doubt:
            raise Inconclusive(doubt)

    return replace(named, name=f"{level} {doubt or len(findings)}")


SHOWN = Violation("it goes on", packet_of(Side.SERVER), answer="went on")
UNSHOWN = Violation("it is silent", side=Side.SERVER, answer="silence")
HOLDS = checks(Level.MUST, Held(packet_of(Side.SERVER), answer="exact code"))
MUST = checks(Level.MUST, SHOWN)
SHOULD = checks(Level.SHOULD, SHOWN)
TEST = checks(Level.TEST, SHOWN)
DISTURBED = checks(Level.PRECONDITION, Violation("it disturbs"))


def verdict(
    record: AttemptRecord,
    *requirements: Requirement[Observation],
    steps: tuple[Step, ...] = STEPS,
    trace: Trace = TRACE,
    strict: bool = False,
) -> tuple[Outcome, str]:
    case = TestCase("rfc9000/1/case", "", "It is.", "retry", "retry", requirements or (HOLDS,))
    found = judge(Observation(trace, record, steps), case, Policy(strict=strict))
    return found.outcome, found.reason


@pytest.fixture(params=Side, ids=[f"tester as {side}" for side in Side])
def tester(request: pytest.FixtureRequest) -> Side:
    assert isinstance(request.param, Side)
    return request.param


def test_what_holds_passes(tester: Side) -> None:
    assert verdict(record_of(tester)) == (Outcome.PASSED, "")


def test_a_tester_that_was_stopped_when_its_peer_was_gone_is_no_error() -> None:
    record = record_of(Side.SERVER, its=DONE, testers=STOPPED)
    assert verdict(record, steps=STEPS[:1]) == (Outcome.PASSED, "")


@pytest.mark.parametrize("code", [0, 1, 3])
def test_a_client_s_exit_code_never_decides(code: int) -> None:
    record = record_of(Side.SERVER, its=replace(DONE, exit_code=code), testers=STOPPED)
    assert verdict(record) == (Outcome.PASSED, "")
    assert verdict(record, MUST)[0] is Outcome.NONCONFORMANT


def test_our_fault_comes_first(tester: Side) -> None:
    record = replace(
        record_of(tester, its=replace(DONE, exit_code=127)),
        fault="no disk",
        control=ControlRecord("control/x", "f", "failed: it does not work"),
    )
    assert verdict(record, MUST) == (Outcome.ERROR, "no disk")


def test_a_check_that_raises_is_our_error(tester: Side) -> None:
    def bug(_: Observation) -> Iterator[Finding]:
        raise ZeroDivisionError
        yield

    assert verdict(record_of(tester), replace(MUST, check=bug))[0] is Outcome.ERROR


@pytest.mark.parametrize(
    ("control", "expected"),
    [
        (
            ControlRecord("control/x", "f", "failed: no PING is acknowledged"),
            (Outcome.INCONCLUSIVE, "its control control/x failed: no PING is acknowledged"),
        ),
        (
            ControlRecord("control/x", "f", "is unsupported: it exited", unsupported=True),
            (Outcome.UNSUPPORTED, "its control control/x is unsupported: it exited"),
        ),
    ],
)
def test_a_case_whose_control_did_not_pass_was_not_started(
    control: ControlRecord, expected: tuple[Outcome, str], tester: Side
) -> None:
    record = replace(record_of(tester, NOT_STARTED, NOT_STARTED), control=control)
    assert verdict(record, MUST, steps=(), trace=trace_of(damage="no file")) == expected


def test_127_means_unsupported(tester: Side) -> None:
    side = tester.peer
    record = record_of(tester, its=replace(DONE, exit_code=127))
    if side is Side.SERVER:
        record = replace(record, server_ready=False, client=NOT_STARTED)
    assert verdict(record, MUST, steps=()) == (
        Outcome.UNSUPPORTED,
        f"the {side} exited with 127: it does not support TESTCASE retry",
    )


def test_127_of_the_tester_is_our_error(tester: Side) -> None:
    record = record_of(tester, testers=replace(DONE, exit_code=127))
    assert verdict(record, MUST, steps=()) == (Outcome.ERROR, "the tester exited with 127")


def test_who_does_not_exit_with_127_when_it_should_has_failed(tester: Side) -> None:
    its = SideRecord(unknown_testcase="it exited with 0 instead of 127")
    record = replace(record_of(tester, its, NOT_STARTED), server_ready=False)
    assert verdict(record, MUST, steps=()) == (
        Outcome.FAILED,
        f"the {tester.peer}: it exited with 0 instead of 127",
    )


CRASHES = (
    (SideRecord(ending=Ending.EXITED, signal=11), "was ended by SIGSEGV"),
    (SideRecord(ending=Ending.LOG_OVERFLOW, signal=9), "flooded its log and was stopped"),
    (replace(DONE, out_of_memory=True), "used more memory than it may"),
    (replace(DONE, exceeded=("512 processes",)), "reached a limit: 512 processes"),
)


@pytest.mark.parametrize(("its", "reason"), CRASHES)
def test_an_implementation_that_crashes(its: SideRecord, reason: str, tester: Side) -> None:
    """Even if the tester failed of it."""
    record = record_of(tester, its, replace(DONE, exit_code=1))
    steps = (*STEPS[:1], Step(0.3, "failed", "the peer is gone"))
    assert verdict(record, MUST, steps=steps) == (Outcome.CRASHED, f"the {tester.peer} {reason}")


@pytest.mark.parametrize(("testers", "reason"), CRASHES)
def test_a_tester_that_crashes_is_our_error(testers: SideRecord, reason: str, tester: Side) -> None:
    assert verdict(record_of(tester, testers=testers), MUST) == (
        Outcome.ERROR,
        f"the tester {reason}",
    )


def test_a_server_that_ends_before_the_tester_crashed() -> None:
    record = record_of(Side.CLIENT, its=replace(DONE, exit_code=1))
    assert verdict(record) == (
        Outcome.CRASHED,
        "the server exited with 1 before the tester was done",
    )
    early = replace(record, server_ready=False, client=NOT_STARTED)
    assert verdict(early)[1] == "the server exited with 1 before it was ready"


def test_a_tester_as_the_server_ends_by_itself() -> None:
    assert verdict(record_of(Side.SERVER, testers=DONE)) == (Outcome.PASSED, "")


def test_a_server_that_is_never_ready_is_out_of_time() -> None:
    record = replace(record_of(Side.CLIENT, STOPPED, NOT_STARTED), server_ready=False)
    assert verdict(record, steps=()) == (
        Outcome.TIMEOUT,
        "the server answered no Version Negotiation probe",
    )


def test_a_tester_that_is_never_ready_is_our_error() -> None:
    record = replace(record_of(Side.SERVER, NOT_STARTED, STOPPED), server_ready=False)
    assert verdict(record, steps=()) == (
        Outcome.ERROR,
        "the tester answered no Version Negotiation probe",
    )


OUT_OF_TIME = SideRecord(ending=Ending.OUT_OF_TIME, signal=15)


def test_a_client_that_sends_nothing_is_out_of_time() -> None:
    record = record_of(Side.SERVER, OUT_OF_TIME, STOPPED)
    assert verdict(record, steps=(), trace=trace_of()) == (
        Outcome.TIMEOUT,
        "the client sent nothing in 30 s",
    )
    assert verdict(record, steps=(), trace=trace_of(damage="cut off"))[0] is Outcome.ERROR
    done = record_of(Side.SERVER, DONE, STOPPED)
    assert verdict(done, TEST, trace=trace_of())[0] is Outcome.FAILED


def test_a_tester_out_of_time_is_our_error() -> None:
    for record in (
        record_of(Side.CLIENT, testers=OUT_OF_TIME),
        record_of(Side.SERVER, OUT_OF_TIME, STOPPED),
    ):
        assert verdict(record, MUST, steps=STEPS[:1]) == (
            Outcome.ERROR,
            "the tester was not done after 30 s; its last step: stimulus a frame",
        )


@pytest.mark.parametrize(
    ("testers", "steps", "reason"),
    [
        (
            replace(DONE, exit_code=1),
            (STEPS[0], Step(0.3, "failed", "KeyError: 7")),
            "the tester failed: KeyError: 7",
        ),
        (
            STOPPED,
            (Step(0.3, "failed", "line 2 is damaged"),),
            "the tester failed: line 2 is damaged",
        ),
        (
            replace(DONE, exit_code=1),
            STEPS[:1],
            "the tester exited with 1; its last step: stimulus a frame",
        ),
        (
            SideRecord(ending=Ending.KILLED, signal=9),
            STEPS,
            "the tester did not end when it was stopped; its last step: done",
        ),
        (DONE, STEPS[:1], "the tester's log has no end; its last step: stimulus a frame"),
        (DONE, (), "the tester's log has no end"),
    ],
)
def test_a_tester_that_fails_is_our_error(
    testers: SideRecord, steps: tuple[Step, ...], reason: str, tester: Side
) -> None:
    assert verdict(record_of(tester, testers=testers), MUST, steps=steps) == (
        Outcome.ERROR,
        reason,
    )


def test_the_level_of_what_was_violated_decides(tester: Side) -> None:
    record = record_of(tester)
    assert verdict(record, MUST) == (Outcome.NONCONFORMANT, "the server: it goes on")
    assert verdict(record, SHOULD) == (Outcome.PASSED, "")
    assert verdict(record, SHOULD, strict=True)[0] is Outcome.NONCONFORMANT
    assert verdict(record, checks(Level.MAY, SHOWN), strict=True)[0] is Outcome.PASSED
    assert verdict(record, TEST) == (Outcome.FAILED, "the server: it goes on")
    assert verdict(record, TEST, MUST)[0] is Outcome.FAILED
    assert verdict(record, MUST, TEST, DISTURBED) == (Outcome.INCONCLUSIVE, "it disturbs")


def test_what_cannot_be_told_is_inconclusive(tester: Side) -> None:
    record = record_of(tester)
    for level in (Level.MUST, Level.TEST):
        assert verdict(record, HOLDS, checks(level, doubt="no keys")) == (
            Outcome.INCONCLUSIVE,
            f"{level} no keys: no keys",
        )
    # A SHOULD decides where it is the case's own, which is the first.
    doubtful = checks(Level.SHOULD, doubt="no keys")
    assert verdict(record, HOLDS, doubtful)[0] is Outcome.PASSED
    assert verdict(record, HOLDS, doubtful, strict=True)[0] is Outcome.INCONCLUSIVE
    assert verdict(record, doubtful) == (Outcome.INCONCLUSIVE, "SHOULD no keys: no keys")
    assert verdict(record, doubtful, MUST)[0] is Outcome.NONCONFORMANT


def test_a_case_that_was_not_exercised_says_so(tester: Side) -> None:
    record = record_of(tester)
    idle = checks(Level.MUST, NotExercised("there was no Retry"))
    assert verdict(record, idle) == (Outcome.INCONCLUSIVE, "MUST 1: there was no Retry")
    assert verdict(record, checks(Level.MAY)) == (
        Outcome.INCONCLUSIVE,
        "MAY 0: there was nothing to which it applies",
    )
    assert verdict(record, HOLDS, idle) == (Outcome.PASSED, "")


def test_a_damaged_capture_is_inconclusive(tester: Side) -> None:
    record = record_of(tester)
    damaged = trace_of(*Side, damage="cut off")
    assert verdict(record, trace=damaged)[0] is Outcome.INCONCLUSIVE
    assert verdict(record, TEST, trace=damaged)[0] is Outcome.FAILED
    incomplete = replace(record, link=LinkRecord(incomplete="over 512 MiB"))
    assert verdict(incomplete)[0] is Outcome.INCONCLUSIVE

    def leaning(seen: Observation) -> Iterator[Finding]:
        if seen.trace.right.damage:
            raise Inconclusive("the capture has a gap")
        yield SHOWN

    assert verdict(record, replace(TEST, check=leaning))[0] is Outcome.FAILED
    assert verdict(incomplete, replace(TEST, check=leaning))[0] is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    "link",
    [
        LinkRecord(kernel_drops=37),
        LinkRecord(lateness_ms=LatenessSummary(900, 1.0, 0.1, 20.0, 1500.0)),
    ],
)
def test_what_the_machine_did_to_the_link_is_no_violation(link: LinkRecord, tester: Side) -> None:
    record = replace(record_of(tester), link=link)
    for unshown in (checks(Level.MUST, UNSHOWN), TEST):
        outcome, reason = verdict(record, unshown)
        assert outcome is Outcome.INCONCLUSIVE
        assert "but the " in reason
    assert verdict(record, MUST)[0] is Outcome.NONCONFORMANT
    exited = replace(record_of(Side.CLIENT, its=DONE), link=link)
    assert verdict(exited)[0] is Outcome.PASSED


def test_how_an_implementation_answered_stands_in_the_result() -> None:
    case = TestCase("case", "", "It is.", "x", "x", (HOLDS, MUST, checks(Level.MUST)))
    held, violated, idle = judge(
        Observation(TRACE, record_of(Side.CLIENT), STEPS), case
    ).requirements
    assert (held.status, held.answer) == (Status.HELD, "exact code")
    assert (violated.status, violated.answer) == (Status.VIOLATED, "went on")
    assert idle.answer == ""
