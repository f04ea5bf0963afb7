"""The only links that reports contain: to RFCs, to projects, and to files of the run's folder.

Anything else gets no link, so that a name that an endpoint chose can never become a script, or a
path out of the folder.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import quote, urlsplit

from quicmatrix.runner.bundle.layout import LEFT_CAPTURE, OUTPUT_LOG, RIGHT_CAPTURE
from quicmatrix.runner.trace.model import Side

_CITATION = re.compile(r"RFC (?P<rfc>[1-9][0-9]{0,4})(?:, (?P<section>[A-Z0-9]+(?:\.[0-9]+)*))?")


def rfc(citation: str) -> str:
    """Where ``RFC 9000, 8.1.2`` or ``RFC 9001, A.1`` can be read; empty for anything else."""
    match = _CITATION.fullmatch(citation)
    if match is None:
        return ""
    page = f"https://www.rfc-editor.org/rfc/rfc{match['rfc']}.html"
    section = match["section"]
    if section is None:
        return page
    return f"{page}#{'section' if section[0].isdigit() else 'appendix'}-{section}"


def project(url: str) -> str:
    """The URL itself if it is a plain web address; empty for anything else."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    harmless = url.isprintable() and not any(char in url for char in " \"'<>`\\")
    return url if harmless and parts.scheme in {"http", "https"} and parts.hostname else ""


def inside(folder: str, *names: str) -> str:
    """A relative URL of something in a bundle; empty if that would leave the run's folder."""
    if not folder:
        return ""
    parts = (*PurePosixPath(folder).parts, *names)
    if any(part == ".." or part.startswith("/") or not part.isprintable() for part in parts):
        return ""
    return "./" + "/".join(quote(part, safe="") for part in parts)


def capture(folder: str, side: Side) -> str:
    """The capture of a bundle that was taken at that side, named as quic-interop-runner does."""
    return inside(folder, *(LEFT_CAPTURE if side is Side.CLIENT else RIGHT_CAPTURE).parts)


def log(folder: str, side: Side) -> str:
    """The standard output and error of that side's process."""
    return inside(folder, side, OUTPUT_LOG)
