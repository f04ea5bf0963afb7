from __future__ import annotations

import pytest
from golden_run import golden_run

from runner.store import RunResult


@pytest.fixture
def golden() -> RunResult:
    return golden_run()
