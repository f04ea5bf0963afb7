"""summary.md: the matrix as a table of GitHub's Markdown, then what needs attention.

Made for ``cat summary.md >> "$GITHUB_STEP_SUMMARY"`` and for pasting into an issue. Clients are the
rows and servers the columns, and the first three marks are those of quic-interop-runner's table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from quicmatrix.reports import links
from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results import formatting
from quicmatrix.runner.results.matrix import (
    MARKS,
    SEVERITY,
    Cell,
    counts,
    matrix,
    needs_attention,
    remarks,
)
from quicmatrix.runner.results.store import JobResult, RunResult, write_file
from quicmatrix.runner.results.violation_groups import Breach, Sighting, breaches

FILE = "summary.md"
MOST_LINES = 5
"""How many packets of one sighting, and sightings of one requirement, are listed."""
MOST_FAILURES = 100
"""How many are told in full: a job summary may have 1 MiB."""


def write(result: RunResult, folder: Path) -> Path:
    """Write it into the run's folder."""
    path = folder / FILE
    write_file(path, render(result).encode("utf-8"))
    return path


def render(result: RunResult) -> str:
    """The Markdown text."""
    pairs = matrix(result.jobs, [test.letter for test in result.tests])
    cells = [cell for row in pairs.values() for cell in row]
    blocks = [_facts(result), _table(result), _legend(result.jobs)]
    blocks += _measurements(cells) + _flaky(cells)
    telling = [
        (cell, job)
        for cell in cells
        for job in cell.attempts
        if needs_attention(job.verdict.outcome)
    ]
    if telling:
        blocks.append("### Needs attention")
        blocks += [_failure(cell, job) for cell, job in telling[:MOST_FAILURES]]
    if len(telling) > MOST_FAILURES:
        blocks.append(f"and {len(telling) - MOST_FAILURES} more, in index.html")
    noted = remarks(result.jobs)
    if noted:
        blocks.append("### Remarks on attempts that passed")
        blocks.append(
            "\n".join(
                f"- {_rule(remark.breach)}, {len(remark.jobs)} of {len(result.jobs)} attempts;"
                f" {_seen(remark.breach.sightings[0])}"
                for remark in noted
            )
        )
    return "\n\n".join(blocks) + "\n"


def escaped(text: str) -> str:
    """Text in which nothing is Markdown or HTML any more, for inside a line or a table's cell."""
    safe = re.sub(r"[\\`*_{}\[\]#|~$]", r"\\\g<0>", printable(text))
    safe = safe.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # Addresses would become links, and names notify people, even without any mark.
    safe = re.sub(r"(?i)(://|\bwww\.)", lambda match: f"{match[0][:-1]}\\{match[0][-1]}", safe)
    return re.sub(r"@(?=\w)", "@&#8288;", safe)


def code(text: str) -> str:
    """A code span, also where the text has backticks in it; safe in a table's cell."""
    safe = printable(text)
    fence = "`" * (max((len(run) for run in re.findall("`+", safe)), default=0) + 1)
    pad = " " if safe[:1] in {"`", " "} or safe[-1:] in {"`", " "} else ""
    return f"{fence}{pad}{safe}{pad}{fence}".replace("|", r"\|")


def _facts(result: RunResult) -> str:
    counted = ", ".join(f"{count} {outcome}" for outcome, count in counts(result.jobs).items())
    took = formatting.duration(result.ended_at - result.started_at)
    lines = [
        f"## quicmatrix: {counted or 'nothing was run'}",
        "",
        f"{formatting.moment(result.started_at)}, {took}, seed {result.seed}",
    ]
    if result.command_line:
        lines[-1] += f", {code(result.command_line)}"
    if not result.complete:
        done = f"{len(result.jobs)} of {result.planned}"
        lines += ["", f"**Stopped early: {done} planned attempts were done.**"]
    return "\n".join(lines)


def _table(result: RunResult) -> str:
    pairs = matrix(result.jobs, [test.letter for test in result.tests])
    head = ["client ↓ server →", *(escaped(server) for server in result.servers)]
    rows = [head, ["---"] * len(head)]
    for client in result.clients:
        row = [f"**{escaped(client)}**"]
        row += [_cell(pairs.get((client, server), ())) for server in result.servers]
        rows.append(row)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(cells: Sequence[Cell]) -> str:
    by_outcome: dict[Outcome, list[str]] = {}
    for cell in cells:
        score = f" {cell.score}" if cell.flaky else ""
        by_outcome.setdefault(cell.outcome, []).append(escaped(cell.letter) + score)
    lines = [
        f"{escaped(MARKS[outcome])} ({', '.join(by_outcome[outcome])})"
        for outcome in reversed(SEVERITY)
        if outcome in by_outcome
    ]
    lines += [
        f"{escaped(cell.letter)}: {formatting.figure(figure)}{' ⚠' if figure.doubts else ''}"
        for cell in cells
        for figure in [cell.figure]
        if figure
    ]
    return "<br>".join(lines)


def _measurements(cells: Iterable[Cell]) -> list[str]:
    """A table of what was measured; none if nothing was."""
    rows = [
        f"| {escaped(cell.test)} | {escaped(cell.client)} | {escaped(cell.server)} "
        f"| {formatting.figure(figure)} | {formatting.figure_details(figure)} "
        f"| {', '.join(f'{sample:.0f}' for sample in figure.samples_kbps)} "
        f"| {escaped('; '.join(figure.doubts))} |"
        for cell in cells
        for figure in [cell.figure]
        if figure
    ]
    if not rows:
        return []
    head = (
        "| measurement | client | server | goodput | | samples (kbps) | not to be trusted |",
        "|---|---|---|---|---|---|---|",
    )
    return ["### Measurements", "\n".join((*head, *rows))]


def _flaky(cells: Iterable[Cell]) -> list[str]:
    lines = [
        f"- client {escaped(cell.client)}, server {escaped(cell.server)}: {escaped(cell.test)}, "
        f"{formatting.passed(cell)}"
        for cell in cells
        if cell.flaky
    ]
    return ["### Flaky", "\n".join(lines)] if lines else []


def _legend(jobs: Iterable[JobResult]) -> str:
    return ", ".join(f"{escaped(MARKS[outcome])} {outcome}" for outcome in counts(jobs))


def _failure(cell: Cell, job: JobResult) -> str:
    title = formatting.title(job, repeated=cell.repeated, retried=cell.retried)
    heading = f"**{escaped(title)}**: {job.verdict.outcome}"
    if cell.flaky:
        heading += f" ({formatting.passed(cell)})"
    if job.verdict.reason:
        heading += f": {escaped(job.verdict.reason)}"
    lines = [heading, ""]
    for breach in breaches(job.verdict.violations):
        lines.append(f"- {_rule(breach)}" if breach.text else "- no requirement covers it:")
        for sighting in breach.sightings[:MOST_LINES]:
            lines.append(f"  - {_seen(sighting)}")
            lines += [
                f"    - {escaped(formatting.place(one))}" for one in sighting.evidence[:MOST_LINES]
            ]
            lines += formatting.more(
                len(sighting.evidence) - MOST_LINES, "packets", prefix="    - "
            )
        lines += formatting.more(len(breach.sightings) - MOST_LINES, "messages", prefix="  - ")
    lines.append(f"- again: {code(job.command)}")
    if job.folder:
        lines.append(f"- bundle: {code(job.folder)}")
    return "\n".join(lines)


def _rule(breach: Breach) -> str:
    url = links.rfc(breach.citation)
    citation = escaped(breach.citation)
    cited = f"[{citation}]({url})" if url else citation
    return f"{breach.level}: {escaped(breach.text)} ({cited})"


def _seen(sighting: Sighting) -> str:
    by = f"by the {sighting.side}" if sighting.side else "seen"
    return f"{by}: {escaped(sighting.message)}"
