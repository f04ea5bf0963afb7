"""One attempt in full: verdict, requirements, the packets around violations, processes, logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.text import Text

from quicmatrix.runner.console import packets
from quicmatrix.runner.console.closing import heading, requirement_line
from quicmatrix.runner.model.attempt import AttemptRecord, SideRecord
from quicmatrix.runner.model.run import JobResult
from quicmatrix.runner.model.verdict import RequirementResult, Status, Verdict
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results import formatting
from quicmatrix.runner.results.log_lines import last_lines
from quicmatrix.runner.results.matrix import Cell
from quicmatrix.runner.results.requirement_lists import STATUS_MARKS, by_status
from quicmatrix.runner.results.violation_groups import ViolationGroup, frames, violation_groups
from quicmatrix.runner.trace.model import Side, Trace
from quicmatrix.testcases.model import Evidence, Step

MOST_SHOWN = 5
"""How many occurrences of one requirement are shown, and packets of one occurrence."""
STATUS_STYLES = {
    Status.VIOLATED: "bold red",
    Status.UNDETERMINED: "yellow",
    Status.NOT_EXERCISED: "dim",
    Status.HELD: "green",
}
MOST_MILESTONES = 40
LOG_LINES = 12

Dissections = Mapping[tuple[Side, int], str]
"""Full dissections by capture and frame number."""


def explanation(
    job: JobResult,
    cell: Cell,
    record: AttemptRecord,
    trace: Trace,
    dissections: Dissections,
) -> Iterator[Text]:
    """All but the logs.

    Args:
        job: The attempt.
        cell: All attempts that it is one of.
        record: What was stored of it.
        trace: Its captures.
        dissections: Of the frames to be shown in full.
    """
    yield from _verdict(job, cell)
    if job.verdict.requirements:
        yield Text()
        yield from _requirements(job.verdict)
    for group in violation_groups(job.verdict):
        yield Text()
        yield from _group(group, trace, dissections)
    for result in _undetermined(job.verdict):
        yield Text()
        yield from _open_question(result, trace, dissections)
    yield Text()
    yield from _processes(record)
    yield Text()
    yield from _timeline(trace)


def steps_of_tester(steps: Sequence[Step], tester: Side, trace: Trace) -> Iterator[Text]:
    """What a tester did and saw, and where that is in the capture next to its peer.

    Args:
        steps: Its log.
        tester: The side that it played.
        trace: The attempt's captures.
    """
    near = trace.near(tester.peer)
    frames = {one.digest: one.frame_number for one in near.datagrams if one.sender is tester}
    name = "left" if tester.peer is Side.CLIENT else "right"
    yield Text("tester's steps", "bold")
    for step in steps:
        words = printable(step.text)
        if step.packet:
            number = "" if step.number is None else f" {step.number}"
            words += f"  {printable(step.packet)}{number}"
        frame = frames.get(step.datagram) if step.datagram else None
        place = f"  {name} capture, frame {frame}" if frame is not None else ""
        style = "bold" if step.kind == "stimulus" else ""
        yield Text.assemble(
            (f"  {step.time - steps[0].time:>9.4f} s  {printable(step.kind):<9} ", "dim"),
            (words, style),
            (place, "dim"),
        )


def log_end(path: Path) -> Iterator[Text]:
    """The last lines of a log, printable, each of bounded length."""
    end = last_lines(path, LOG_LINES)
    if end is None:
        yield Text("    no log: the process was never started", "dim")
        return
    if not end.lines:
        yield Text("    it is empty", "dim")
    elif end.cut:
        yield Text(f"    its last {len(end.lines)} lines:", "dim")
    for line in end.lines:
        yield Text(f"    {line}")


def frames_shown(job: JobResult) -> dict[Side, set[int]]:
    """The frames around which packets are shown."""
    shown: dict[Side, set[int]] = {side: set() for side in Side}
    named = [
        occurrence.evidence
        for group in violation_groups(job.verdict)
        for occurrence in group.occurrences[:MOST_SHOWN]
    ]
    for result in _undetermined(job.verdict):
        named += [result.evidence, packets.named(result.reason)]
    for evidence in named:
        for side in Side:
            shown[side].update(frames(evidence, side)[:MOST_SHOWN])
    return shown


def _verdict(job: JobResult, cell: Cell) -> Iterator[Text]:
    yield from heading(job, cell)
    if job.verdict.version is not None:
        yield Text(f"  QUIC {formatting.version(job.verdict.version)}", "dim")
    if job.sample:
        share = job.sample.tcp_share
        tcp = "" if share is None else f", TCP took {100 * share:.0f} % of the link"
        yield Text(f"  {job.sample.kbps:.0f} kbps{tcp}", "bold")
        if job.sample.doubt:
            yield Text(f"  unreliable: {printable(job.sample.doubt)}", "bold yellow")


def _requirements(verdict: Verdict) -> Iterator[Text]:
    """All of them, each in a line."""
    yield Text.assemble(("requirements  ", "bold"), formatting.status_summary(verdict))
    for result in by_status(verdict):
        details = formatting.status_details(result)
        yield Text.assemble(
            (
                f"  {STATUS_MARKS[result.status]} {result.status:<13}  ",
                STATUS_STYLES[result.status],
            ),
            requirement_line(result),
            (f"  {details}" if details else "", "dim"),
        )


def _undetermined(verdict: Verdict) -> Iterator[RequirementResult]:
    return (one for one in verdict.requirements if one.status is Status.UNDETERMINED)


def _group(group: ViolationGroup, trace: Trace, dissections: Dissections) -> Iterator[Text]:
    yield requirement_line(group.requirement)
    yield Text(f"  the check is {printable(group.requirement.requirement)}", "dim")
    for occurrence in group.occurrences[:MOST_SHOWN]:
        yield Text(f"  {formatting.occurrence(occurrence)}", "bold")
        yield from _packets(occurrence.evidence, trace, dissections)
    for line in formatting.more(len(group.occurrences) - MOST_SHOWN, "messages", prefix="  "):
        yield Text(line, "dim")


def _open_question(
    result: RequirementResult, trace: Trace, dissections: Dissections
) -> Iterator[Text]:
    """A requirement that is undetermined, with packets that its reason names or that kept it."""
    yield requirement_line(result)
    yield Text(f"  the check is {printable(result.requirement)}", "dim")
    yield Text(f"  undetermined: {printable(result.reason)}", "bold")
    for what, evidence in (
        ("what cannot be told, and the packets around it:", packets.named(result.reason)),
        ("packets that keep the requirement:", result.evidence),
    ):
        if evidence:
            yield Text(f"  {what}", "dim")
        yield from _packets(evidence, trace, dissections)


def _packets(
    evidence: tuple[Evidence, ...], trace: Trace, dissections: Dissections
) -> Iterator[Text]:
    """The packets around some evidence, in each capture."""
    for side in Side:
        numbers = frames(evidence, side)
        if not numbers:
            continue
        capture = trace.near(side)
        yield Text(f"  {formatting.capture_name(side)} capture", "dim")
        for place in packets.neighbourhoods(capture, numbers[:MOST_SHOWN]):
            yield from packets.lines(place, capture.packets)
            missing = packets.lost(place, trace.near(side.peer))
            if missing.datagrams:
                yield Text("  sent meanwhile, but dropped by the link:", "dim")
                yield from packets.lines(missing, trace.near(side.peer).packets)
            yield Text("       ...", "dim")
        for line in formatting.more(len(numbers) - MOST_SHOWN, "packets", prefix="  "):
            yield Text(line, "dim")
        for number in numbers[:MOST_SHOWN]:
            for text in dissections.get((side, number), "").splitlines():
                yield Text(f"    {printable(text.replace(chr(9), '  '))}", "dim")


def _processes(record: AttemptRecord) -> Iterator[Text]:
    for side, its in ((Side.CLIENT, record.client), (Side.SERVER, record.server)):
        yield Text.assemble((f"{side}  ", "bold"), _ending(its))
    link = record.link
    yield Text.assemble(
        ("link  ", "bold"),
        f"{printable(record.scenario)}, seed {record.seed}: {link.forwarded_to_server} packets to "
        f"the server, {link.forwarded_to_client} to the client, {link.dropped} dropped; "
        f"p99 lateness {link.lateness_ms.p99:.2f} ms",
    )
    if record.fault:
        yield Text(f"fault  {printable(record.fault)}", "bold")


def _ending(its: SideRecord) -> str:
    how = str(its.ending)
    if its.exit_code is not None:
        how += f" with {its.exit_code}"
    if its.signal is not None:
        how += f", signal {its.signal}"
    return f"{how} after {formatting.duration(its.duration_s)}"


def _timeline(trace: Trace) -> Iterator[Text]:
    yield Text("events, from the capture at the client's side", "bold")
    shown = 0
    for packet, event in packets.milestones(trace.left):
        if shown == MOST_MILESTONES:
            yield Text("  and later events", "dim")
            break
        shown += 1
        connection = "" if packet.connection is None else f"connection {packet.connection}, "
        yield Text.assemble(
            (f"  {packet.datagram.frame_number:>6}  {packet.time:>9.4f} s  ", "dim"),
            f"{packet.sender}: {printable(event)}  ",
            (f"{connection}{packet}", "dim"),
        )
    if not shown:
        damage = trace.left.damage or "no QUIC packet is in the capture"
        yield Text(f"  nothing: {printable(damage)}", "dim")
