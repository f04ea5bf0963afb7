"""Hints that name scripts of the repository, which an installed wheel does not have."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def script_hint(hint: str, root: Path = ROOT) -> str:
    """A hint that begins with ``scripts/NAME``; outside of a checkout it says where that is."""
    if (root / hint.split(maxsplit=1)[0]).is_file():
        return hint
    return f"in a checkout of quicmatrix, {hint}"
