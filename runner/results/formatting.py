"""How values read to people, in the console and in every report. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from quicmatrix.runner.printable import printable
from quicmatrix.runner.results.matrix import Cell, Figure
from quicmatrix.runner.results.store import JobResult, kbps
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
    """What is at that place: ``Initial 3``, ``Retry``, or ``datagram`` where no packet is meant."""
    if not evidence.packet_type:
        return "datagram"
    number = "" if evidence.packet_number is None else f" {evidence.packet_number}"
    return printable(evidence.packet_type) + number


def place(evidence: Evidence) -> str:
    """A whole line: ``left capture, frame 12, 0.034 s: Initial 3``."""
    name = "left" if evidence.capture is Side.CLIENT else "right"
    at = f"{name} capture, frame {evidence.frame_number}, {evidence.time:.3f} s"
    return f"{at}: {packet_name(evidence)}"


def more(count: int, what: str, *, prefix: str = "") -> list[str]:
    """A line that says how many were left out; none if none were."""
    return [f"{prefix}and {count} {what} more"] if count > 0 else []


def title(job: JobResult, *, repeated: bool = False, retried: bool = False) -> str:
    """Who did what: ``client a, server b: retry``, with what tells it from the others.

    Args:
        job: An attempt.
        repeated: Whether there are several repetitions.
        retried: Whether there are several attempts at a repetition.
    """
    words = f"client {printable(job.client)}, server {printable(job.server)}: {printable(job.test)}"
    words += f", repetition {job.repetition}" if repeated else ""
    return f"{words}, attempt {job.attempt}" if retried else words


def passed(cell: Cell) -> str:
    """How many attempts passed, where several did not agree: ``2 of 3 passed``; else empty."""
    return f"{cell.passed} of {len(cell.attempts)} passed" if cell.flaky else ""


def figure(measured: Figure) -> str:
    """A figure as quic-interop-runner writes it: ``9104 (± 141) kbps``."""
    return kbps(measured.samples_kbps)


def figure_details(measured: Figure) -> str:
    """How much a figure says: samples, confidence interval, and the TCP flow's share."""
    taken = len(measured.samples_kbps)
    words = [f"{taken} of {measured.repetitions} samples"]
    if taken > 1:
        words.append(f"95 % confidence {measured.kbps.low:.0f} to {measured.kbps.high:.0f} kbps")
    if measured.tcp_share is not None:
        words.append(f"TCP took {100 * measured.tcp_share:.0f} % of the link")
    return ", ".join(words)
