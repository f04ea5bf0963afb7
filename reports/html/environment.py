"""What the pages have in common: how templates are rendered, and the style sheet in each page."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from quicmatrix.reports import links
from quicmatrix.reports.html import page
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results import formatting
from quicmatrix.runner.results.known_outcomes import cause

_HERE = Path(__file__).parent


def environment() -> Environment:
    """Renders the templates of this folder; whatever they show is printable, and then escaped."""
    found = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    found.filters |= {
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
    return found


def style(more: str = "") -> dict[str, str | Markup]:
    """The style sheet, and its hash, which the page's Content-Security-Policy names.

    Args:
        more: Rules that only this page has.
    """
    text = (_HERE / "style.css").read_text(encoding="utf-8") + more
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return {"style": Markup(text), "style_hash": digest}  # noqa: S704 - our own file


def _printable(value: object) -> object:
    """What every expression of a template passes through, before it is escaped."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
