"""One attempt, explained: verdict, requirements, the packets around each violation, the logs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.text import Text

from quicmatrix.runner.console import packets
from quicmatrix.runner.console.closing import STYLES
from quicmatrix.runner.model.attempt import AttemptRecord, SideRecord
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results import formatting
from quicmatrix.runner.results.matrix import Cell
from quicmatrix.runner.results.store import JobResult
from quicmatrix.runner.results.violation_groups import Breach, Sighting, breaches
from quicmatrix.runner.trace.model import Side, Trace

MOST_SIGHTINGS = 5
"""How many sightings of one requirement are shown, and neighbourhoods of one sighting."""
MOST_MILESTONES = 40
LOG_LINES = 12
_LOG_BYTES = 16 * 1024
_LINE_LENGTH = 240

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
    for breach in breaches(job.verdict.violations):
        yield Text()
        yield from _breach(breach, trace, dissections)
    yield Text()
    yield from _processes(record)
    yield Text()
    yield from _timeline(trace)


def log_end(path: Path) -> Iterator[Text]:
    """The last lines of a log, made safe to show, each of bounded length."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - _LOG_BYTES, 0))
            tail = file.read(_LOG_BYTES)
    except FileNotFoundError:
        yield Text("    there is none: it was never started", "dim")
        return
    found = tail.decode("utf-8", "replace").splitlines()
    if not found:
        yield Text("    it is empty", "dim")
    elif size > _LOG_BYTES or len(found) > LOG_LINES:
        yield Text(f"    its last {min(LOG_LINES, len(found))} lines:", "dim")
    for line in found[-LOG_LINES:]:
        rest = " ..." if len(line) > _LINE_LENGTH else ""
        yield Text(f"    {printable(line[:_LINE_LENGTH])}{rest}")


def frames_shown(job: JobResult) -> dict[Side, set[int]]:
    """The frames that violations name, as far as they are shown."""
    shown: dict[Side, set[int]] = {side: set() for side in Side}
    for breach in breaches(job.verdict.violations):
        for sighting in breach.sightings[:MOST_SIGHTINGS]:
            for side in Side:
                shown[side].update(sighting.frames(side)[:MOST_SIGHTINGS])
    return shown


def _verdict(job: JobResult, cell: Cell) -> Iterator[Text]:
    outcome = job.verdict.outcome
    title = formatting.title(job, repeated=cell.repeated, retried=cell.retried)
    yield Text.assemble((str(outcome), STYLES[outcome]), "  ", (title, "bold"))
    if cell.flaky:
        yield Text(f"  flaky: {formatting.passed(cell)}", "yellow")
    if job.verdict.reason:
        yield Text(f"  {printable(job.verdict.reason)}")
    if job.verdict.version is not None:
        yield Text(f"  QUIC {formatting.version(job.verdict.version)}", "dim")
    if job.sample:
        share = job.sample.tcp_share
        tcp = "" if share is None else f", TCP took {100 * share:.0f} % of the link"
        yield Text(f"  {job.sample.kbps:.0f} kbps{tcp}", "bold")
        if job.sample.doubt:
            yield Text(f"  not to be trusted: {printable(job.sample.doubt)}", "bold yellow")


def _breach(breach: Breach, trace: Trace, dissections: Dissections) -> Iterator[Text]:
    if breach.text:
        yield Text.assemble(
            (str(breach.level), "bold"),
            f"  {printable(breach.text)} ",
            (f"[{printable(breach.citation)}]", "cyan"),
        )
        yield Text(f"  the check is {printable(breach.requirement)}", "dim")
    for sighting in breach.sightings[:MOST_SIGHTINGS]:
        by = f"by the {sighting.side}: " if sighting.side else ""
        yield Text(f"  {by}{printable(sighting.message)}", "bold")
        yield from _seen(sighting, trace, dissections)
    for line in formatting.more(len(breach.sightings) - MOST_SIGHTINGS, "messages", prefix="  "):
        yield Text(line, "dim")


def _seen(sighting: Sighting, trace: Trace, dissections: Dissections) -> Iterator[Text]:
    for side in Side:
        frames = sighting.frames(side)
        if not frames:
            continue
        capture = trace.near(side)
        yield Text(f"  {formatting.capture_name(side)} capture", "dim")
        for place in packets.neighbourhoods(capture, frames[:MOST_SIGHTINGS]):
            yield from packets.lines(place, capture.packets)
            missing = packets.lost(place, trace.near(side.peer))
            if missing.datagrams:
                yield Text("  meanwhile, and never here:", "dim")
                yield from packets.lines(missing, trace.near(side.peer).packets)
            yield Text("       ...", "dim")
        for line in formatting.more(len(frames) - MOST_SIGHTINGS, "packets", prefix="  "):
            yield Text(line, "dim")
        for frame in frames[:MOST_SIGHTINGS]:
            for text in dissections.get((side, frame), "").splitlines():
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
    yield Text("what happened, as the client's side saw it", "bold")
    told = 0
    for packet, event in packets.milestones(trace.left):
        if told == MOST_MILESTONES:
            yield Text("  and more", "dim")
            break
        told += 1
        connection = "" if packet.connection is None else f"connection {packet.connection}, "
        yield Text.assemble(
            (f"  {packet.datagram.frame_number:>6}  {packet.time:>9.4f} s  ", "dim"),
            f"{packet.sender}: {printable(event)}  ",
            (f"{connection}{packet}", "dim"),
        )
    if not told:
        damage = trace.left.damage or "no QUIC packet is in the capture"
        yield Text(f"  nothing: {printable(damage)}", "dim")
