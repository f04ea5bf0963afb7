"""What the jobs of a run amount to: cells of client x server x test, and counts.

Pure functions over results, shared by the console and the reports so that both say the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.results.estimate import Estimate, estimate
from quicmatrix.runner.results.store import JobResult, settled
from quicmatrix.runner.results.violation_groups import Breach, breaches

SEVERITY = (
    Outcome.FAILED,
    Outcome.CRASHED,
    Outcome.TIMEOUT,
    Outcome.ERROR,
    Outcome.INCONCLUSIVE,
    Outcome.UNSUPPORTED,
    Outcome.PASSED,
)
"""Worst first; where attempts at the same job differ, the worst speaks for them."""

MARKS = {
    Outcome.PASSED: "✓",
    Outcome.FAILED: "✕",
    Outcome.CRASHED: "†",
    Outcome.TIMEOUT: "…",
    Outcome.ERROR: "!",
    Outcome.INCONCLUSIVE: "≈",
    Outcome.UNSUPPORTED: "?",
}
"""Each outcome in one character, so that none needs a colour to be told apart. The first two and
the last are quic-interop-runner's."""

EXPLANATIONS = {
    Outcome.PASSED: "all requirements hold",
    Outcome.FAILED: "a requirement does not hold, or a file did not arrive",
    Outcome.CRASHED: "an endpoint ended by a signal or with an exit code of its own",
    Outcome.TIMEOUT: "the time of the test case was over",
    Outcome.ERROR: "the runner or the machine failed; says nothing about the endpoints",
    Outcome.INCONCLUSIVE: "the captures or keys do not tell",
    Outcome.UNSUPPORTED: "an endpoint itself said that it cannot do this",
}


def needs_attention(outcome: Outcome) -> bool:
    """Whether this is anything else than passed or honestly not supported."""
    return outcome not in (Outcome.PASSED, Outcome.UNSUPPORTED)


@dataclass(frozen=True, slots=True)
class Cell:
    """All attempts at one test by one client with one server; at least one."""

    client: str
    server: str
    test: str
    letter: str
    attempts: tuple[JobResult, ...]

    @property
    def outcome(self) -> Outcome:
        """The worst of the repetitions; the last attempt at each speaks for it."""
        return min((job.verdict.outcome for job in settled(self.attempts)), key=SEVERITY.index)

    @property
    def passed(self) -> int:
        """How many of the attempts passed."""
        return sum(job.verdict.outcome is Outcome.PASSED for job in self.attempts)

    @property
    def flaky(self) -> bool:
        """Whether the attempts do not agree."""
        return len({job.verdict.outcome for job in self.attempts}) > 1

    @property
    def score(self) -> str:
        """``"3/5"`` where some of several attempts passed and some did not, else empty."""
        return f"{self.passed}/{len(self.attempts)}" if self.flaky else ""

    @property
    def repeated(self) -> bool:
        """Whether repetitions are worth telling apart."""
        return len({job.repetition for job in self.attempts}) > 1

    @property
    def retried(self) -> bool:
        """Whether there was more than one attempt at a repetition."""
        return any(job.attempt > 1 for job in self.attempts)

    @property
    def figure(self) -> Figure | None:
        """What was measured; None if nothing was."""
        repetitions = settled(self.attempts)
        samples = [job.sample for job in repetitions if job.sample]
        if not samples:
            return None
        figures = tuple(sample.kbps for sample in samples)
        shares = [sample.tcp_share for sample in samples if sample.tcp_share is not None]
        return Figure(
            figures,
            len(repetitions),
            estimate(figures),
            sum(shares) / len(shares) if shares else None,
            tuple(dict.fromkeys(sample.doubt for sample in samples if sample.doubt)),
        )


@dataclass(frozen=True, slots=True)
class Figure:
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


def matrix(jobs: Iterable[JobResult], letters: Sequence[str]) -> Matrix:
    """Sort results into cells; attempts are in the order in which they were made.

    Args:
        jobs: In any order.
        letters: Of the tests, in the order in which cells are wanted.
    """
    order = {letter: position for position, letter in enumerate(letters)}
    grouped: dict[tuple[str, str, str], list[JobResult]] = {}
    for job in jobs:
        grouped.setdefault((job.client, job.server, job.letter), []).append(job)
    cells = [
        Cell(
            client,
            server,
            attempts[0].test,
            letter,
            tuple(sorted(attempts, key=lambda job: (job.repetition, job.attempt))),
        )
        for (client, server, letter), attempts in grouped.items()
    ]
    cells.sort(key=lambda cell: (order.get(cell.letter, len(order)), cell.letter))
    pairs: Matrix = {}
    for cell in cells:
        key = (cell.client, cell.server)
        pairs[key] = (*pairs.get(key, ()), cell)
    return pairs


def counts(jobs: Iterable[JobResult]) -> dict[Outcome, int]:
    """How many attempts ended how, best first, without those outcomes that did not occur."""
    counted = Counter(job.verdict.outcome for job in jobs)
    return {outcome: counted[outcome] for outcome in reversed(SEVERITY) if counted[outcome]}


@dataclass(frozen=True, slots=True)
class Remark:
    """A requirement that was breached without deciding a verdict, and by which jobs."""

    breach: Breach
    """As the first of the jobs breached it."""
    jobs: tuple[JobResult, ...]


def remarks(jobs: Iterable[JobResult]) -> tuple[Remark, ...]:
    """What passed jobs could do better, one entry for each requirement."""
    found: dict[tuple[str, str, str], tuple[Breach, list[JobResult]]] = {}
    for job in jobs:
        if job.verdict.outcome is not Outcome.PASSED:
            continue
        for breach in breaches(job.verdict.violations):
            key = (breach.requirement, breach.citation, breach.text)
            found.setdefault(key, (breach, []))[1].append(job)
    return tuple(Remark(breach, tuple(breaching)) for breach, breaching in found.values())
