"""index.html: the whole run on one self-contained page.

No file beside it, no request to anywhere and no script: its own Content-Security-Policy forbids
all of them, so that even a mistake in escaping could not run anything. Every fact on it is derived
from the result; links to captures and logs are relative, so a run's folder can be moved or
published as it is.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports import links
from reports.html import page
from runner import wording
from runner.breaches import breaches
from runner.matrix import EXPLANATIONS
from runner.printable import printable
from runner.store import RunResult, write_file
from runner.trace.model import Side

FILE = "index.html"
MOST_PACKETS = 40
"""How many packets of one sighting are listed: whoever needs more opens the capture."""
MOST_SIGHTINGS = 20
_HERE = Path(__file__).parent


def write(result: RunResult, folder: Path) -> Path:
    """Write the page into the run's folder."""
    path = folder / FILE
    write_file(path, render(result).encode("utf-8"))
    return path


def render(result: RunResult) -> str:
    """The page's HTML."""
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.filters |= {
        "duration": wording.duration,
        "moment": wording.moment,
        "version": wording.version,
        "capture_name": wording.capture_name,
        "packet_name": wording.packet_name,
        "breaches": breaches,
        "rfc": links.rfc,
        "project": links.project,
        "inside": links.inside,
        "capture": links.capture,
        "log": links.log,
        "anchor": page.anchor,
        "wireshark": page.wireshark_filter,
    }
    # The matrix scrolls where it would get too narrow; a style attribute would need a laxer policy.
    width = f".matrix {{ min-width: {100 + 150 * len(result.servers)}px; }}\n"
    style = (_HERE / "style.css").read_text(encoding="utf-8") + width
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
    return environment.get_template("page.html").render(
        run=result,
        page=page.page(result),
        explanations=EXPLANATIONS,
        sides=tuple(Side),
        most_packets=MOST_PACKETS,
        most_sightings=MOST_SIGHTINGS,
        style=Markup(style),  # noqa: S704 - our own file, whose hash the page's policy names
        style_hash=digest,
    )


def _printable(value: object) -> object:
    """What every expression of the template passes through, before it is escaped."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
