"""The results of a run as cells of client x server x test, and counts.

Pure functions over results, shared by the console and the reports so that both say the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from quicmatrix.runner.model.implementation import KnownOutcome
from quicmatrix.runner.model.run import JobResult, TestInfo
from quicmatrix.runner.model.verdict import Outcome, Verdict
from quicmatrix.runner.results.estimate import Estimate, estimate
from quicmatrix.runner.results.known_outcomes import announced, explains
from quicmatrix.runner.results.violation_groups import ViolationGroup, violation_groups
from quicmatrix.runner.trace.model import Side

SEVERITY = (
    Outcome.FAILED,
    Outcome.CRASHED,
    Outcome.TIMEOUT,
    Outcome.ERROR,
    Outcome.INCONCLUSIVE,
    Outcome.NONCONFORMANT,
    Outcome.UNSUPPORTED,
    Outcome.PASSED,
)
"""Worst first; where repetitions of a job differ, the worst is the outcome."""

MARKS = {
    Outcome.PASSED: "✓",
    Outcome.NONCONFORMANT: "!",
    Outcome.FAILED: "✕",
    Outcome.CRASHED: "†",
    Outcome.TIMEOUT: "…",
    Outcome.ERROR: "⊘",
    Outcome.INCONCLUSIVE: "≈",
    Outcome.UNSUPPORTED: "?",
}
"""Each outcome in one character, so that none needs a colour to be recognised. Those of passed,
failed and unsupported are quic-interop-runner's."""

EXPLANATIONS = {
    Outcome.PASSED: "all requirements that apply hold",
    Outcome.NONCONFORMANT: "it works, but an endpoint broke an RFC's MUST on the way",
    Outcome.FAILED: "what the test case is about did not happen, or a file did not arrive",
    Outcome.CRASHED: "an endpoint was ended by a signal or exited too early",
    Outcome.TIMEOUT: "the client was not done, or the server not ready, in time",
    Outcome.ERROR: "the runner or the machine failed; says nothing about the endpoints",
    Outcome.INCONCLUSIVE: "what was recorded does not determine the outcome",
    Outcome.UNSUPPORTED: "an endpoint does not support the test case, and exited with 127",
}


def needs_attention(outcome: Outcome) -> bool:
    """Whether an outcome is anything else than passed or unsupported."""
    return outcome not in (Outcome.PASSED, Outcome.UNSUPPORTED)


def is_tried_again(verdict: Verdict, attempt: int, retries: int) -> bool:
    """Whether there is another attempt after this one.

    Args:
        verdict: The attempt's.
        attempt: Which it was, from 1.
        retries: How often a job that does not pass is attempted again; an unlucky one once at
            least.
    """
    allowed = max(retries, 1) if verdict.unlucky else retries
    return needs_attention(verdict.outcome) and attempt <= allowed


@dataclass(frozen=True)  # not slotted: cached_property needs the instance's dict
class Cell:
    """All attempts at one test by one client with one server; at least one."""

    client: str
    server: str
    test: str
    """Its name, which is its id."""
    label: str
    """What a matrix shows for the test: see :func:`labels`."""
    attempts: tuple[JobResult, ...]
    """By repetition, then by attempt."""
    known: tuple[KnownOutcome, ...] = ()
    """What is known of the participants in this test."""

    @cached_property
    def settled(self) -> tuple[JobResult, ...]:
        """The last attempt at each repetition, which decides."""
        return settled(self.attempts)

    @cached_property
    def outcome(self) -> Outcome:
        """The worst of the repetitions."""
        return min((job.verdict.outcome for job in self.settled), key=SEVERITY.index)

    @cached_property
    def is_known(self) -> bool:
        """Whether whatever needs attention in it was announced."""
        needy = [job for job in self.settled if needs_attention(job.verdict.outcome)]
        return bool(needy) and all(explains(job, self.known) for job in needy)

    @property
    def passed(self) -> int:
        """How many of the attempts passed."""
        return sum(job.verdict.outcome is Outcome.PASSED for job in self.attempts)

    @cached_property
    def flaky(self) -> bool:
        """Whether the attempts do not agree."""
        return len({job.verdict.outcome for job in self.attempts}) > 1

    @property
    def score(self) -> str:
        """``"3/5"`` where 3 of 5 attempts passed and the others did not, else empty."""
        return f"{self.passed}/{len(self.attempts)}" if self.flaky else ""

    @property
    def repeated(self) -> bool:
        """Whether there is more than one repetition."""
        return len({job.repetition for job in self.attempts}) > 1

    @property
    def retried(self) -> bool:
        """Whether there was more than one attempt at a repetition."""
        return any(job.attempt > 1 for job in self.attempts)

    @cached_property
    def metric(self) -> MetricSummary | None:
        """What was measured; None if nothing was."""
        samples = [job.sample for job in self.settled if job.sample]
        if not samples:
            return None
        values = tuple(sample.kbps for sample in samples)
        shares = [sample.tcp_share for sample in samples if sample.tcp_share is not None]
        return MetricSummary(
            values,
            len(self.settled),
            estimate(values),
            sum(shares) / len(shares) if shares else None,
            tuple(dict.fromkeys(sample.doubt for sample in samples if sample.doubt)),
        )


@dataclass(frozen=True, slots=True)
class MetricSummary:
    """What a client and a server reached in a measurement."""

    samples_kbps: tuple[float, ...]
    """At least one."""
    repetitions: int
    """How many there were; those that failed made no sample."""
    kbps: Estimate
    tcp_share: float | None
    """The mean of the samples that have one."""
    doubts: tuple[str, ...]
    """Why it is not to be trusted, each reason once."""


Matrix = dict[tuple[str, str], tuple[Cell, ...]]
"""The cells of each (client, server), in the order of the tests."""


def matrix(
    jobs: Iterable[JobResult], tests: Sequence[TestInfo], known: Sequence[KnownOutcome] = ()
) -> Matrix:
    """Sort results into cells.

    Args:
        jobs: In any order; those of other tests are left out.
        tests: In the order in which cells are wanted.
        known: What is known of the implementations.
    """
    by_test: dict[str, dict[tuple[str, str], list[JobResult]]] = {}
    for job in jobs:
        by_test.setdefault(job.test, {}).setdefault((job.client, job.server), []).append(job)
    label_of = labels(tests)
    pairs: dict[tuple[str, str], list[Cell]] = {}
    for test in tests:
        for (client, server), attempts in by_test.get(test.name, {}).items():
            in_order = sorted(attempts, key=lambda job: (job.repetition, job.attempt))
            announcing = announced(in_order[0], known)
            label = label_of[test.name]
            cell = Cell(client, server, test.name, label, tuple(in_order), announcing)
            pairs.setdefault((client, server), []).append(cell)
    return {pair: tuple(cells) for pair, cells in pairs.items()}


def labels(tests: Sequence[TestInfo]) -> dict[str, str]:
    """What a matrix shows for each test, by its name: its letter, if no other test has that."""
    times = Counter(test.letter for test in tests)
    return {
        test.name: test.letter if test.letter and times[test.letter] == 1 else test.name
        for test in tests
    }


def counts(jobs: Iterable[JobResult]) -> dict[Outcome, int]:
    """How many attempts ended how, best first, without those outcomes that did not occur."""
    counted = Counter(job.verdict.outcome for job in jobs)
    return {outcome: counted[outcome] for outcome in reversed(SEVERITY) if counted[outcome]}


@dataclass(frozen=True, slots=True)
class Note:
    """A requirement that was violated without deciding a verdict, and by which jobs."""

    group: ViolationGroup
    """As the first of the jobs violated it."""
    jobs: tuple[JobResult, ...]


def notes(jobs: Iterable[JobResult]) -> tuple[Note, ...]:
    """What jobs that passed could do better, one entry for each requirement."""
    found: dict[str, tuple[ViolationGroup, list[JobResult]]] = {}
    for job in jobs:
        if job.verdict.outcome is Outcome.PASSED:
            for group in violation_groups(job.verdict):
                found.setdefault(group.requirement.requirement, (group, []))[1].append(job)
    return tuple(Note(group, tuple(violating)) for group, violating in found.values())


ENOUGH_TESTS = 3
"""Different tests: nobody who works answers all of so many with 127."""


def unsupported_everything(jobs: Iterable[JobResult]) -> tuple[str, ...]:
    """A warning for each implementation that exited with 127 in all tests, in a role.

    Wrappers whose ``exec`` fails do so too, so that is no answer which can be relied on.
    """
    tests: dict[tuple[Side, str], set[str]] = {}
    others: set[tuple[Side, str]] = set()
    for job in jobs:
        for side, name in ((Side.CLIENT, job.client), (Side.SERVER, job.server)):
            said = job.verdict.reason.startswith(f"the {side} exited with 127")
            if said and job.verdict.outcome is Outcome.UNSUPPORTED:
                tests.setdefault((side, name), set()).add(job.test)
            elif job.verdict.outcome is not Outcome.UNSUPPORTED:
                others.add((side, name))
    return tuple(
        f"{name} exited with 127 as {side} in all {len(answered)} tests: "
        "does its program start at all?"
        for (side, name), answered in tests.items()
        if len(answered) >= ENOUGH_TESTS and (side, name) not in others
    )


def settled(jobs: Iterable[JobResult]) -> tuple[JobResult, ...]:
    """The last attempt at each job, which decides, in the order of the first ones."""
    last: dict[tuple[str, str, str, int], JobResult] = {}
    for job in jobs:
        key = (job.client, job.server, job.test, job.repetition)
        if key not in last or last[key].attempt < job.attempt:
            last[key] = job
    return tuple(last.values())
