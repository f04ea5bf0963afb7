from __future__ import annotations

import runpy
from pathlib import Path

from quicmatrix.runner.plan import select

ROOT = Path(__file__).parent.parent


def test_the_page_of_test_cases_is_what_the_declarations_say() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "docs.py"))
    page = script["page"](select.testcases())
    assert (ROOT / "docs" / "testcases.md").read_text() == page, "run scripts/docs.py"


def test_every_requirement_stands_in_it_with_its_source() -> None:
    page = (ROOT / "docs" / "testcases.md").read_text()
    for case in select.testcases():
        for requirement in case.requirements:
            assert f"{requirement.text} | {requirement.citation} |" in page
