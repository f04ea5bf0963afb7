"""From what was observed of a conformance attempt to its verdict. Pure.

One side is the implementation under test, the other the tester, which is ours. The order in which
facts decide, the first that applies:

=============  ===================================================================================
error          the runner or the machine failed, or a check raised something unforeseen
unsupported    the case's control was, or the implementation exited with 127
inconclusive   the case's control did not pass, so the case was not started
failed         the implementation did not exit with 127 when asked for an unknown TESTCASE
crashed        the implementation was ended by a signal of its own making, reached a limit, or was
               a server that ended before the tester was done
timeout        it was a server that was never ready, or a client that sent nothing in its time
error          the tester failed, was not done in time, or reached a limit
inconclusive   the network broke the attempt (level PRECONDITION)
failed         a requirement of level TEST was violated: a control's flow is not complete
inconclusive   such a requirement is not determined, or a capture is damaged
nonconformant  a MUST was violated; under ``--strict`` a SHOULD too
inconclusive   a MUST is undetermined (under ``--strict`` a SHOULD too), or the case's own
               requirement is undetermined or was not exercised
passed         none of that
=============  ===================================================================================

The tester is looked at after the implementation, since a peer that dies may be why it failed. Where
the link was not the scenario's, what no packet shows is undetermined, as in
:mod:`quicmatrix.runner.judge.judge`. Exit codes other than 127 never decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from quicmatrix.runner.judge.evaluate import CheckError, evaluate
from quicmatrix.runner.judge.facts import (
    crash,
    damage,
    impairment,
    negotiated_version,
    with_gaps,
)
from quicmatrix.runner.judge.reasons import open_questions, undetermined, violations
from quicmatrix.runner.model.attempt import AttemptRecord, Ending
from quicmatrix.runner.model.verdict import Outcome, RequirementResult, Status, Verdict
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Level, Observation, TestCase

_UNSUPPORTED = 127


def judge_case(seen: Observation, test: TestCase, tester: Side, *, strict: bool) -> Verdict:
    """The verdict on one attempt at a conformance case or control.

    Args:
        seen: What was recorded.
        test: The case.
        tester: The side that is ours.
        strict: Whether a SHOULD decides too.
    """
    before = next(_before_requirements(seen, test, tester), None)
    if before is not None:
        return Verdict(*before)
    try:
        results = tuple(evaluate(one, with_gaps(seen)) for one in test.requirements)
    except CheckError as error:
        return Verdict(Outcome.ERROR, str(error))
    if link := impairment(seen.record):
        results = tuple(undetermined(one, link) for one in results)
    reasons = _reasons(seen, results, test, tester, strict=strict)
    outcome, reason = next(reasons, (Outcome.PASSED, ""))
    return Verdict(outcome, reason, results, negotiated_version(seen.trace.near(tester.peer)))


def _before_requirements(
    seen: Observation, test: TestCase, tester: Side
) -> Iterator[tuple[Outcome, str]]:
    """What decides where nothing was exchanged that requirements could be about."""
    record, side = seen.record, tester.peer
    its, control = record.side(side), record.control
    if record.fault:
        yield Outcome.ERROR, record.fault
    if control is not None and control.problem:
        outcome = Outcome.UNSUPPORTED if control.unsupported else Outcome.INCONCLUSIVE
        yield outcome, f"its control {control.test} {control.problem}"
    if its.ending is Ending.EXITED and its.exit_code == _UNSUPPORTED:
        testcase = test.client if side is Side.CLIENT else test.server
        words = f"the {side} exited with 127: it does not support TESTCASE {testcase}"
        yield Outcome.UNSUPPORTED, words
    if its.unknown_testcase:
        yield Outcome.FAILED, f"the {side}: {its.unknown_testcase}"


def _reasons(
    seen: Observation,
    results: Sequence[RequirementResult],
    test: TestCase,
    tester: Side,
    *,
    strict: bool,
) -> Iterator[tuple[Outcome, str]]:
    """Every outcome that something speaks for, the one that decides first."""
    of_level = {level: [one for one in results if one.level is level] for level in Level}
    deciding = [
        one for one in results if one.level is Level.MUST or (strict and one.level is Level.SHOULD)
    ]
    for outcome, reason in (
        (Outcome.CRASHED, _crashed(seen.record, tester.peer)),
        (Outcome.TIMEOUT, _timeout(seen, test, tester.peer)),
        (Outcome.ERROR, _problem_of_tester(seen, test, tester)),
        (Outcome.INCONCLUSIVE, violations(of_level[Level.PRECONDITION])),
        (Outcome.FAILED, violations(of_level[Level.TEST])),
        (Outcome.INCONCLUSIVE, open_questions(of_level[Level.TEST]) or damage(seen)),
        (Outcome.NONCONFORMANT, violations(deciding)),
        (Outcome.INCONCLUSIVE, open_questions(deciding) or _own_question(results)),
    ):
        if reason:
            yield outcome, reason


def _own_question(results: Sequence[RequirementResult]) -> str:
    """Why it is not known whether the case's own requirement holds, which is its first."""
    for one in results[:1]:
        if one.status in (Status.UNDETERMINED, Status.NOT_EXERCISED):
            return f"{one.requirement}: {one.reason or 'there was nothing to which it applies'}"
    return ""


def _crashed(record: AttemptRecord, side: Side) -> str:
    its = record.side(side)
    if reason := crash(side, its):
        return reason
    if side is Side.SERVER and its.ending is Ending.EXITED and not impairment(record):
        when = "the tester was done" if record.server_ready else "it was ready"
        return f"the server exited with {its.exit_code} before {when}"
    return ""


def _timeout(seen: Observation, test: TestCase, side: Side) -> str:
    record, capture = seen.record, seen.trace.near(side)
    if side is Side.SERVER:
        silent = record.server.ending is not Ending.NOT_STARTED and not record.server_ready
        return "the server answered no Version Negotiation probe" if silent else ""
    sent = capture.damage or any(one.sender is side for one in capture.datagrams)
    if record.client.ending is Ending.OUT_OF_TIME and not sent:
        return f"the client sent nothing in {_time(record, test)}"
    return ""


def _problem_of_tester(seen: Observation, test: TestCase, tester: Side) -> str:
    """What went wrong with the tester; that it was stopped when its peer was gone is not wrong."""
    record, its = seen.record, seen.record.side(tester)
    if its.ending is Ending.NOT_STARTED:
        return ""
    last = "".join(f"; its last step: {step.kind} {step.text}" for step in seen.steps[-1:]).rstrip()
    failed = [step.text for step in seen.steps if step.kind == "failed"]
    exited = its.ending is Ending.EXITED
    overflow = crash("tester", its)
    problems = (
        (overflow, overflow),
        (not record.server_ready, "the tester answered no Version Negotiation probe"),
        (failed, f"the tester failed: {''.join(failed[-1:])}"),
        (
            record.client.ending is Ending.OUT_OF_TIME,
            f"the tester was not done after {_time(record, test)}{last}",
        ),
        (exited and its.exit_code != 0, f"the tester exited with {its.exit_code}{last}"),
        (its.ending is Ending.KILLED, f"the tester did not end when it was stopped{last}"),
        (
            exited and not any(step.kind == "done" for step in seen.steps),
            f"the tester's log has no end{last}",
        ),
    )
    return next((problem for is_so, problem in problems if is_so), "")


def _time(record: AttemptRecord, test: TestCase) -> str:
    return f"{record.timeout_s or test.timeout_s:g} s"
