"""From what was observed of an attempt to its verdict. Pure.

The order in which facts decide, the first that applies:

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

import signal
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.judge import compat
from quicmatrix.runner.judge.evaluate import CheckError, evaluate
from quicmatrix.runner.judge.luck import luck
from quicmatrix.runner.model.attempt import AttemptRecord, Ending, SideRecord
from quicmatrix.runner.model.verdict import Outcome, RequirementResult, Status, Verdict
from quicmatrix.runner.network.scenarios.scenario import parse_scenario
from quicmatrix.runner.trace.model import Capture, PacketType, Side, Trace
from quicmatrix.testcases.model import Level, Observation, Requirement, TestCase

MAX_ACK_DELAY_MS = 25.0
"""By how much endpoints let each other be late: the default of max_ack_delay (RFC 9000, 18.2)."""


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
        results = tuple(map(_without_attempt, results))
    timeout = _timeout(record, test)
    violations = [one for one in results if policy.fails(one) and one.status is Status.VIOLATED]
    impaired = impairment(record)
    chance = luck(seen) if (timeout or violations) and not (impaired or policy.compat) else ""
    doubt = ""
    if link := impaired or chance:
        leaning = [one for one in violations if _leans_on_the_link(one)]
        if blamed := timeout or _violations(leaning):
            doubt, timeout = f"{link}; {blamed}", ""
        results = tuple(_undetermined(one, link) for one in results)
    reasons = _reasons(seen, results, policy, timeout=timeout, doubt=doubt)
    outcome, reason = next(reasons, (Outcome.PASSED, ""))
    version = _negotiated_version(seen.trace.right)
    unlucky = bool(chance) and outcome is Outcome.INCONCLUSIVE
    return Verdict(outcome, reason, results, version, unlucky=unlucky)


def with_gaps(seen: Observation) -> Observation:
    """The same; both captures are damaged if the attempt's record says that they miss something."""
    if not (missing := seen.record.link.incomplete):
        return seen
    left, right = (
        replace(capture, damage=capture.damage or missing)
        for capture in (seen.trace.left, seen.trace.right)
    )
    return replace(seen, trace=Trace(left, right))


def impairment(record: AttemptRecord) -> str:
    """What the machine did to the traffic beyond the scenario; empty if nothing."""
    link = record.link
    if link.kernel_drops:
        return f"the kernel lost {link.kernel_drops} frames"
    worst, limit = link.lateness_ms.worst, _tolerated_ms(record.scenario)
    if worst > limit:
        return f"the middlebox delivered up to {worst:.0f} ms late, which is over {limit:.0f} ms"
    return ""


def _tolerated_ms(scenario: str) -> float:
    """The most that a delivery may be late: a round trip, or what endpoints allow each other."""
    try:
        return max(2 * parse_scenario(scenario).delay_ns / 1e6, MAX_ACK_DELAY_MS)
    except UserError:
        return MAX_ACK_DELAY_MS


def _leans_on_the_link(result: RequirementResult) -> bool:
    """Whether it is violated, and what the link did may be why."""
    shown = all(one.evidence for one in result.violations)
    return result.status is Status.VIOLATED and (not shown or result.level is Level.TEST)


def _undetermined(result: RequirementResult, link: str) -> RequirementResult:
    """A result where the link did what no endpoint is to blame for."""
    if not _leans_on_the_link(result):
        return result
    reason = f"{_blame(result)}, but {link}"
    return replace(result, status=Status.UNDETERMINED, reason=reason, violations=())


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
    shown = _violations(one for one in causes if any(it.evidence for it in one.violations))
    preconditions = [one for one in results if one.level is Level.PRECONDITION]
    for outcome, reason in (
        (Outcome.CRASHED, "" if policy.compat else _crashed(record)),
        (Outcome.INCONCLUSIVE, _violations(preconditions)),
        (Outcome.TIMEOUT, f"{timeout}; {shown}" if timeout and shown else timeout),
        (Outcome.FAILED, _violations(causes)),
        (Outcome.INCONCLUSIVE, doubt or _damage(seen) or _open_questions(deciding)),
        (Outcome.NONCONFORMANT, _violations(conformance)),
        (Outcome.INCONCLUSIVE, _open_questions(conformance)),
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
        if reason := _crash(side, record.side(side)):
            return reason
    if record.server.ending is Ending.EXITED and not impairment(record):
        when = "the client was done" if record.server_ready else "it was ready"
        return f"the server exited with {record.server.exit_code} before {when}"
    return ""


def _crash(side: Side, its: SideRecord) -> str:
    if its.ending is Ending.LOG_OVERFLOW:
        return f"the {side} flooded its log and was stopped"
    if its.out_of_memory:
        return f"the {side} used more memory than it may"
    if its.exceeded:
        return f"the {side} reached a limit: {', '.join(its.exceeded)}"
    by_us = its.ending is not Ending.EXITED and its.signal in (signal.SIGTERM, signal.SIGKILL)
    if its.signal is not None and not by_us:
        return f"the {side} was ended by {_signal_name(its.signal)}"
    return ""


def _timeout(record: AttemptRecord, test: TestCase) -> str:
    started = record.server.ending is not Ending.NOT_STARTED
    if started and not record.server_ready:
        return "the server answered no Version Negotiation probe"
    if record.client.ending is Ending.OUT_OF_TIME:
        return f"the client was not done after {record.timeout_s or test.timeout_s:g} s"
    return ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


# --- Requirements ------------------------------------------------------------------------------


def _without_attempt(result: RequirementResult) -> RequirementResult:
    """A requirement's result where nothing was started: only what was violated says anything."""
    if result.status is Status.VIOLATED and not any(one.evidence for one in result.violations):
        return result
    reason = "the attempt was not made"
    return replace(result, status=Status.NOT_EXERCISED, reason=reason, violations=())


def _with_causes(
    results: Sequence[RequirementResult], deciding: Sequence[RequirementResult]
) -> list[RequirementResult]:
    """What decides, and each MUST whose violation comes before all violations of that."""
    first = next((at for at, one in enumerate(results) if _decides(one, deciding)), 0)
    causes = [one for one in results[:first] if one.level is Level.MUST]
    return [*causes, *deciding]


def _decides(one: RequirementResult, deciding: Sequence[RequirementResult]) -> bool:
    return one in deciding and one.status is Status.VIOLATED


def _violations(results: Iterable[RequirementResult]) -> str:
    """The first violation, and how many more requirements were violated; empty if none was."""
    violated = [one for one in results if one.status is Status.VIOLATED]
    if not violated:
        return ""
    others = len(violated) - 1
    more = f" (and {others} more {'requirement' if others == 1 else 'requirements'})"
    return f"{_blame(violated[0])}{more if others else ''}"


def _blame(violated: RequirementResult) -> str:
    """A requirement's first violation, and whose it is."""
    first = violated.violations[0]
    said = first.side is None or first.message.startswith(f"the {first.side} ")
    return first.message if said else f"the {first.side}: {first.message}"


def _open_questions(results: Iterable[RequirementResult]) -> str:
    """What cannot be determined of them, and what of the test case was not exercised, by reason."""
    names: dict[str, list[str]] = {}
    for one in results:
        skipped = one.status is Status.NOT_EXERCISED and one.level is Level.TEST
        if one.status is Status.UNDETERMINED or skipped:
            reason = one.reason or "there was nothing to which it applies"
            names.setdefault(reason, []).append(one.requirement)
    return "; ".join(
        f"{first}{f' and {len(others)} more' if others else ''}: {reason}"
        for reason, (first, *others) in names.items()
    )


def _damage(seen: Observation) -> str:
    """What is missing in what was recorded; empty if nothing is known to be."""
    missing = [
        f"the {name} capture: {capture.damage}"
        for name, capture in (("left", seen.trace.left), ("right", seen.trace.right))
        if capture.damage
    ]
    if seen.record.link.incomplete:
        missing.append(f"the captures are not complete: {seen.record.link.incomplete}")
    return "; ".join(missing)


def _negotiated_version(capture: Capture) -> int | None:
    """The version of the first connection: of the server's Handshake packets, at the latest."""
    for kind in (PacketType.HANDSHAKE, PacketType.INITIAL):
        for packet in capture.packets:
            if packet.sender is Side.SERVER and packet.type is kind:
                return packet.version
    return None
