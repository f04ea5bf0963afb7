"""Reads a bundle, decodes its captures and judges it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from quicmatrix.runner.bundle.layout import SERIES_FILE
from quicmatrix.runner.bundle.records import read_attempt, write_series
from quicmatrix.runner.bundle.stored_captures import CAPTURES, damages
from quicmatrix.runner.bundle.tester_log import read_steps
from quicmatrix.runner.errors import UserError, raised_at
from quicmatrix.runner.judge.compat import has_key_log
from quicmatrix.runner.judge.compliance import compliance
from quicmatrix.runner.judge.facts import with_gaps
from quicmatrix.runner.judge.judge import Policy, judge
from quicmatrix.runner.judge.measure import measure
from quicmatrix.runner.model.attempt import AttemptRecord
from quicmatrix.runner.model.measurement import Sample
from quicmatrix.runner.model.verdict import Judgement, Outcome, Verdict
from quicmatrix.runner.network.recording.link_log import DamagedLinkLog, LinkLog, read_link_log
from quicmatrix.runner.network.recording.recorder import LINK_LOG
from quicmatrix.runner.trace.model import Side, Trace
from quicmatrix.testcases.model import Observation, TestCase, Unprompted


def judge_bundle(
    bundle: Path,
    tests: Mapping[str, TestCase],
    policy: Policy,
    unprompted: Iterable[Unprompted] = (),
) -> Judgement:
    """The verdict on a stored attempt, and what it measured; writes nothing but a time series.

    Args:
        bundle: Its folder.
        tests: The test cases by name.
        policy: Which requirements decide.
        unprompted: What is asked of all that endpoints send of themselves.

    Raises:
        UserError: The folder is no bundle, or its test is not known.
    """
    began = time.monotonic()
    record = read_attempt(bundle)
    if record.test not in tests:
        raise UserError(
            f"{bundle}: there is no test called {record.test!r}",
            "the bundle was made with test cases that are not installed here",
        )
    try:
        seen = _observed(bundle, record)
        verdict, sample = _judge(bundle, seen, tests[record.test], policy)
        found = compliance(with_gaps(seen), unprompted)
    except (UserError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - a bug of ours is this attempt's error alone
        reason = f"judging it raised {error!r} ({raised_at(error)})"
        verdict, sample, found = Verdict(Outcome.ERROR, reason), None, ()
    return Judgement(
        verdict,
        judged_at=time.time(),
        duration_s=time.monotonic() - began,
        sample=sample,
        compat=policy.compat,
        strict=policy.strict,
        compliance=found,
    )


def _observed(bundle: Path, record: AttemptRecord) -> Observation:
    steps = () if record.tester is None else read_steps(bundle, record.tester)
    return Observation(decode(bundle, record), record, steps)


def _judge(
    bundle: Path, seen: Observation, test: TestCase, policy: Policy
) -> tuple[Verdict, Sample | None]:
    verdict = judge(seen, test, policy, key_log=not policy.compat or has_key_log(bundle))
    if test.metric is not None and verdict.outcome in (Outcome.PASSED, Outcome.NONCONFORMANT):
        return _measure(bundle, seen, test, verdict)
    return verdict, None


def decode(bundle: Path, record: AttemptRecord | None = None) -> Trace:
    """Decode both captures of a bundle; a missing one is a damaged one.

    Of a conformance case only the one next to the implementation, which alone decides: it stands
    for both then.

    Args:
        bundle: Its folder.
        record: What they are compared with: one that is not what it says is a damaged one, too.
    """
    from quicmatrix.runner.trace import tshark  # noqa: PLC0415 - only judging needs it

    tester = None if record is None else record.tester
    is_case = record is not None and record.control is not None
    damage = damages(bundle, record) if record is not None else dict.fromkeys(Side, "")

    captures = {
        side: replace(capture, damage=capture.damage or damage[side])
        for side, path in CAPTURES.items()
        if not (is_case and side is tester)
        for capture in [tshark.decode_now(bundle / path, side, digests=tester is not None)]
    }
    if len(captures) == 1:
        (only,) = captures.values()
        return Trace(only, only)
    return Trace(captures[Side.CLIENT], captures[Side.SERVER])


def _measure(
    bundle: Path, seen: Observation, test: TestCase, verdict: Verdict
) -> tuple[Verdict, Sample | None]:
    """What an attempt that works measured. Its time series is stored if it is not there yet."""
    try:
        measured = measure(seen, test, _link_log(bundle))
    except Exception as error:  # noqa: BLE001 - a metric's bug must not end the run
        reason = f"the metric of {test.name} raised {error!r}"
        return replace(verdict, outcome=Outcome.ERROR, reason=reason), None
    if measured.sample is None:
        return replace(verdict, outcome=Outcome.INCONCLUSIVE, reason=measured.problem), None
    if measured.series and not (bundle / SERIES_FILE).exists():
        write_series(measured.series, bundle)
    return verdict, measured.sample


def _link_log(bundle: Path) -> LinkLog | None:
    """What the link logged; None if nothing that can be read."""
    try:
        return read_link_log(bundle / "sim" / LINK_LOG)
    except (OSError, DamagedLinkLog):
        return None


def unjudged(reason: str) -> Judgement:
    """The judgement of a bundle that could not be judged, by our fault."""
    return Judgement(Verdict(Outcome.ERROR, reason), judged_at=time.time(), duration_s=0.0)
