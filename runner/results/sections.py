"""The order of requirements: by RFC, then by section as numbers, then by name."""

from __future__ import annotations

SectionOrder = tuple[tuple[int, str], tuple[tuple[int, str], ...], str]


def section_order(name: str) -> SectionOrder:
    """What sorts ids such as ``rfc9000/4.5/final-size``; those of no RFC come first."""
    rfc, section, rest = (*name.split("/", 2), "", "")[:3]
    parts = tuple(_number(part) for part in section.split("."))
    return _number(rfc.removeprefix("rfc")), parts, rest


def _number(word: str) -> tuple[int, str]:
    """Words before numbers."""
    return (int(word), "") if word.isascii() and word.isdigit() else (-1, word)
