"""All stories that the tests of the test cases tell."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path

from tests.support.story import Story

TESTS = Path(__file__).parents[1] / "testcases"


@cache
def stories() -> tuple[Story, ...]:
    """The stories in ``STORIES`` of each test module, in the order of the modules."""
    modules = [
        f"tests.testcases.{'.'.join(path.relative_to(TESTS).with_suffix('').parts)}"
        for path in sorted(TESTS.rglob("test_*.py"))
    ]
    return tuple(
        story
        for module in modules
        for story in getattr(importlib.import_module(module), "STORIES", ())
        if isinstance(story, Story)
    )
