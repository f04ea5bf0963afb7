"""Where a run stands: a value that events replace, so that whoever draws it sees it whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from quicmatrix.runner.model.job import Job
from quicmatrix.runner.results.store import JobResult


@dataclass(frozen=True, slots=True)
class Running:
    """A job under way."""

    job: Job
    since: float
    """On the clock of the progress it belongs to."""


@dataclass(frozen=True, slots=True)
class Progress:
    """All that was said about a run so far. Times are seconds of any one clock."""

    jobs: tuple[Job, ...]
    since: float
    running: tuple[Running, ...] = ()
    results: tuple[JobResult, ...] = ()

    @classmethod
    def start(cls, jobs: Sequence[Job], now: float) -> Progress:
        """A run that has just begun."""
        return cls(tuple(jobs), now)

    def started(self, job: Job, now: float) -> Progress:
        """One more job is under way; another attempt was not planned."""
        jobs = (*self.jobs, job) if job.attempt > 1 else self.jobs
        return replace(self, jobs=jobs, running=(*self.running, Running(job, now)))

    def finished(self, result: JobResult) -> Progress:
        """A job has its verdict."""
        running = tuple(one for one in self.running if not _is_of(result, one.job))
        return replace(self, running=running, results=(*self.results, result))

    def left_s(self, now: float) -> float | None:
        """About how long it will still take; None as long as there is nothing to go by."""
        done = len(self.results)
        if not done:
            return None
        return (now - self.since) / done * (len(self.jobs) - done)


def _is_of(result: JobResult, job: Job) -> bool:
    return (
        result.client,
        result.server,
        result.test,
        result.repetition,
        result.attempt,
    ) == (
        job.client.name,
        job.server.name,
        job.test.name,
        job.repetition,
        job.attempt,
    )
