"""The page's colours: text can be read on its background, in light and dark (WCAG 2.1, AA)."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pytest

from quicmatrix.reports import html
from quicmatrix.runner.model.verdict import Outcome

STYLE = (Path(html.__file__).parent / "style.css").read_text(encoding="utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block))
    for block in re.findall(r":root {(.*?)}", STYLE, re.DOTALL)[:2]
)
PAIRS = [
    *(
        (background, text)
        for outcome in Outcome
        for background, text in re.findall(
            rf"\.badge\.{outcome} {{ background: var\(--([a-z-]+)\); color: var\(--([a-z-]+)\);",
            STYLE,
        )
    ),
    *(
        ("sheet", text)
        for text in re.findall(r"\.status\.[a-z-]+ { color: var\(--([a-z-]+)\); }", STYLE)
    ),
]


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.1 defines it."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4
        for value in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_formula_is_wcag_s() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_every_outcome_and_status_is_covered() -> None:
    assert len(PAIRS) == len(Outcome) + 4


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("background", "text"), PAIRS)
def test_text_has_the_contrast_of_level_aa(
    colours: dict[str, str], background: str, text: str
) -> None:
    assert contrast((LIGHT | colours)[background], (LIGHT | colours)[text]) >= 4.5


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_each_outcome_has_a_background_and_text_of_its_own(colours: dict[str, str]) -> None:
    shown = [((LIGHT | colours)[a], (LIGHT | colours)[b]) for a, b in PAIRS[: len(Outcome)]]
    assert all(one != other for one, other in combinations(shown, 2))
