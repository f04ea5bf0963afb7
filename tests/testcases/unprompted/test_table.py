from __future__ import annotations

import pytest

from quicmatrix.runner.model.verdict import Status
from quicmatrix.testcases.unprompted.table import UNPROMPTED
from tests.support.all_stories import stories


@pytest.mark.parametrize("status", [Status.HELD, Status.VIOLATED])
def test_each_requirement_is_held_by_a_trace_and_violated_by_another(status: Status) -> None:
    told = {story.requirement.name for story in stories() if story.status is status}
    assert sorted(one.id for one in UNPROMPTED if one.requirement.name not in told) == []
