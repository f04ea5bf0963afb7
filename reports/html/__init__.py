"""index.html: the whole run on one self-contained page.

No file beside it, no request to anywhere and no script: its own Content-Security-Policy forbids
all of them, so that even a mistake in escaping could not run anything. Every fact on it is derived
from the result; links to captures and logs are relative, so a run's folder can be moved or
published as it is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from quicmatrix.reports import links
from quicmatrix.reports.html import chart, conformance, coverage, page
from quicmatrix.reports.html.environment import environment, style
from quicmatrix.runner.bundle.layout import ATTEMPT_FILE, OUTPUT_LOG
from quicmatrix.runner.bundle.records import read_series, write_file
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.measurement import TimeSeries
from quicmatrix.runner.model.run import JobResult
from quicmatrix.runner.results.conformance_report import conformance_report
from quicmatrix.runner.results.log_lines import LogEnd, ended_badly, last_lines
from quicmatrix.runner.results.matrix import EXPLANATIONS, MARKS, labels
from quicmatrix.runner.results.requirement_lists import STATUS_MARKS
from quicmatrix.runner.results.run_view import RunView
from quicmatrix.runner.trace.model import Side

FILE = "index.html"
_LOG_LINES = 10


def write(view: RunView, folder: Path) -> Path:
    """Write the page into the run's folder; a conformance run has one of its own, and coverage."""
    path = folder / FILE
    if view.run.is_conformance:
        text = conformance.render(view)
        write_file(folder / coverage.FILE, coverage.render().encode("utf-8"))
    else:
        text = render(view, _stored(view.run.jobs, folder))
    write_file(path, text.encode("utf-8"))
    return path


@dataclass(frozen=True, slots=True)
class Stored:
    """What the page needs to know of the bundles."""

    series: Mapping[str, TimeSeries] = field(default_factory=dict)
    """The time series of transfers, by the bundles' folders."""
    without_log: frozenset[tuple[str, Side]] = frozenset()
    """Bundles, by folder, and sides whose process never started, so that it has no log."""
    log_ends: Mapping[tuple[str, Side], LogEnd] = field(default_factory=dict)
    """By bundle and side, the ends of the logs of processes that did not end as they should."""


def render(view: RunView, stored: Stored | None = None) -> str:
    """The page's HTML."""
    stored = stored or Stored()
    # The matrix scrolls where it would get too narrow; a style attribute would need a laxer policy.
    width = f".matrix {{ min-width: {100 + 150 * len(view.run.servers)}px; }}\n"
    report = conformance_report(view.run)
    return (
        environment()
        .get_template("page.html")
        .render(
            view=view,
            page=page.page(view, stored.series),
            chart=chart,
            without_log=stored.without_log,
            log_ends=stored.log_ends,
            outcomes=EXPLANATIONS,
            labels=labels(view.run.tests),
            marks=MARKS,
            status_marks=STATUS_MARKS,
            attempt_file=ATTEMPT_FILE,
            **conformance.shared(view.run, report),
            compliance=conformance.parts(report),
            most_compliance=conformance.MOST_EXPLAINED,
            **style(width),
        )
    )


def _stored(jobs: tuple[JobResult, ...], folder: Path) -> Stored:
    """Look into the bundles. A damaged one has no time series, which is no reason to fail."""
    series: dict[str, TimeSeries] = {}
    without_log: set[tuple[str, Side]] = set()
    log_ends: dict[tuple[str, Side], LogEnd] = {}
    for job in jobs:
        if not links.inside(job.folder):
            continue
        bundle = folder / job.folder
        with contextlib.suppress(UserError):
            if job.sample and (found := read_series(bundle)):
                series[job.folder] = found
        without_log |= {
            (job.folder, side)
            for side in Side
            if bundle.is_dir() and not (bundle / side / OUTPUT_LOG).is_file()
        }
        for side in ended_badly(job.verdict) if len(log_ends) < page.MOST_EXPLAINED else ():
            if end := last_lines(bundle / side / OUTPUT_LOG, _LOG_LINES):
                log_ends[job.folder, side] = end
    return Stored(series, frozenset(without_log), log_ends)
