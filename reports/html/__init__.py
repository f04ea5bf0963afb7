"""index.html: the whole run on one self-contained page.

No file beside it, no request to anywhere and no script: its own Content-Security-Policy forbids
all of them, so that even a mistake in escaping could not run anything. Every fact on it is derived
from the result; links to captures and logs are relative, so a run's folder can be moved or
published as it is.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from quicmatrix.reports import links
from quicmatrix.reports.html import chart, page
from quicmatrix.runner.bundle.layout import ATTEMPT_FILE, OUTPUT_LOG, VERDICT_FILE
from quicmatrix.runner.bundle.records import read_series, write_file
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.measurement import TimeSeries
from quicmatrix.runner.model.run import JobResult
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results import formatting
from quicmatrix.runner.results.known_outcomes import cause
from quicmatrix.runner.results.log_lines import LogEnd, ended_badly, last_lines
from quicmatrix.runner.results.matrix import EXPLANATIONS, MARKS, labels
from quicmatrix.runner.results.requirement_lists import STATUS_MARKS
from quicmatrix.runner.results.run_view import RunView
from quicmatrix.runner.trace.model import Side

FILE = "index.html"
_LOG_LINES = 10
_HERE = Path(__file__).parent


def write(view: RunView, folder: Path) -> Path:
    """Write the page into the run's folder."""
    path = folder / FILE
    write_file(path, render(view, _stored(view.run.jobs, folder)).encode("utf-8"))
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
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.filters |= {
        "duration": formatting.duration,
        "metric": formatting.metric,
        "metric_details": formatting.metric_details,
        "passed": formatting.passed,
        "moment": formatting.moment,
        "version": formatting.version,
        "capture_name": formatting.capture_name,
        "packet_name": formatting.packet_name,
        "overridden": formatting.overridden,
        "status_summary": formatting.status_summary,
        "status_details": formatting.status_details,
        "rfc": links.rfc,
        "project": links.project,
        "inside": links.inside,
        "capture": links.capture,
        "log": links.log,
        "anchor": page.anchor,
        "known": cause,
        "worst": page.worst,
        "wireshark": page.wireshark_filter,
    }
    # The matrix scrolls where it would get too narrow; a style attribute would need a laxer policy.
    width = f".matrix {{ min-width: {100 + 150 * len(view.run.servers)}px; }}\n"
    style = (_HERE / "style.css").read_text(encoding="utf-8") + width
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
    return environment.get_template("page.html").render(
        run=view.run,
        view=view,
        page=page.page(view, stored.series),
        chart=chart,
        without_log=stored.without_log,
        log_ends=stored.log_ends,
        explanations=EXPLANATIONS,
        labels=labels(view.run.tests),
        marks=MARKS,
        status_marks=STATUS_MARKS,
        attempt_file=ATTEMPT_FILE,
        verdict_file=VERDICT_FILE,
        sides=tuple(Side),
        style=Markup(style),  # noqa: S704 - our own file, whose hash the page's policy names
        style_hash=digest,
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


def _printable(value: object) -> object:
    """What every expression of the template passes through, before it is escaped."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
