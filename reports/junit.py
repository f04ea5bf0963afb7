"""junit.xml: what CI systems read. A suite for each client and server, a case for each repetition.

A ``<failure>`` is what an endpoint did (failed, timeout, crashed, nonconformant: its type says
which), an ``<error>`` what we could not determine or do (inconclusive, error), ``<skipped>`` what
an endpoint does not support, or what is known of it: the message has the reason and the link. A
test that passes against what is known is a ``<failure>`` of type "unexpected pass". Attempts
before the last one, which decides, are in ``<flakyFailure>`` and ``<flakyError>`` where it passed
and in ``<rerunFailure>`` and ``<rerunError>`` where it did not, as Maven Surefire writes them.
Metrics are properties of the cases and of the suite. A case's ``<system-out>`` has a line for each
requirement.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from quicmatrix.runner.bundle.records import write_file
from quicmatrix.runner.model.implementation import KnownOutcome
from quicmatrix.runner.model.run import JobResult
from quicmatrix.runner.model.verdict import Outcome, RequirementResult
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results import formatting
from quicmatrix.runner.results.known_outcomes import announced, description, explains, removal
from quicmatrix.runner.results.matrix import Cell, needs_attention, settled
from quicmatrix.runner.results.run_view import AttemptView, RunView

FILE = "junit.xml"
MOST_LINES = 10
"""How many packets of one occurrence, and occurrences of one requirement, are listed."""

_ELEMENTS = {
    Outcome.FAILED: "failure",
    Outcome.TIMEOUT: "failure",
    Outcome.CRASHED: "failure",
    Outcome.NONCONFORMANT: "failure",
    Outcome.INCONCLUSIVE: "error",
    Outcome.ERROR: "error",
    Outcome.UNSUPPORTED: "skipped",
}


def write(view: RunView, folder: Path) -> Path:
    """Write it into the run's folder."""
    path = folder / FILE
    write_file(path, render(view).encode("utf-8"))
    return path


def render(view: RunView) -> str:
    """The XML document."""
    run = view.run
    suites = ET.Element(
        "testsuites", {"name": "quicmatrix", **_sums(settled(run.jobs), run.announced)}
    )
    attempts_of: dict[tuple[str, str], list[AttemptView]] = {}
    for one in view.attempts:
        attempts_of.setdefault((one.job.client, one.job.server), []).append(one)
    for (client, server), attempts in attempts_of.items():
        cells = view.pairs[client, server]
        jobs = tuple(job for cell in cells for job in cell.settled)
        suite = ET.SubElement(
            suites,
            "testsuite",
            {
                "name": printable(f"client {client}, server {server}"),
                "timestamp": _timestamp(min(job.started_at for job in jobs)),
                **_sums(jobs, run.announced),
            },
        )
        outcomes = [job.verdict.outcome for job in jobs]
        _properties(
            suite,
            {
                "client": client,
                "server": server,
                "run": run.run_id,
                "seed": str(run.seed),
                "complete": str(run.complete).lower(),
                "nonconformant": str(outcomes.count(Outcome.NONCONFORMANT)),
                **run.tools,
                **{name: value for cell in cells for name, value in _metric(cell).items()},
            },
        )
        by_repetition: dict[tuple[str, int], list[AttemptView]] = {}
        for one in attempts:
            by_repetition.setdefault((one.job.test, one.job.repetition), []).append(one)
        for tries in by_repetition.values():
            _case(suite, tries)
    ET.indent(suites)
    text = ET.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _metric(cell: Cell) -> dict[str, str]:
    """What was measured, and why it is unreliable."""
    measured = cell.metric
    if measured is None:
        return {}
    facts = {
        cell.test: formatting.metric(measured),
        f"{cell.test} details": formatting.metric_details(measured),
    }
    return facts | ({f"{cell.test} doubts": "; ".join(measured.doubts)} if measured.doubts else {})


def _case(suite: ET.Element, attempts: list[AttemptView]) -> None:
    """One repetition of a job; its last attempt decides."""
    *earlier, last = attempts
    job, cell = last.job, last.cell
    case = ET.SubElement(
        suite,
        "testcase",
        # CI systems recognize cases by these two over time, so both stay the same in every run.
        classname=printable(f"{job.client}_{job.server}"),
        name=printable(job.test) + (f" {job.repetition}" if cell.repeated else ""),
        time=f"{sum(one.job.duration_s for one in attempts):.3f}",
    )
    facts = {"outcome": job.verdict.outcome, "seed": str(job.seed), "bundle": job.folder}
    if job.verdict.requirements:
        facts["requirements"] = formatting.status_summary(job.verdict)
    if job.verdict.version is not None:
        facts["quic_version"] = formatting.version(job.verdict.version)
    if answer := next((one.answer for one in job.verdict.requirements if one.answer), ""):
        facts["answer"] = answer
    if cell.flaky:
        facts["flaky"] = formatting.passed(cell)
    if job.sample:
        facts["kbps"] = f"{job.sample.kbps:.3f}"
        if job.sample.tcp_share is not None:
            facts["tcp_share"] = f"{job.sample.tcp_share:.4f}"
        if job.sample.doubt:
            facts["doubt"] = job.sample.doubt
    _properties(case, facts)
    _ending(case, last, "")
    prefix = "rerun" if needs_attention(last.outcome) else "flaky"
    for one in earlier:
        _ending(case, one, prefix)
    if job.verdict.requirements:
        ET.SubElement(case, "system-out").text = "\n".join(_requirements(last))


def _ending(case: ET.Element, one: AttemptView, prefix: str) -> None:
    tag = _ELEMENTS.get(one.outcome) if prefix else _element(one.job, one.cell.known)
    if tag is None:
        return
    if not prefix and one.outcome is Outcome.PASSED:
        said = "; ".join(removal(entry, [one.job]) for entry in one.cell.known)
        ET.SubElement(case, tag, message=printable(said), type="unexpected pass")
        return
    reason = printable(one.job.verdict.reason)
    if one.known and not prefix:
        reason = printable(f"{one.job.verdict.reason}; {description(one.known)}".lstrip("; "))
    ending = ET.SubElement(
        case,
        prefix + tag.capitalize() if prefix else tag,
        message=f"{one.outcome}: {reason}".rstrip(": "),
    )
    if tag != "skipped":
        ending.set("type", one.outcome)
        ending.text = "\n".join(_explanation(one))


def _explanation(one: AttemptView) -> list[str]:
    job = one.job
    lines = [one.title]
    for group in one.groups:
        lines.append(_rule(group.requirement))
        for occurrence in group.occurrences[:MOST_LINES]:
            lines.append(f"  {formatting.occurrence(occurrence)}")
            lines += [f"    {formatting.place(at)}" for at in occurrence.evidence[:MOST_LINES]]
            lines += formatting.more(
                len(occurrence.evidence) - MOST_LINES, "packets", prefix="    "
            )
        lines += formatting.more(len(group.occurrences) - MOST_LINES, "messages", prefix="  ")
    lines += [f"bundle: {job.folder}"] if job.folder else []
    lines.append(f"again: {job.command}")
    return [printable(line) for line in lines]


def _requirements(one: AttemptView) -> list[str]:
    """A line for each requirement that is listed."""
    lines = []
    for result in one.requirements:
        details = formatting.status_details(result)
        lines.append(f"{result.status}: {_rule(result)}" + (f": {details}" if details else ""))
    if one.unlisted:
        lines += [
            f"{line}, in verdict.json" for line in formatting.more(one.unlisted, "requirements")
        ]
    return [printable(line) for line in lines]


def _rule(result: RequirementResult) -> str:
    return f"{result.level}: {result.text} [{result.citation}]"


def _properties(parent: ET.Element, facts: dict[str, str]) -> None:
    properties = ET.SubElement(parent, "properties")
    for name, value in facts.items():
        ET.SubElement(properties, "property", name=printable(name), value=printable(value))


def _element(job: JobResult, known: Sequence[KnownOutcome]) -> str | None:
    """What says how an attempt ended that decides; None if nothing has to."""
    if explains(job, known):
        return "skipped"
    if job.verdict.outcome is Outcome.PASSED and announced(job, known):
        return "failure"
    return _ELEMENTS.get(job.verdict.outcome)


def _sums(jobs: tuple[JobResult, ...], known: Sequence[KnownOutcome]) -> dict[str, str]:
    tags = [_element(job, known) for job in jobs]
    return {
        "tests": str(len(jobs)),
        "failures": str(tags.count("failure")),
        "errors": str(tags.count("error")),
        "skipped": str(tags.count("skipped")),
        "time": f"{sum(job.duration_s for job in jobs):.3f}",
    }


def _timestamp(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S")
