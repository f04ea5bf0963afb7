"""A judge without processes and captures, for runs over fakes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from quicmatrix.runner.bundle.records import read_attempt
from quicmatrix.runner.bundle.tester_log import read_steps
from quicmatrix.runner.judge.judge import Policy, judge
from quicmatrix.runner.model.measurement import Sample
from quicmatrix.runner.model.verdict import Judgement, Outcome
from quicmatrix.runner.trace.model import Capture, Side, Trace
from quicmatrix.testcases.model import Observation, TestCase

NO_TRACE = Trace(Capture(Side.CLIENT), Capture(Side.SERVER))


@dataclass(frozen=True, slots=True)
class InProcessJudge:
    """See :class:`quicmatrix.runner.judge.pool.Judge`. All captures are empty."""

    tests: Mapping[str, TestCase]
    judging: Callable[[Path], None] = lambda _: None
    """Called before a bundle is judged."""

    async def judge(self, bundle: Path) -> Judgement:
        self.judging(bundle)
        record = read_attempt(bundle)
        test = self.tests[record.test]
        steps = () if record.tester is None else read_steps(bundle, record.tester)
        verdict = judge(Observation(NO_TRACE, record, steps), test, Policy())
        passed = verdict.outcome is Outcome.PASSED
        sample = Sample(test.metric(NO_TRACE)) if test.metric and passed else None
        return Judgement(verdict, judged_at=time.time(), duration_s=0.0, sample=sample)
