"""From what was observed of an attempt to its verdict. Pure.

Attempts with a tester have a table of their own (:mod:`.conformance`). The order in which facts
decide on all others, the first that applies:

=============  ===================================================================================
error          the runner or the machine failed, or a check raised something unforeseen
unsupported    an endpoint exited with 127; under ``--compat`` see :mod:`.compat`
crashed        an endpoint was ended by a signal of its own making, wrote more than its log may
               hold, used more memory than it may, reached a limit of processes or of a folder,
               or was a server that ended too early; under ``--compat`` none of
               that decides
inconclusive   the network broke the attempt (level PRECONDITION): that is nobody's fault
timeout        the client was not done in time, or the server was not ready in time
failed         a requirement was violated that the test case is about (level TEST), or a MUST that
               quic-interop-runner checks too; under ``--compat`` any that it checks
inconclusive   such a requirement is undetermined, one of level TEST was not exercised, or a
               capture is damaged
nonconformant  a MUST was violated; under ``--strict`` a SHOULD too
inconclusive   a MUST is undetermined; under ``--strict`` a SHOULD too
passed         none of that
=============  ===================================================================================

What we or the machine did comes before what leans on it. Where a capture misses something, every
view of it has a gap (:mod:`quicmatrix.testcases.views.view`). Where the link was not the
scenario's, because the kernel lost frames or deliveries were late, an endpoint may have failed for
that alone: a timeout, a server that exited, a violation that no packet shows and one of level TEST
are then undetermined. So are they, but for the server, where the scenario's chance took all there
was of something needed (:mod:`.luck`); under ``--compat`` that is no excuse.
An endpoint that a signal ended has crashed all the same, and a MUST that a packet shows to be
broken is broken.
The requirements of a test case are in the order of causes: what comes first explains what comes
after it. So the reason is the first violation, and a MUST before the one that decides is its cause.

Requirements are checked, and what became of them is shown, whenever there was traffic to check.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from quicmatrix.runner.judge import compat
from quicmatrix.runner.judge.conformance import judge_case
from quicmatrix.runner.judge.evaluate import CheckError, evaluate
from quicmatrix.runner.judge.facts import (
    crash,
    damage,
    impairment,
    negotiated_version,
    with_gaps,
)
from quicmatrix.runner.judge.luck import luck
from quicmatrix.runner.judge.reasons import (
    leans_on_the_link,
    open_questions,
    undetermined,
    violations,
    without_attempt,
)
from quicmatrix.runner.model.attempt import AttemptRecord, Ending
from quicmatrix.runner.model.verdict import Outcome, RequirementResult, Status, Verdict
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Level, Observation, Requirement, TestCase


@dataclass(frozen=True, slots=True)
class Policy:
    """Which requirements decide."""

    compat: bool = False
    """By what quic-interop-runner checks alone."""
    strict: bool = False
    """SHOULD too."""

    def checks(self, one: RequirementResult) -> bool:
        """Whether a requirement is looked at at all."""
        return one.compat or not self.compat

    def fails(self, one: RequirementResult) -> bool:
        """Whether violating it means that the test case failed."""
        if self.compat:
            return one.compat
        return one.level is Level.TEST or (one.level is Level.MUST and one.compat)

    def conforms(self, one: RequirementResult) -> bool:
        """Whether violating it means that an endpoint is nonconformant."""
        return one.level is Level.MUST or (self.strict and one.level is Level.SHOULD)


def judge(
    seen: Observation, test: TestCase, policy: Policy = Policy(), *, key_log: bool = True
) -> Verdict:
    """The verdict on one attempt.

    Args:
        seen: What was recorded.
        test: The case that was run.
        policy: Which requirements decide.
        key_log: Whether a side wrote a key log; under ``--compat`` some tests need one.
    """
    record = seen.record
    if record.tester is not None:
        return judge_case(seen, test, record.tester, strict=policy.strict)
    if record.fault:
        return Verdict(Outcome.ERROR, record.fault)
    if reason := _unsupported(record):
        return Verdict(Outcome.UNSUPPORTED, reason)
    if policy.compat and (reason := compat.without_key_log(record, key_log=key_log)):
        return Verdict(Outcome.UNSUPPORTED, reason)
    wanted: Sequence[Requirement[Observation]] = test.requirements
    if policy.compat:
        wanted = [compat.as_it_checks(one) for one in wanted if one.compat]
    try:
        results = tuple(evaluate(one, with_gaps(seen)) for one in wanted)
    except CheckError as error:
        return Verdict(Outcome.ERROR, str(error))
    if any(record.side(side).unknown_testcase for side in Side):
        results = tuple(map(without_attempt, results))
    timeout = _timeout(record, test)
    broken = [one for one in results if policy.fails(one) and one.status is Status.VIOLATED]
    impaired = impairment(record)
    chance = luck(seen) if (timeout or broken) and not (impaired or policy.compat) else ""
    doubt = ""
    if link := impaired or chance:
        leaning = [one for one in broken if leans_on_the_link(one)]
        if blamed := timeout or violations(leaning):
            doubt, timeout = f"{link}; {blamed}", ""
        results = tuple(undetermined(one, link) for one in results)
    reasons = _reasons(seen, results, policy, timeout=timeout, doubt=doubt)
    outcome, reason = next(reasons, (Outcome.PASSED, ""))
    version = negotiated_version(seen.trace.right)
    unlucky = bool(chance) and outcome is Outcome.INCONCLUSIVE
    return Verdict(outcome, reason, results, version, unlucky=unlucky)


def _reasons(
    seen: Observation,
    results: Sequence[RequirementResult],
    policy: Policy,
    *,
    timeout: str,
    doubt: str,
) -> Iterator[tuple[Outcome, str]]:
    """Every outcome that something speaks for, the one that decides first."""
    record = seen.record
    deciding = [one for one in results if policy.fails(one)]
    conformance = [one for one in results if policy.conforms(one)]
    causes = _with_causes(results, deciding)
    shown = violations(one for one in causes if any(it.evidence for it in one.violations))
    preconditions = [one for one in results if one.level is Level.PRECONDITION]
    for outcome, reason in (
        (Outcome.CRASHED, "" if policy.compat else _crashed(record)),
        (Outcome.INCONCLUSIVE, violations(preconditions)),
        (Outcome.TIMEOUT, f"{timeout}; {shown}" if timeout and shown else timeout),
        (Outcome.FAILED, violations(causes)),
        (Outcome.INCONCLUSIVE, doubt or damage(seen) or open_questions(deciding)),
        (Outcome.NONCONFORMANT, violations(conformance)),
        (Outcome.INCONCLUSIVE, open_questions(conformance)),
    ):
        if reason:
            yield outcome, reason


# --- Facts of the processes --------------------------------------------------------------------


def _unsupported(record: AttemptRecord) -> str:
    for side in Side:
        its = record.side(side)
        if its.ending is Ending.EXITED and its.exit_code == 127:
            return f"the {side} exited with 127: it does not support {record.test}"
    return ""


def _crashed(record: AttemptRecord) -> str:
    for side in Side:
        if reason := crash(side, record.side(side)):
            return reason
    if record.server.ending is Ending.EXITED and not impairment(record):
        when = "the client was done" if record.server_ready else "it was ready"
        return f"the server exited with {record.server.exit_code} before {when}"
    return ""


def _timeout(record: AttemptRecord, test: TestCase) -> str:
    started = record.server.ending is not Ending.NOT_STARTED
    if started and not record.server_ready:
        return "the server answered no Version Negotiation probe"
    if record.client.ending is Ending.OUT_OF_TIME:
        return f"the client was not done after {record.timeout_s or test.timeout_s:g} s"
    return ""


# --- Requirements ------------------------------------------------------------------------------


def _with_causes(
    results: Sequence[RequirementResult], deciding: Sequence[RequirementResult]
) -> list[RequirementResult]:
    """What decides, and each MUST whose violation comes before all violations of that."""
    first = next((at for at, one in enumerate(results) if _decides(one, deciding)), 0)
    causes = [one for one in results[:first] if one.level is Level.MUST]
    return [*causes, *deciding]


def _decides(one: RequirementResult, deciding: Sequence[RequirementResult]) -> bool:
    return one in deciding and one.status is Status.VIOLATED
