"""summary.md: the matrix as a table of GitHub's Markdown, then what needs attention.

Made for ``cat summary.md >> "$GITHUB_STEP_SUMMARY"`` and for pasting into an issue. Clients are the
rows and servers the columns, and the first three marks are those of quic-interop-runner's table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from quicmatrix.reports import links
from quicmatrix.runner.bundle.records import write_file
from quicmatrix.runner.model.verdict import Outcome, RequirementResult
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results import formatting
from quicmatrix.runner.results.conformance import CaseOutcome, by_role
from quicmatrix.runner.results.known_outcomes import description
from quicmatrix.runner.results.matrix import EXPLANATIONS, MARKS, SEVERITY, Cell
from quicmatrix.runner.results.run_view import AttemptView, RunView

FILE = "summary.md"
MOST_LINES = 5
"""How many packets of one occurrence, and occurrences of one requirement, are listed."""
MOST_FAILURES = 100
"""How many are explained: a job summary may have 1 MiB."""


def write(view: RunView, folder: Path) -> Path:
    """Write it into the run's folder."""
    path = folder / FILE
    write_file(path, render(view).encode("utf-8"))
    return path


def render(view: RunView) -> str:
    """The Markdown text."""
    overview = _conformance(view) if view.run.is_conformance else _table(view)
    blocks = [_facts(view), overview, _legend(view)]
    blocks += _measurements(view.cells) + _flaky(view.flaky)
    blocks += _explained("### Needs attention", view.attention, MOST_FAILURES)
    room = max(MOST_FAILURES - len(view.attention), 0)
    blocks += _explained("### Nonconformant", view.nonconformant, room)
    if view.known:
        lines = [_known(one) for one in view.known]
        blocks += ["### Known", "\n".join(lines)]
    if view.notes:
        blocks.append("### Notes on attempts that passed")
        blocks.append(
            "\n".join(
                f"- {_rule(note.group.requirement)}, {len(note.jobs)} of {len(view.run.jobs)} "
                f"attempts; {escaped(formatting.occurrence(note.group.occurrences[0]))}"
                for note in view.notes
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


def _facts(view: RunView) -> str:
    run = view.run
    counted = ", ".join(f"{count} {outcome}" for outcome, count in view.counts.items())
    took = formatting.duration(run.ended_at - run.started_at)
    lines = [
        f"## quicmatrix: {counted or 'nothing was run'}",
        "",
        f"{formatting.moment(run.started_at)}, {took}, seed {run.seed}",
    ]
    if run.command_line:
        lines[-1] += f", {code(run.command_line)}"
    for test in run.tests:
        if test.overridden:
            lines += ["", escaped(f"{test.name}: {formatting.overridden(test)}")]
    for warning in view.warnings:
        lines += ["", f"**{escaped(warning)}**"]
    if not run.complete:
        done = f"{len(run.jobs)} of {run.planned}"
        lines += ["", f"**Stopped early: {done} planned attempts were done.**"]
    return "\n".join(lines)


def _table(view: RunView) -> str:
    head = ["client ↓ server →", *(escaped(server) for server in view.run.servers)]
    rows = [head, ["---"] * len(head)]
    for client in view.run.clients:
        row = [f"**{escaped(client)}**"]
        row += [_cell(view.pairs.get((client, server), ())) for server in view.run.servers]
        rows.append(row)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _conformance(view: RunView) -> str:
    """How many cases show what, for each implementation and role."""
    found = by_role(view.run)
    shown = [one for one in CaseOutcome if any(one in it.counts for it in found)]
    rows = [["implementation", "role", *shown], ["---"] * (len(shown) + 2)]
    rows += [
        [
            f"**{escaped(it.implementation)}**",
            it.role,
            *(str(it.counts.get(one, 0)) for one in shown),
        ]
        for it in found
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(cells: Sequence[Cell]) -> str:
    by_outcome: dict[Outcome, list[str]] = {}
    for cell in cells:
        score = f" {cell.score}" if cell.flaky else ""
        by_outcome.setdefault(cell.outcome, []).append(escaped(cell.label) + score)
    lines = [
        f"{escaped(MARKS[outcome])} ({', '.join(by_outcome[outcome])})"
        for outcome in reversed(SEVERITY)
        if outcome in by_outcome
    ]
    lines += [
        f"{escaped(cell.label)}: {formatting.metric(measured)}{' ⚠' if measured.doubts else ''}"
        for cell in cells
        for measured in [cell.metric]
        if measured
    ]
    return "<br>".join(lines)


def _measurements(cells: Iterable[Cell]) -> list[str]:
    """A table of what was measured; none if nothing was."""
    rows = [
        f"| {escaped(cell.test)} | {escaped(cell.client)} | {escaped(cell.server)} "
        f"| {formatting.metric(measured)} | {formatting.metric_details(measured)} "
        f"| {', '.join(f'{sample:.0f}' for sample in measured.samples_kbps)} "
        f"| {escaped('; '.join(measured.doubts))} |"
        for cell in cells
        for measured in [cell.metric]
        if measured
    ]
    if not rows:
        return []
    head = (
        "| measurement | client | server | goodput | | samples (kbps) | unreliable |",
        "|---|---|---|---|---|---|---|",
    )
    return ["### Measurements", "\n".join((*head, *rows))]


def _flaky(cells: Iterable[Cell]) -> list[str]:
    lines = [
        f"- client {escaped(cell.client)}, server {escaped(cell.server)}: {escaped(cell.test)}, "
        f"{formatting.passed(cell)}"
        for cell in cells
    ]
    return ["### Flaky", "\n".join(lines)] if lines else []


def _legend(view: RunView) -> str:
    return "<br>".join(
        f"{escaped(MARKS[outcome])} {outcome}: {EXPLANATIONS[outcome]}" for outcome in view.counts
    )


def _explained(heading: str, attempts: Sequence[AttemptView], most: int) -> list[str]:
    """A section that explains attempts; none if there are none."""
    if not attempts:
        return []
    blocks = [heading, *map(_failure, attempts[:most])]
    if len(attempts) > most:
        blocks.append(f"and {len(attempts) - most} more, in index.html")
    return blocks


def _known(one: AttemptView) -> str:
    assert one.known is not None
    heading = f"- **{escaped(one.title)}**: {escaped(MARKS[one.outcome])} {one.outcome}"
    return f"{heading}, {escaped(description(one.known))}"


def _failure(one: AttemptView) -> str:
    job = one.job
    heading = f"**{escaped(one.title)}**: {escaped(MARKS[one.outcome])} {one.outcome}"
    if one.cell.flaky:
        heading += f" ({formatting.passed(one.cell)})"
    if job.verdict.reason:
        heading += f": {escaped(job.verdict.reason)}"
    lines = [heading, ""]
    for group in one.groups:
        lines.append(f"- {_rule(group.requirement)}")
        for occurrence in group.occurrences[:MOST_LINES]:
            lines.append(f"  - {escaped(formatting.occurrence(occurrence))}")
            lines += [
                f"    - {escaped(formatting.place(place))}"
                for place in occurrence.evidence[:MOST_LINES]
            ]
            lines += formatting.more(
                len(occurrence.evidence) - MOST_LINES, "packets", prefix="    - "
            )
        lines += formatting.more(len(group.occurrences) - MOST_LINES, "messages", prefix="  - ")
    if job.verdict.requirements:
        lines.append(f"- requirements: {formatting.status_summary(job.verdict)}")
    lines.append(f"- again: {code(job.command)}")
    if job.folder:
        lines.append(f"- bundle: {code(job.folder)}")
    return "\n".join(lines)


def _rule(result: RequirementResult) -> str:
    url = links.rfc(result.citation)
    citation = escaped(result.citation)
    cited = f"[{citation}]({url})" if url else citation
    return f"{result.level}: {escaped(result.text)} ({cited})"
