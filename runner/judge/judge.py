"""From what an attempt stored to its verdict: a pure function, and the reading that feeds it.

The order in which facts decide, the first that applies:

=============  ===================================================================================
error          the runner or the machine failed, or a check raised something unforeseen
unsupported    an endpoint exited with 127
crashed        an endpoint was ended by a signal of its own making, wrote more than its log may
               hold, used more memory than it may, or was a server that ended too early
timeout        the client was not done in time, or the server was not ready in time
failed         the client exited with anything but 0, files differ, or a requirement that decides
               was violated
inconclusive   none of that, but a capture is damaged or a requirement that decides cannot be told
passed         none of that
=============  ===================================================================================

Requirements are checked, and their violations shown, whenever there was traffic to check.
"""

from __future__ import annotations

import asyncio
import signal
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.judge.measure import measure
from quicmatrix.runner.model.attempt import AttemptRecord, Ending, FileRecord, SideRecord
from quicmatrix.runner.model.measurement import Sample
from quicmatrix.runner.model.verdict import Outcome, ReportedViolation, Verdict
from quicmatrix.runner.network.recording.link_log import DamagedLinkLog, LinkLog, read_link_log
from quicmatrix.runner.network.recording.recorder import LINK_LOG
from quicmatrix.runner.results.store import SERIES_FILE, read_attempt, write_series
from quicmatrix.runner.trace.model import Capture, PacketType, Side, Trace
from quicmatrix.testcases.model import Inconclusive, Level, Requirement, TestCase, Violation

LEFT_CAPTURE = Path("sim/trace_node_left.pcap")
RIGHT_CAPTURE = Path("sim/trace_node_right.pcap")
MOST_VIOLATIONS = 100
"""How many of one requirement are kept: an endpoint that runs wild may commit millions."""


def judge(
    record: AttemptRecord,
    trace: Trace,
    test: TestCase,
    *,
    compat: bool = False,
    strict: bool = False,
) -> Verdict:
    """The verdict on one attempt.

    Args:
        record: What was stored beside the captures.
        trace: Both captures, decoded.
        test: The case that was run.
        compat: Judge by what quic-interop-runner checks alone.
        strict: Let SHOULD decide too.
    """
    findings = _check(trace, test.requirements, compat=compat)
    violations = (*_contract_violations(record, compat=compat), *findings.violations)
    # Whatever quic-interop-runner checks decides there, so its set does here, at any level.
    decisive = set(Level) if compat or strict else {Level.MUST, Level.TEST}
    reasons: Iterator[tuple[Outcome, str]] = (
        (outcome, reason)
        for outcome, reason in (
            (Outcome.ERROR, record.fault or findings.fault),
            (Outcome.UNSUPPORTED, _unsupported(record)),
            (Outcome.CRASHED, _crashed(record)),
            (Outcome.TIMEOUT, _timeout(record, test)),
            (Outcome.FAILED, _summary([one for one in violations if one.level in decisive])),
            (Outcome.INCONCLUSIVE, _doubts(record, trace, findings, decisive)),
        )
        if reason
    )
    outcome, reason = next(reasons, (Outcome.PASSED, ""))
    if outcome in (Outcome.ERROR, Outcome.UNSUPPORTED):
        violations = ()  # there was nothing to hold to its word
    return Verdict(outcome, reason, violations, _negotiated_version(trace.right))


def judge_and_measure(
    folder: Path,
    record: AttemptRecord,
    trace: Trace,
    test: TestCase,
    *,
    compat: bool = False,
    strict: bool = False,
) -> tuple[Verdict, Sample | None]:
    """The verdict on one attempt, and if it is a measurement that passed, what it measured.

    The course of the transfer is stored in the bundle if it is not there yet.
    """
    verdict = judge(record, trace, test, compat=compat, strict=strict)
    if not test.is_measurement or verdict.outcome is not Outcome.PASSED:
        return verdict, None
    try:
        measured = measure(record, trace, test, _link_log(folder))
    except Exception as error:  # noqa: BLE001 - a figure's bug must not end the run
        return replace(
            verdict, outcome=Outcome.ERROR, reason=_bug("figure", test.name, error)
        ), None
    if measured.sample is None:
        return replace(verdict, outcome=Outcome.INCONCLUSIVE, reason=measured.problem), None
    if measured.series and not (folder / SERIES_FILE).exists():
        write_series(measured.series, folder)
    return verdict, measured.sample


def _link_log(folder: Path) -> LinkLog | None:
    """What the link logged; None if nothing that can be read."""
    try:
        return read_link_log(folder / "sim" / LINK_LOG)
    except (OSError, DamagedLinkLog):
        return None


async def judge_bundle(
    folder: Path, tests: Sequence[TestCase], *, compat: bool = False, strict: bool = False
) -> tuple[AttemptRecord, Verdict]:
    """Read a stored bundle, decode its captures, and judge it; raises as :func:`review` does."""
    record, verdict, _ = await review(folder, tests, compat=compat, strict=strict)
    return record, verdict


async def review(
    folder: Path, tests: Sequence[TestCase], *, compat: bool = False, strict: bool = False
) -> tuple[AttemptRecord, Verdict, Sample | None]:
    """Read a stored bundle, decode its captures, judge it, and find what it measured.

    Raises:
        UserError: The folder is no bundle, or its test is not known.
    """
    record = read_attempt(folder)
    test = next((test for test in tests if test.name == record.test), None)
    if test is None:
        raise UserError(
            f"{folder}: there is no test called {record.test!r}",
            "the bundle was made with test cases that are not installed here",
        )
    trace = await decode(folder)
    return record, *judge_and_measure(folder, record, trace, test, compat=compat, strict=strict)


async def decode(folder: Path) -> Trace:
    """Decode both captures of a bundle, side by side; a missing one is a damaged one."""
    from quicmatrix.runner.trace import tshark  # noqa: PLC0415 - only judging needs it

    left, right = await asyncio.gather(
        tshark.decode(folder / LEFT_CAPTURE, Side.CLIENT),
        tshark.decode(folder / RIGHT_CAPTURE, Side.SERVER),
    )
    return Trace(left, right)


# --- Facts of the processes --------------------------------------------------------------------


def _unsupported(record: AttemptRecord) -> str:
    for side, its in _sides(record):
        if its.ending is Ending.EXITED and its.exit_code == 127:
            return f"the {side} exited with 127: it does not support {record.test}"
    return ""


def _crashed(record: AttemptRecord) -> str:
    for side, its in _sides(record):
        if its.ending is Ending.LOG_OVERFLOW:
            return f"the {side} flooded its log and was stopped"
        if its.out_of_memory:
            return f"the {side} used more memory than it may"
        by_us = its.ending is not Ending.EXITED and its.signal in (signal.SIGTERM, signal.SIGKILL)
        if its.signal is not None and not by_us:
            return f"the {side} was ended by {_signal_name(its.signal)}"
    if record.server.ending is Ending.EXITED:
        when = "the client was done" if record.server_ready else "it was ready"
        return f"the server exited with {record.server.exit_code} before {when}"
    return ""


def _timeout(record: AttemptRecord, test: TestCase) -> str:
    if not record.server_ready:
        return "the server answered no Version Negotiation probe"
    if record.client.ending is Ending.OUT_OF_TIME:
        return f"the client was not done after {test.timeout_s:g} s"
    return ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _sides(record: AttemptRecord) -> Iterator[tuple[Side, SideRecord]]:
    yield Side.CLIENT, record.client
    yield Side.SERVER, record.server


# --- Requirements of the endpoint contract: what no trace can show -----------------------------


def _contract_violations(record: AttemptRecord, *, compat: bool) -> Iterator[ReportedViolation]:
    code = record.client.exit_code
    if record.client.ending is Ending.EXITED and code not in (0, None):
        yield _breach(
            "client_exits_with_0",
            "The client exits with 0 when it has done what was asked of it.",
            f"it exited with {code}",
            Side.CLIENT,
        )
    for message in _differences(record):
        yield _breach(
            "files_arrive",
            "The client downloads exactly the files that were requested, byte for byte.",
            message,
            None,
        )
    if record.server.ending is Ending.KILLED and not compat:
        yield _breach(
            "server_stops_on_sigterm",
            "The server stops when it is sent SIGTERM.",
            "it had to be killed",
            Side.SERVER,
            Level.SHOULD,
        )


def _breach(
    name: str, text: str, message: str, side: Side | None, level: Level = Level.TEST
) -> ReportedViolation:
    return ReportedViolation(name, level, "interop suite", text, message, side)


def _differences(record: AttemptRecord) -> Iterator[str]:
    wanted = {entry.name: entry for entry in record.www}
    found = {entry.name: entry for entry in record.downloads}
    missing = [name for name in wanted if name not in found]
    extra = [name for name in found if name not in wanted]
    if missing:
        yield f"{len(missing)} of {len(wanted)} files are missing: {_listing(missing)}"
    if extra:
        yield f"{len(extra)} that nobody asked for: {_listing(extra)}"
    if not record.downloads_complete:
        yield "/downloads holds more than can be looked at"
    for name, file in wanted.items():
        if name in found:
            yield from _difference(file, found[name])


def _difference(wanted: FileRecord, found: FileRecord) -> Iterator[str]:
    name = _listing([wanted.name])
    if found.kind != wanted.kind:
        yield f"{name} is no file, but: {found.kind}"
    elif found.size != wanted.size:
        yield f"{name} has {found.size} bytes instead of {wanted.size}"
    elif found.sha256 != wanted.sha256:
        yield f"{name} has the right size but other bytes"


def _listing(names: Sequence[str], most: int = 3, width: int = 40) -> str:
    shown = [name if len(name) <= width else f"{name[:width]}..." for name in names[:most]]
    return ", ".join(shown) + (", ..." if len(names) > most else "")


# --- Requirements of the test case -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Findings:
    violations: tuple[ReportedViolation, ...] = ()
    doubts: tuple[tuple[Requirement, str], ...] = ()
    """Requirements that cannot be told, and why."""
    fault: str = ""
    """The check that raised what it may not raise, and where."""


def _check(trace: Trace, requirements: Iterable[Requirement], *, compat: bool) -> _Findings:
    violations: list[ReportedViolation] = []
    doubts: list[tuple[Requirement, str]] = []
    for requirement in requirements:
        if compat and not requirement.compat:
            continue
        try:
            for violation in islice(requirement(trace), MOST_VIOLATIONS):
                violations.append(_reported(requirement, violation))  # noqa: PERF401 - see below
        except Inconclusive as doubt:
            doubts.append((requirement, str(doubt)))  # and what was found before it stays found
        except Exception as error:  # noqa: BLE001 - a check's bug must not end the run
            return _Findings(fault=_bug("check", requirement.name, error))
    return _Findings(tuple(violations), tuple(doubts))


def _bug(what: str, name: str, error: Exception) -> str:
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"the {what} {name} raised {error!r} ({Path(where.filename).name}, line {where.lineno})"


def _reported(requirement: Requirement, violation: Violation) -> ReportedViolation:
    return ReportedViolation(
        requirement.name,
        requirement.level,
        requirement.citation,
        requirement.text,
        violation.message,
        violation.side,
        violation.evidence,
    )


def _doubts(record: AttemptRecord, trace: Trace, findings: _Findings, decisive: set[Level]) -> str:
    doubts = [
        f"the {name} capture: {capture.damage}"
        for name, capture in (("left", trace.left), ("right", trace.right))
        if capture.damage
    ]
    if record.link.incomplete:
        doubts.append(f"the captures are not complete: {record.link.incomplete}")
    doubts += [
        f"{requirement.name}: {why}"
        for requirement, why in findings.doubts
        if requirement.level in decisive
    ]
    return "; ".join(doubts)


def _summary(broken: Sequence[ReportedViolation]) -> str:
    if not broken:
        return ""
    first = broken[0]
    who = f"the {first.side}: " if first.side else ""
    others = len({violation.requirement for violation in broken} - {first.requirement})
    more = f" (and {others} more requirements)" if others else ""
    return f"{who}{first.message}{more}"


def _negotiated_version(capture: Capture) -> int | None:
    """The version of the first connection: of the server's Handshake packets, at the latest."""
    for kind in (PacketType.HANDSHAKE, PacketType.INITIAL):
        for packet in capture.packets:
            if packet.sender is Side.SERVER and packet.type is kind:
                return packet.version
    return None
