"""Values as text, the same in the console and in every report. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from quicmatrix.runner.model.run import JobResult, TestInfo
from quicmatrix.runner.model.verdict import RequirementResult, Status, Verdict
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results.estimate import kbps
from quicmatrix.runner.results.matrix import Cell, MetricSummary
from quicmatrix.runner.results.requirement_lists import status_counts
from quicmatrix.runner.results.violation_groups import Occurrence
from quicmatrix.runner.trace.model import VERSION_1, VERSION_2, Side
from quicmatrix.testcases.model import Evidence


def duration(seconds: float) -> str:
    """``0.8 s``, ``2 min 05 s``, ``1 h 02 min``."""
    if seconds < 59.95:
        return f"{max(seconds, 0.0):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def moment(epoch: float) -> str:
    """Seconds since the epoch as ``2026-11-23 17:15:03 UTC``."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def version(number: int | None) -> str:
    """A QUIC version as ``v1``, ``v2`` or in hexadecimal; empty if it is not known."""
    if number is None:
        return ""
    return {VERSION_1: "v1", VERSION_2: "v2"}.get(number, f"0x{number:08x}")


def capture_name(side: Side) -> str:
    """Which capture, and where it was taken: ``left (client's side)``."""
    return "left (client's side)" if side is Side.CLIENT else "right (server's side)"


def packet_name(evidence: Evidence) -> str:
    """A packet's type and number: ``Initial 3``, ``Retry``; ``datagram`` for a whole datagram."""
    if not evidence.packet_type:
        return "datagram"
    number = "" if evidence.packet_number is None else f" {evidence.packet_number}"
    return printable(evidence.packet_type) + number


def place(evidence: Evidence) -> str:
    """Capture, frame, time and packet: ``left capture, frame 12, 0.034 s: Initial 3``."""
    name = "left" if evidence.capture is Side.CLIENT else "right"
    at = f"{name} capture, frame {evidence.frame_number}, {evidence.time:.3f} s"
    return f"{at}: {packet_name(evidence)}"


def occurrence(one: Occurrence) -> str:
    """Side and message of a violation: ``by the client: the token is not the Retry's``."""
    said = one.side is None or one.message.startswith(f"the {one.side} ")
    return printable(one.message if said else f"by the {one.side}: {one.message}")


def more(count: int, what: str, *, prefix: str = "") -> list[str]:
    """A line with the number of things left out; none if none were."""
    what = what.removesuffix("s") if count == 1 else what
    return [f"{prefix}and {count} {what} more"] if count > 0 else []


def title(job: JobResult, *, repeated: bool = False, retried: bool = False) -> str:
    """Participants and test: ``client a, server b: retry``, with repetition and attempt.

    Args:
        job: An attempt.
        repeated: Whether to name the repetition.
        retried: Whether to name the attempt.
    """
    words = f"client {printable(job.client)}, server {printable(job.server)}: {printable(job.test)}"
    words += f", repetition {job.repetition}" if repeated else ""
    return f"{words}, attempt {job.attempt}" if retried else words


def passed(cell: Cell) -> str:
    """How many attempts passed, where several did not agree: ``2 of 3 passed``; else empty."""
    return f"{cell.passed} of {len(cell.attempts)} passed" if cell.flaky else ""


def status_summary(verdict: Verdict) -> str:
    """How many requirements have each status: ``1 violated, 2 not exercised, 20 held``."""
    return ", ".join(f"{count} {status}" for status, count in status_counts(verdict).items())


def status_details(result: RequirementResult, *, most_packets: int = 1) -> str:
    """Why a requirement has its status, or how often and in which packets it was seen first."""
    match result.status:
        case Status.HELD:
            places = "; ".join(map(place, result.evidence[:most_packets]))
            return times(result.times_held) + (f", first in {places}" if places else "")
        case Status.VIOLATED:
            first = f", first: {result.violations[0].message}" if result.violations else ""
            return printable(f"{times(len(result.violations))}{first}")
        case _:
            return printable(result.reason)


def overridden(test: TestInfo) -> str:
    """What --set has changed of a test: ``set otherwise: timeout=120s``; else empty."""
    return f"set otherwise: {', '.join(map(printable, test.overridden))}" if test.overridden else ""


def times(count: int) -> str:
    """``once`` or ``3 times``."""
    return "once" if count == 1 else f"{count} times"


def metric(measured: MetricSummary) -> str:
    """A metric as quic-interop-runner writes it: ``9104 (± 141) kbps``."""
    return kbps(measured.kbps)


def metric_details(measured: MetricSummary) -> str:
    """Number of samples, confidence interval, and the TCP flow's share."""
    taken = len(measured.samples_kbps)
    words = [f"{taken} of {measured.repetitions} samples"]
    if taken > 1:
        words.append(f"95 % confidence {measured.kbps.low:.0f} to {measured.kbps.high:.0f} kbps")
    if measured.tcp_share is not None:
        words.append(f"TCP took {100 * measured.tcp_share:.0f} % of the link")
    return ", ".join(words)
