"""How far a run is. Each event costs the same, however many jobs there are.

A display reads it from another thread, so whoever has both takes a lock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from quicmatrix.runner.model.job import Job
from quicmatrix.runner.model.run import JobResult, TestInfo
from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.results.matrix import Cell, labels
from quicmatrix.runner.results.run_files import Plan

JobKey = tuple[str, str, str, int, int]
"""Client, server, test, repetition and attempt."""


@dataclass(frozen=True, slots=True)
class Running:
    """A job under way."""

    job: Job
    since: float
    """On the clock of the progress it belongs to."""


class Progress:
    """What is planned, under way and done.

    Args:
        plan: What is to be done.
        now: When it begins, in seconds of any clock; all times are on that clock.
    """

    def __init__(self, plan: Plan, now: float) -> None:
        self.since = now
        self.planned = len(plan.jobs)
        self.done = 0
        self.clients = plan.run.clients
        self.servers = plan.run.servers
        self.tests: Sequence[TestInfo] = plan.run.tests
        self.cells_planned = len({(job.client, job.server, job.test) for job in plan.jobs})
        self._labels = labels(plan.run.tests)
        self._running: dict[JobKey, Running] = {}
        self._cells: dict[tuple[str, str], dict[str, Cell]] = {}
        self.outcomes: Counter[Outcome] = Counter()
        """How many jobs ended how."""
        self.is_conformance = plan.run.is_conformance

    def started(self, job: Job, now: float) -> None:
        """A job is under way; another attempt at one was not planned."""
        self.planned += job.attempt > 1
        key = (job.client, job.server, job.test, job.repetition, job.attempt)
        self._running[key] = Running(job, now)

    def finished(self, result: JobResult) -> None:
        """A job has its verdict."""
        self.done += 1
        self.outcomes[result.verdict.outcome] += 1
        key = (result.client, result.server, result.test, result.repetition, result.attempt)
        self._running.pop(key, None)
        row = self._cells.setdefault((result.client, result.server), {})
        before = row[result.test].attempts if result.test in row else ()
        row[result.test] = Cell(
            result.client,
            result.server,
            result.test,
            self._labels.get(result.test, result.test),
            (*before, result),
        )

    @property
    def running(self) -> int:
        """How many jobs are under way."""
        return len(self._running)

    def first_running(self, most: int) -> tuple[Running, ...]:
        """Of the jobs under way those that were started first."""
        return tuple(islice(self._running.values(), most))

    def cells(self) -> Mapping[tuple[str, str], tuple[Cell, ...]]:
        """The matrix so far, its cells in the order of the tests."""
        return {
            pair: tuple(row[test.name] for test in self.tests if test.name in row)
            for pair, row in self._cells.items()
        }

    def left_s(self, now: float) -> float | None:
        """About how long it will still take; None until a job is done."""
        if not self.done:
            return None
        return (now - self.since) / self.done * (self.planned - self.done)
