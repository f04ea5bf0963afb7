"""Each fact of an attempt that decides, alone and against the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path as FolderPath

import pytest

from quicmatrix.runner.judge.judge import MOST_VIOLATIONS, judge, judge_and_measure
from quicmatrix.runner.model.attempt import (
    AttemptRecord,
    Ending,
    EntryKind,
    FileRecord,
    LinkRecord,
    SideRecord,
)
from quicmatrix.runner.model.measurement import Sample
from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.results.store import read_series
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
    Figure,
    Inconclusive,
    Level,
    Requirement,
    TestCase,
    Violation,
    requirement,
)
from tests.support.transfers import transfer

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


@requirement(Level.MUST, "RFC 9000, 1")
def holds(trace: Trace) -> Iterator[Violation]:
    """It holds."""
    yield from ()


@requirement(Level.MUST, "RFC 9000, 2")
def broken(trace: Trace) -> Iterator[Violation]:
    """It is whole."""
    yield Violation("it is broken", trace.right.packets[0])


@requirement(Level.SHOULD, "RFC 9000, 3")
def impolite(trace: Trace) -> Iterator[Violation]:
    """It is polite."""
    yield Violation("it is impolite", side=Side.CLIENT)


@requirement(Level.TEST, "interop suite", compat=True)
def compatible(trace: Trace) -> Iterator[Violation]:
    """It is compatible."""
    yield Violation("it is not compatible")


@requirement(Level.MUST, "RFC 9000, 4")
def untold(trace: Trace) -> Iterator[Violation]:
    """It can be told."""
    raise Inconclusive("no keys")
    yield


@requirement(Level.MUST, "RFC 9000, 4")
def doubtful(trace: Trace) -> Iterator[Violation]:
    """It can be told from here on."""
    yield Violation("it is broken", trace.right.packets[0])
    raise Inconclusive("no keys")


@requirement(Level.MUST, "RFC 9000, 4")
def endless(trace: Trace) -> Iterator[Violation]:
    """It ends."""
    while True:
        yield Violation("again", trace.right.packets[0])


@requirement(Level.MUST, "RFC 9000, 5")
def buggy(trace: Trace) -> Iterator[Violation]:
    """It does not divide by zero."""
    yield Violation(str(1 / 0))


def case(*requirements: Requirement) -> TestCase:
    return TestCase("case", "X", "It works.", "case", "case", requirements, timeout_s=60)


def with_side(side: Side, its: SideRecord, record: AttemptRecord = RECORD) -> AttemptRecord:
    return replace(record, client=its) if side is Side.CLIENT else replace(record, server=its)


def outcome(record: AttemptRecord, *requirements: Requirement, trace: Trace = TRACE) -> Outcome:
    return judge(record, trace, case(*requirements)).outcome


def test_nothing_to_object_to_passes() -> None:
    verdict = judge(RECORD, TRACE, case(holds))
    assert (verdict.outcome, verdict.reason, verdict.violations) == (Outcome.PASSED, "", ())


def test_the_negotiated_version_is_that_of_the_servers_handshake_packets() -> None:
    assert judge(RECORD, TRACE, case()).version == VERSION_2
    assert judge(RECORD, Trace(TRACE.left, TRACE.left), case()).version is None


def test_a_violation_carries_requirement_side_and_packet() -> None:
    verdict = judge(RECORD, TRACE, case(holds, broken))
    assert verdict.outcome is Outcome.FAILED
    assert verdict.reason == "the server: it is broken"
    (violation,) = verdict.violations
    assert (violation.requirement, violation.citation) == ("broken", "RFC 9000, 2")
    assert violation.text == "It is whole."
    (evidence,) = violation.evidence
    assert (evidence.capture, evidence.frame_number, evidence.packet_number) == (Side.SERVER, 7, 3)


def test_should_is_shown_and_decides_only_when_strict() -> None:
    lenient = judge(RECORD, TRACE, case(impolite))
    assert lenient.outcome is Outcome.PASSED
    assert [violation.message for violation in lenient.violations] == ["it is impolite"]
    assert judge(RECORD, TRACE, case(impolite), strict=True).outcome is Outcome.FAILED


def test_compat_judges_by_the_compatible_set_alone() -> None:
    assert judge(RECORD, TRACE, case(broken), compat=True).outcome is Outcome.PASSED
    assert judge(RECORD, TRACE, case(broken, compatible), compat=True).outcome is Outcome.FAILED


def test_what_cannot_be_told_is_inconclusive_and_never_passed() -> None:
    verdict = judge(RECORD, TRACE, case(untold))
    assert (verdict.outcome, verdict.reason) == (Outcome.INCONCLUSIVE, "untold: no keys")
    assert outcome(RECORD, untold, broken) is Outcome.FAILED


def test_what_was_found_before_a_doubt_stays_found() -> None:
    assert judge(RECORD, TRACE, case(doubtful)).outcome is Outcome.FAILED


def test_violations_without_end_are_cut_off() -> None:
    assert len(judge(RECORD, TRACE, case(endless)).violations) == MOST_VIOLATIONS


def test_what_is_compatible_decides_at_any_level_under_compat() -> None:
    relaxed = replace(compatible, level=Level.SHOULD)
    assert judge(RECORD, TRACE, case(relaxed)).outcome is Outcome.PASSED
    assert judge(RECORD, TRACE, case(relaxed), compat=True).outcome is Outcome.FAILED


@pytest.mark.parametrize("side", Side)
def test_a_damaged_capture_is_inconclusive(side: Side) -> None:
    captures = {one: Capture(one, damage="cut off" if one is side else "") for one in Side}
    trace = Trace(captures[Side.CLIENT], captures[Side.SERVER])
    assert outcome(RECORD, holds, trace=trace) is Outcome.INCONCLUSIVE


def test_a_capture_that_reached_its_limit_is_inconclusive() -> None:
    record = replace(RECORD, link=LinkRecord(incomplete="over 512 MiB"))
    assert outcome(record, holds) is Outcome.INCONCLUSIVE


def test_a_check_that_raises_is_our_error() -> None:
    verdict = judge(RECORD, TRACE, case(broken, buggy))
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
    verdict = judge(record, TRACE, case(broken))
    assert verdict.outcome is Outcome.UNSUPPORTED
    assert f"the {side} exited with 127" in verdict.reason
    assert verdict.violations == ()


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
    ],
)
def test_crashes(side: Side, its: SideRecord, reason: str) -> None:
    verdict = judge(with_side(side, its), TRACE, case(holds))
    assert verdict.outcome is Outcome.CRASHED
    assert reason in verdict.reason


@pytest.mark.parametrize("signal", [15, 9])
def test_a_server_that_ends_by_our_signal_has_not_crashed(signal: int) -> None:
    record = replace(RECORD, server=SideRecord(ending=Ending.STOPPED, signal=signal))
    assert outcome(record, holds) is Outcome.PASSED


def test_a_server_that_had_to_be_killed_is_shown() -> None:
    record = replace(RECORD, server=SideRecord(ending=Ending.KILLED, signal=9))
    (violation,) = judge(record, TRACE, case(holds)).violations
    assert (violation.requirement, violation.level) == ("server_stops_on_sigterm", Level.SHOULD)
    assert judge(record, TRACE, case(holds), compat=True).violations == ()


def test_a_client_out_of_time_is_a_timeout() -> None:
    record = replace(RECORD, client=SideRecord(ending=Ending.OUT_OF_TIME, signal=15))
    verdict = judge(record, TRACE, case(broken))
    assert (verdict.outcome, verdict.reason) == (
        Outcome.TIMEOUT,
        "the client was not done after 60 s",
    )


def test_a_server_that_is_never_ready_is_a_timeout() -> None:
    record = replace(RECORD, server_ready=False, client=SideRecord(), downloads=())
    verdict = judge(record, TRACE, case())
    assert verdict.outcome is Outcome.TIMEOUT
    assert "Version Negotiation" in verdict.reason


def test_a_client_that_exits_with_another_code_has_failed() -> None:
    record = replace(RECORD, client=SideRecord(ending=Ending.EXITED, exit_code=1))
    assert judge(record, TRACE, case(holds)).reason == "the client: it exited with 1"


@pytest.mark.parametrize(
    ("downloads", "message"),
    [
        ((), "1 of 1 files are missing: a"),
        ((FILE, replace(FILE, name="b")), "1 that nobody asked for: b"),
        ((replace(FILE, size=2),), "a has 2 bytes instead of 3"),
        ((replace(FILE, sha256="11" * 32),), "a has the right size but other bytes"),
        ((replace(FILE, kind=EntryKind.LINK),), "a is no file, but: link"),
    ],
)
def test_files_that_differ_fail(downloads: tuple[FileRecord, ...], message: str) -> None:
    verdict = judge(replace(RECORD, downloads=downloads), TRACE, case(holds))
    assert verdict.outcome is Outcome.FAILED
    assert [violation.message for violation in verdict.violations] == [message]


def test_an_overfull_downloads_folder_fails() -> None:
    record = replace(RECORD, downloads_complete=False)
    assert "more than can be looked at" in judge(record, TRACE, case(holds)).reason


# --- Measuring ---------------------------------------------------------------------------------


def measured(
    folder: FolderPath, figure: Figure, record: AttemptRecord = RECORD
) -> tuple[Outcome, str, Sample | None]:
    case = TestCase("case", "G", "It is fast.", "c", "s", (), figure=figure)
    verdict, sample = judge_and_measure(folder, record, transfer(11, 0.01), case)
    return verdict.outcome, verdict.reason, sample


def test_what_passed_is_measured_and_its_course_stored_once(tmp_path: FolderPath) -> None:
    assert measured(tmp_path, lambda _: 9000.0) == (Outcome.PASSED, "", Sample(9000.0))
    series = read_series(tmp_path)
    assert series is not None
    assert sum(series.quic_bytes) == 11_000
    (tmp_path / "series.json").write_text("kept as it is")
    measured(tmp_path, lambda _: 9000.0)
    assert (tmp_path / "series.json").read_text() == "kept as it is"


def test_what_did_not_pass_makes_no_sample(tmp_path: FolderPath) -> None:
    outcome, _, sample = measured(tmp_path, lambda _: 9000.0, replace(RECORD, downloads=()))
    assert (outcome, sample) == (Outcome.FAILED, None)
    assert list(tmp_path.iterdir()) == []


def test_a_figure_that_cannot_be_told_is_inconclusive(tmp_path: FolderPath) -> None:
    def figure(_: Trace) -> float:
        raise Inconclusive("too short")

    assert measured(tmp_path, figure) == (Outcome.INCONCLUSIVE, "too short", None)


def test_a_bug_in_a_figure_is_our_fault(tmp_path: FolderPath) -> None:
    outcome, reason, sample = measured(tmp_path, lambda _: 1 / 0)
    assert (outcome, sample) == (Outcome.ERROR, None)
    assert reason.startswith("the figure case raised ZeroDivisionError")
