"""The measurements of the standard suite: how fast, where tests say whether."""

from __future__ import annotations

from quicmatrix.testcases.measurements.crosstraffic import CROSSTRAFFIC
from quicmatrix.testcases.measurements.goodput import GOODPUT
from quicmatrix.testcases.model import TestCase

TESTCASES: tuple[TestCase, ...] = (GOODPUT, CROSSTRAFFIC)
"""In the order in which a matrix shows them."""
