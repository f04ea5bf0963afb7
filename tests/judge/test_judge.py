"""Each fact of an attempt that decides, alone and against the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from quicmatrix.runner.judge.evaluate import MOST_VIOLATIONS
from quicmatrix.runner.judge.judge import Policy, judge
from quicmatrix.runner.model.attempt import (
    AttemptRecord,
    Ending,
    EntryKind,
    FileRecord,
    LinkRecord,
    SideRecord,
)
from quicmatrix.runner.model.verdict import Outcome, Status
from quicmatrix.runner.network.recording.lateness import LatenessSummary
from quicmatrix.runner.trace.model import (
    VERSION_2,
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
    DEFAULT_SCENARIO,
    Finding,
    Held,
    Inconclusive,
    Level,
    Observation,
    Requirement,
    TestCase,
    Violation,
    requirement,
)
from quicmatrix.testcases.shared.contract import ENDPOINT_CONTRACT
from quicmatrix.testcases.views.view import exists, sent

FILE = FileRecord("a", EntryKind.FILE, 3, "00" * 32)
RECORD = AttemptRecord(
    client_name="c",
    server_name="s",
    test="case",
    scenario="simple-p2p",
    seed=1,
    repetition=1,
    started_at=0.0,
    duration_s=1.0,
    server_ready=True,
    client=SideRecord(ending=Ending.EXITED, exit_code=0),
    server=SideRecord(ending=Ending.STOPPED, exit_code=0),
    link=LinkRecord(),
    www=(FILE,),
    downloads=(FILE,),
)
PATH = Path(Address("193.167.0.100", 1234), Address("193.167.100.100", 443))
PACKET = Packet(
    Datagram(Side.SERVER, 7, 0.5, Side.SERVER, PATH, Ecn.NOT_ECT, 1200),
    PacketType.HANDSHAKE,
    VERSION_2,
    b"",
    b"",
    1200,
    number=3,
)
TRACE = Trace(Capture(Side.CLIENT), Capture(Side.SERVER, (), (PACKET,)))
SEEN = Observation(TRACE, RECORD)


@requirement(Level.MUST, "RFC 9000, 1")
def holds(seen: Observation) -> Iterator[Finding]:
    """It holds."""
    yield Held(*seen.trace.right.packets)


@requirement(Level.MUST, "RFC 9000, 1")
def unexercised(seen: Observation) -> Iterator[Finding]:
    """It applies to something."""
    yield from ()


@requirement(Level.TEST, "interop suite")
def not_tried(seen: Observation) -> Iterator[Finding]:
    """It is tried."""
    yield from ()


@requirement(Level.TEST, "interop suite")
def unknown(seen: Observation) -> Iterator[Finding]:
    """It is known."""
    raise Inconclusive("no keys")
    yield


@requirement(Level.MUST, "RFC 9000, 2")
def broken(seen: Observation) -> Iterator[Finding]:
    """It is whole."""
    yield Violation("it is broken", seen.trace.right.packets[0])


@requirement(Level.SHOULD, "RFC 9000, 3")
def impolite(seen: Observation) -> Iterator[Finding]:
    """It is polite."""
    yield Violation("it is impolite", side=Side.CLIENT)


@requirement(Level.TEST, "interop suite", compat=True)
def compatible(seen: Observation) -> Iterator[Finding]:
    """It is compatible."""
    yield Violation("it is not compatible")


@requirement(Level.MUST, "RFC 9000, 4")
def undetermined(seen: Observation) -> Iterator[Finding]:
    """It can be determined."""
    raise Inconclusive("no keys")
    yield


@requirement(Level.MUST, "RFC 9000, 4")
def doubtful(seen: Observation) -> Iterator[Finding]:
    """It can be determined from here on."""
    yield Violation("it is broken", seen.trace.right.packets[0])
    raise Inconclusive("no keys")


@requirement(Level.MUST, "RFC 9000, 4")
def endless(seen: Observation) -> Iterator[Finding]:
    """It ends."""
    while True:
        yield Violation("again", seen.trace.right.packets[0])


@requirement(Level.TEST, "interop suite")
def gives_up(seen: Observation) -> Iterator[Finding]:
    """No side gives up."""
    yield Violation("it gives up", seen.trace.right.packets[0])


@requirement(Level.PRECONDITION, "RFC 9000, 9")
def undisturbed(_: Observation) -> Iterator[Finding]:
    """The network does not disturb."""
    yield Violation("it disturbs")


@requirement(Level.MUST, "RFC 9000, 5")
def buggy(seen: Observation) -> Iterator[Finding]:
    """It does not divide by zero."""
    yield Violation(str(1 / 0))


def case(*requirements: Requirement[Observation]) -> TestCase:
    return TestCase("case", "X", "It works.", "case", "case", requirements, timeout_s=60)


def with_side(side: Side, its: SideRecord, record: AttemptRecord = RECORD) -> AttemptRecord:
    return replace(record, client=its) if side is Side.CLIENT else replace(record, server=its)


def outcome(
    record: AttemptRecord, *requirements: Requirement[Observation], trace: Trace = TRACE
) -> Outcome:
    return judge(Observation(trace, record), case(*requirements)).outcome


def test_nothing_to_object_to_passes() -> None:
    verdict = judge(SEEN, case(holds))
    assert (verdict.outcome, verdict.reason) == (Outcome.PASSED, "")
    (result,) = verdict.requirements
    assert (result.status, result.times_held) == (Status.HELD, 1)
    assert [one.frame_number for one in result.evidence] == [7]


def test_the_negotiated_version_is_that_of_the_servers_handshake_packets() -> None:
    assert judge(SEEN, case()).version == VERSION_2
    assert judge(Observation(Trace(TRACE.left, TRACE.left), RECORD), case()).version is None


def test_a_violation_carries_requirement_side_and_packet() -> None:
    verdict = judge(SEEN, case(holds, broken))
    assert verdict.outcome is Outcome.NONCONFORMANT
    assert verdict.reason == "the server: it is broken"
    (result,) = verdict.violated
    assert (result.requirement, result.citation) == ("broken", "RFC 9000, 2")
    assert result.text == "It is whole."
    (violation,) = result.violations
    (evidence,) = violation.evidence
    assert (evidence.capture, evidence.frame_number, evidence.packet_number) == (Side.SERVER, 7, 3)


def test_a_reason_names_a_side_once() -> None:
    @requirement(Level.TEST, "interop suite")
    def sends_a_retry(_: Observation) -> Iterator[Finding]:
        """The server sends a Retry."""
        yield Violation("the server sends no Retry packet", side=Side.SERVER)

    assert judge(SEEN, case(sends_a_retry)).reason == "the server sends no Retry packet"


def test_the_level_of_what_was_violated_decides() -> None:
    assert outcome(RECORD, compatible, broken) is Outcome.FAILED
    assert outcome(RECORD, replace(broken, level=Level.TEST)) is Outcome.FAILED
    assert outcome(RECORD, replace(broken, compat=True)) is Outcome.FAILED
    assert outcome(RECORD, broken) is Outcome.NONCONFORMANT
    assert outcome(RECORD, impolite) is Outcome.PASSED


def test_should_is_a_note_and_nonconformant_when_strict() -> None:
    lenient = judge(SEEN, case(impolite))
    assert lenient.outcome is Outcome.PASSED
    assert [one.requirement for one in lenient.violated] == ["impolite"]
    assert judge(SEEN, case(impolite), Policy(strict=True)).outcome is Outcome.NONCONFORMANT


def test_compat_judges_by_the_compatible_set_alone() -> None:
    assert judge(SEEN, case(broken), Policy(compat=True)).outcome is Outcome.PASSED
    assert judge(SEEN, case(broken, compatible), Policy(compat=True)).outcome is Outcome.FAILED


def test_what_cannot_be_determined_is_inconclusive_and_never_passed() -> None:
    verdict = judge(SEEN, case(undetermined))
    assert (verdict.outcome, verdict.reason) == (Outcome.INCONCLUSIVE, "undetermined: no keys")
    assert [one.status for one in verdict.requirements] == [Status.UNDETERMINED]


def test_the_first_violation_is_the_reason_and_a_must_before_it_its_cause() -> None:
    for order, reason in (
        ((compatible, gives_up), "it is not compatible (and 1 more requirement)"),
        ((gives_up, compatible), "the server: it gives up (and 1 more requirement)"),
        ((broken, gives_up), "the server: it is broken (and 1 more requirement)"),
        ((gives_up, broken), "the server: it gives up"),
        ((holds, impolite, gives_up), "the server: it gives up"),
    ):
        verdict = judge(SEEN, case(*order))
        assert (verdict.outcome, verdict.reason) == (Outcome.FAILED, reason)


def test_what_the_network_broke_is_nobodys_fault() -> None:
    verdict = judge(SEEN, case(gives_up, undisturbed))
    assert (verdict.outcome, verdict.reason) == (Outcome.INCONCLUSIVE, "it disturbs")
    late = replace(RECORD, client=SideRecord(ending=Ending.OUT_OF_TIME, signal=15))
    assert outcome(late, undisturbed) is Outcome.INCONCLUSIVE
    kept = replace(undisturbed, check=holds.check)
    assert outcome(RECORD, kept) is Outcome.PASSED
    assert outcome(RECORD, kept, gives_up) is Outcome.FAILED
    hidden = replace(undisturbed, check=unknown.check)
    assert outcome(RECORD, hidden) is Outcome.PASSED


def test_a_timeout_says_what_it_waited_for() -> None:
    record = replace(RECORD, client=SideRecord(ending=Ending.OUT_OF_TIME, signal=15))
    verdict = judge(Observation(TRACE, record), case(broken, gives_up))
    assert (verdict.outcome, verdict.reason) == (
        Outcome.TIMEOUT,
        "the client was not done after 60 s; the server: it is broken (and 1 more requirement)",
    )


def test_nobody_is_nonconformant_who_may_not_work_at_all() -> None:
    assert outcome(RECORD, unknown, broken) is Outcome.INCONCLUSIVE
    assert outcome(RECORD, undetermined, broken) is Outcome.NONCONFORMANT
    assert outcome(RECORD, unknown, compatible) is Outcome.FAILED


def test_a_test_that_was_not_exercised_has_not_passed() -> None:
    verdict = judge(SEEN, case(not_tried))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason == "not_tried: there was nothing to which it applies"
    passed = judge(SEEN, case(unexercised))
    assert passed.outcome is Outcome.PASSED
    assert [one.status for one in passed.requirements] == [Status.NOT_EXERCISED]


def test_what_was_found_before_a_doubt_stays_found() -> None:
    assert judge(SEEN, case(doubtful)).outcome is Outcome.NONCONFORMANT


def test_violations_without_end_are_cut_off() -> None:
    (result,) = judge(SEEN, case(endless)).requirements
    assert len(result.violations) == MOST_VIOLATIONS


def test_what_is_compatible_decides_at_any_level_under_compat() -> None:
    relaxed = replace(compatible, level=Level.SHOULD)
    assert judge(SEEN, case(relaxed)).outcome is Outcome.PASSED
    assert judge(SEEN, case(relaxed), Policy(compat=True)).outcome is Outcome.FAILED


@pytest.mark.parametrize("side", Side)
def test_a_damaged_capture_is_inconclusive(side: Side) -> None:
    captures = {one: Capture(one, damage="cut off" if one is side else "") for one in Side}
    trace = Trace(captures[Side.CLIENT], captures[Side.SERVER])
    assert outcome(RECORD, holds, trace=trace) is Outcome.INCONCLUSIVE


def test_a_capture_that_reached_its_limit_is_inconclusive() -> None:
    record = replace(RECORD, link=LinkRecord(incomplete="over 512 MiB"))
    assert outcome(record, holds) is Outcome.INCONCLUSIVE


LOST = LinkRecord(kernel_drops=37, incomplete="the kernel lost 37 frames")
LATE = LinkRecord(lateness_ms=LatenessSummary(900, 1.0, 0.1, 20.0, 1500.0))
PUNCTUAL = LinkRecord(lateness_ms=LatenessSummary(900, 0.1, 0.1, 1.0, 29.0))
EXITED_1 = SideRecord(ending=Ending.EXITED, exit_code=1)
OUT_OF_TIME = SideRecord(ending=Ending.OUT_OF_TIME, signal=15)
WITHOUT_PACKET = replace(compatible, name="without_packet")
SUBJECT = replace(broken, name="subject", level=Level.TEST)


@requirement(Level.TEST, "interop suite")
def exists_nowhere(seen: Observation) -> Iterator[Finding]:
    """The client sends something."""
    yield from exists((), Violation("it sends nothing"), sent(seen.trace, Side.CLIENT))


@pytest.mark.parametrize(
    ("link", "why"),
    [
        (LOST, "the kernel lost 37 frames"),
        (LATE, "the middlebox delivered up to 1500 ms late, which is over 30 ms"),
    ],
)
def test_a_link_that_was_not_the_scenario_s_fails_nobody(link: LinkRecord, why: str) -> None:
    record = replace(RECORD, link=link, scenario=DEFAULT_SCENARIO)
    for one in (WITHOUT_PACKET, SUBJECT):
        for policy in (Policy(), Policy(compat=True)):
            verdict = judge(Observation(TRACE, record), case(replace(one, compat=True)), policy)
            assert verdict.outcome is Outcome.INCONCLUSIVE
            assert why in verdict.reason
            (result,) = verdict.requirements
            assert (result.status, result.violations) == (Status.UNDETERMINED, ())
            assert result.reason.endswith(f", but {why}")
    for changes in (
        {"client": OUT_OF_TIME},
        {"server_ready": False, "client": SideRecord()},
        {"server": EXITED_1},
    ):
        changed = replace(record, **changes)
        verdict = judge(Observation(TRACE, changed), case(*ENDPOINT_CONTRACT))
        assert verdict.outcome is Outcome.INCONCLUSIVE
        assert why in verdict.reason
    bare = judge(Observation(TRACE, replace(record, client=OUT_OF_TIME)), case(holds))
    assert bare.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("link", [LOST, LATE])
def test_what_does_not_lean_on_the_link_stays(link: LinkRecord) -> None:
    record = replace(RECORD, link=link)
    assert outcome(record, replace(broken, compat=True)) is Outcome.FAILED
    crashed = with_side(Side.CLIENT, SideRecord(ending=Ending.EXITED, signal=11), record)
    assert outcome(crashed, WITHOUT_PACKET) is Outcome.CRASHED
    late = replace(RECORD, link=LATE)
    assert outcome(late, broken) is Outcome.NONCONFORMANT
    assert outcome(late, holds) is Outcome.PASSED


def test_a_round_trip_late_is_punctual_enough() -> None:
    record = replace(RECORD, link=PUNCTUAL, scenario=DEFAULT_SCENARIO)
    assert outcome(record, WITHOUT_PACKET) is Outcome.FAILED
    assert outcome(replace(record, client=OUT_OF_TIME)) is Outcome.TIMEOUT
    short = replace(record, scenario=DEFAULT_SCENARIO.replace("15ms", "1ms"))
    assert outcome(short, WITHOUT_PACKET) is Outcome.INCONCLUSIVE


def test_what_the_captures_miss_reaches_every_view() -> None:
    datagram = replace(PACKET.datagram, capture=Side.CLIENT)
    left = Capture(Side.CLIENT, (datagram,), (replace(PACKET, datagram=datagram),))
    trace = Trace(left, TRACE.right)
    record = replace(RECORD, link=LinkRecord(incomplete="left capture: limit reached"))
    assert outcome(RECORD, exists_nowhere, trace=trace) is Outcome.FAILED
    verdict = judge(Observation(trace, record), case(exists_nowhere))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "limit reached" in verdict.requirements[0].reason


def test_a_check_that_raises_is_our_error() -> None:
    verdict = judge(SEEN, case(broken, buggy))
    assert verdict.outcome is Outcome.ERROR
    assert "buggy" in verdict.reason
    assert "ZeroDivisionError" in verdict.reason


def test_a_fault_of_ours_is_an_error_whatever_else_happened() -> None:
    record = replace(RECORD, fault="no disk", client=SideRecord(ending=Ending.EXITED, exit_code=1))
    assert outcome(record, broken) is Outcome.ERROR


@pytest.mark.parametrize("side", Side)
def test_127_is_unsupported(side: Side) -> None:
    quits = SideRecord(ending=Ending.EXITED, exit_code=127)
    record = with_side(side, quits, replace(RECORD, downloads=(), server_ready=False))
    verdict = judge(Observation(TRACE, record), case(broken))
    assert verdict.outcome is Outcome.UNSUPPORTED
    assert f"the {side} exited with 127" in verdict.reason
    assert verdict.requirements == ()


@pytest.mark.parametrize(
    ("side", "its", "reason"),
    [
        (
            Side.CLIENT,
            SideRecord(ending=Ending.EXITED, signal=11),
            "the client was ended by SIGSEGV",
        ),
        (
            Side.SERVER,
            SideRecord(ending=Ending.STOPPED, signal=6),
            "the server was ended by SIGABRT",
        ),
        (Side.SERVER, SideRecord(ending=Ending.EXITED, exit_code=3), "the server exited with 3"),
        (Side.CLIENT, SideRecord(ending=Ending.LOG_OVERFLOW, signal=9), "flooded its log"),
        (
            Side.SERVER,
            SideRecord(ending=Ending.STOPPED, signal=9, out_of_memory=True),
            "the server used more memory than it may",
        ),
        (
            Side.CLIENT,
            SideRecord(ending=Ending.EXITED, exit_code=0, exceeded=("256 MiB in /tmp", "9 things")),
            "the client reached a limit: 256 MiB in /tmp, 9 things",
        ),
    ],
)
def test_crashes(side: Side, its: SideRecord, reason: str) -> None:
    verdict = judge(Observation(TRACE, with_side(side, its)), case(holds))
    assert verdict.outcome is Outcome.CRASHED
    assert reason in verdict.reason


@pytest.mark.parametrize("signal", [15, 9])
def test_a_server_that_ends_by_our_signal_has_not_crashed(signal: int) -> None:
    record = replace(RECORD, server=SideRecord(ending=Ending.STOPPED, signal=signal))
    assert outcome(record, holds) is Outcome.PASSED


def test_a_client_out_of_time_is_a_timeout() -> None:
    record = replace(RECORD, client=SideRecord(ending=Ending.OUT_OF_TIME, signal=15))
    verdict = judge(Observation(TRACE, record), case(broken))
    assert (verdict.outcome, verdict.reason) == (
        Outcome.TIMEOUT,
        "the client was not done after 60 s",
    )


def test_a_server_that_is_never_ready_is_a_timeout() -> None:
    record = replace(RECORD, server_ready=False, client=SideRecord(), downloads=())
    verdict = judge(Observation(TRACE, record), case())
    assert verdict.outcome is Outcome.TIMEOUT
    assert "Version Negotiation" in verdict.reason


def test_an_attempt_that_was_not_made_violates_only_what_says_why() -> None:
    @requirement(Level.TEST, "interop suite")
    def knows_127(seen: Observation) -> Iterator[Finding]:
        """It exits with 127."""
        yield Violation(seen.record.client.unknown_testcase, side=Side.CLIENT)

    record = replace(RECORD, client=SideRecord(unknown_testcase="it exited with 0"))
    verdict = judge(Observation(TRACE, record), case(knows_127, holds, broken))
    assert (verdict.outcome, verdict.reason) == (Outcome.FAILED, "the client: it exited with 0")
    assert [one.status for one in verdict.requirements] == [
        Status.VIOLATED,
        Status.NOT_EXERCISED,
        Status.NOT_EXERCISED,
    ]
