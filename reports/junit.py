"""junit.xml: what CI systems read. A suite for each client and server, a case for each attempt.

A ``<failure>`` is what an endpoint did (failed, timeout, crashed), an ``<error>`` what we could not
find out or do (inconclusive, error), ``<skipped>`` what an endpoint does not support.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from runner import wording
from runner.breaches import breaches
from runner.matrix import matrix
from runner.model import Outcome
from runner.printable import printable
from runner.store import JobResult, RunResult, write_file

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
    suites = ET.Element("testsuites", {"name": "quicmatrix", **_sums(result.jobs)})
    for (client, server), cells in matrix(result.jobs, [t.letter for t in result.tests]).items():
        jobs = tuple(job for cell in cells for job in cell.attempts)
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
            },
        )
        for cell in cells:
            for job in cell.attempts:
                _case(suite, job, repeated=len(cell.attempts) > 1)
    ET.indent(suites)
    text = ET.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _case(suite: ET.Element, job: JobResult, *, repeated: bool) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        # CI systems tell cases apart by these two over time, so both stay the same in every run.
        classname=printable(f"{job.client}_{job.server}"),
        name=printable(job.test) + (f" {job.repetition}" if repeated else ""),
        time=f"{job.duration_s:.3f}",
    )
    facts = {"outcome": job.verdict.outcome, "seed": str(job.seed), "bundle": job.folder}
    if job.verdict.version is not None:
        facts["quic_version"] = wording.version(job.verdict.version)
    _properties(case, facts)
    tag = _ELEMENTS.get(job.verdict.outcome)
    if tag is None:
        return
    reason = printable(job.verdict.reason)
    ending = ET.SubElement(case, tag, message=f"{job.verdict.outcome}: {reason}".rstrip(": "))
    if tag != "skipped":
        ending.set("type", job.verdict.outcome)
        ending.text = "\n".join(_explanation(job, repeated=repeated))


def _explanation(job: JobResult, *, repeated: bool) -> list[str]:
    lines = [wording.title(job, repeated=repeated)]
    for breach in breaches(job.verdict.violations):
        if breach.text:
            lines.append(f"{breach.level}: {breach.text} [{breach.citation}]")
        for sighting in breach.sightings[:MOST_LINES]:
            by = f"by the {sighting.side}: " if sighting.side else ""
            lines.append(f"  {by}{sighting.message}")
            lines += [f"    {wording.place(one)}" for one in sighting.evidence[:MOST_LINES]]
            lines += wording.more(len(sighting.evidence) - MOST_LINES, "packets", prefix="    ")
        lines += wording.more(len(breach.sightings) - MOST_LINES, "messages", prefix="  ")
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
