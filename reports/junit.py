"""junit.xml: what CI systems read. A suite for each client and server, a case for each repetition.

A ``<failure>`` is what an endpoint did (failed, timeout, crashed), an ``<error>`` what we could not
find out or do (inconclusive, error), ``<skipped>`` what an endpoint does not support. Attempts
before the last one, which decides, are in ``<flakyFailure>`` and ``<flakyError>`` where it passed
and in ``<rerunFailure>`` and ``<rerunError>`` where it did not, as Maven Surefire writes them.
Figures are properties: of each case its own, of the suite those of the client and server.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results import formatting
from quicmatrix.runner.results.matrix import Cell, matrix, needs_attention
from quicmatrix.runner.results.store import JobResult, RunResult, settled, write_file
from quicmatrix.runner.results.violation_groups import breaches

FILE = "junit.xml"
MOST_LINES = 10
"""How many packets of one sighting, and sightings of one requirement, are listed."""

_ELEMENTS = {
    Outcome.FAILED: "failure",
    Outcome.TIMEOUT: "failure",
    Outcome.CRASHED: "failure",
    Outcome.INCONCLUSIVE: "error",
    Outcome.ERROR: "error",
    Outcome.UNSUPPORTED: "skipped",
}


def write(result: RunResult, folder: Path) -> Path:
    """Write it into the run's folder."""
    path = folder / FILE
    write_file(path, render(result).encode("utf-8"))
    return path


def render(result: RunResult) -> str:
    """The XML document."""
    suites = ET.Element("testsuites", {"name": "quicmatrix", **_sums(settled(result.jobs))})
    for (client, server), cells in matrix(result.jobs, [t.letter for t in result.tests]).items():
        jobs = settled(job for cell in cells for job in cell.attempts)
        suite = ET.SubElement(
            suites,
            "testsuite",
            {
                "name": printable(f"client {client}, server {server}"),
                "timestamp": _timestamp(min(job.started_at for job in jobs)),
                **_sums(jobs),
            },
        )
        _properties(
            suite,
            {
                "client": client,
                "server": server,
                "run": result.run_id,
                "seed": str(result.seed),
                "complete": str(result.complete).lower(),
                **result.tools,
                **{name: value for cell in cells for name, value in _figures(cell).items()},
            },
        )
        for cell in cells:
            for job in settled(cell.attempts):
                _case(suite, job, cell)
    ET.indent(suites)
    text = ET.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _figures(cell: Cell) -> dict[str, str]:
    """What was measured, and why it is not to be trusted."""
    figure = cell.figure
    if figure is None:
        return {}
    facts = {
        cell.letter: formatting.figure(figure),
        f"{cell.letter} details": formatting.figure_details(figure),
    }
    return facts | ({f"{cell.letter} doubts": "; ".join(figure.doubts)} if figure.doubts else {})


def _case(suite: ET.Element, job: JobResult, cell: Cell) -> None:
    attempts = [one for one in cell.attempts if one.repetition == job.repetition]
    case = ET.SubElement(
        suite,
        "testcase",
        # CI systems tell cases apart by these two over time, so both stay the same in every run.
        classname=printable(f"{job.client}_{job.server}"),
        name=printable(job.test) + (f" {job.repetition}" if cell.repeated else ""),
        time=f"{sum(one.duration_s for one in attempts):.3f}",
    )
    facts = {"outcome": job.verdict.outcome, "seed": str(job.seed), "bundle": job.folder}
    if job.verdict.version is not None:
        facts["quic_version"] = formatting.version(job.verdict.version)
    if cell.flaky:
        facts["flaky"] = formatting.passed(cell)
    if job.sample:
        facts["kbps"] = f"{job.sample.kbps:.3f}"
        if job.sample.tcp_share is not None:
            facts["tcp_share"] = f"{job.sample.tcp_share:.4f}"
        if job.sample.doubt:
            facts["doubt"] = job.sample.doubt
    _properties(case, facts)
    _ending(case, job, cell, "")
    prefix = "rerun" if needs_attention(job.verdict.outcome) else "flaky"
    for earlier in attempts[:-1]:
        _ending(case, earlier, cell, prefix)


def _ending(case: ET.Element, job: JobResult, cell: Cell, prefix: str) -> None:
    tag = _ELEMENTS.get(job.verdict.outcome)
    if tag is None:
        return
    reason = printable(job.verdict.reason)
    ending = ET.SubElement(
        case,
        prefix + tag.capitalize() if prefix else tag,
        message=f"{job.verdict.outcome}: {reason}".rstrip(": "),
    )
    if tag != "skipped":
        ending.set("type", job.verdict.outcome)
        ending.text = "\n".join(_explanation(job, cell))


def _explanation(job: JobResult, cell: Cell) -> list[str]:
    lines = [formatting.title(job, repeated=cell.repeated, retried=cell.retried)]
    for breach in breaches(job.verdict.violations):
        if breach.text:
            lines.append(f"{breach.level}: {breach.text} [{breach.citation}]")
        for sighting in breach.sightings[:MOST_LINES]:
            by = f"by the {sighting.side}: " if sighting.side else ""
            lines.append(f"  {by}{sighting.message}")
            lines += [f"    {formatting.place(one)}" for one in sighting.evidence[:MOST_LINES]]
            lines += formatting.more(len(sighting.evidence) - MOST_LINES, "packets", prefix="    ")
        lines += formatting.more(len(breach.sightings) - MOST_LINES, "messages", prefix="  ")
    lines += [f"bundle: {job.folder}"] if job.folder else []
    lines.append(f"again: {job.command}")
    return [printable(line) for line in lines]


def _properties(parent: ET.Element, facts: dict[str, str]) -> None:
    properties = ET.SubElement(parent, "properties")
    for name, value in facts.items():
        ET.SubElement(properties, "property", name=printable(name), value=printable(value))


def _sums(jobs: tuple[JobResult, ...]) -> dict[str, str]:
    tags = [_ELEMENTS.get(job.verdict.outcome) for job in jobs]
    return {
        "tests": str(len(jobs)),
        "failures": str(tags.count("failure")),
        "errors": str(tags.count("error")),
        "skipped": str(tags.count("skipped")),
        "time": f"{sum(job.duration_s for job in jobs):.3f}",
    }


def _timestamp(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S")
