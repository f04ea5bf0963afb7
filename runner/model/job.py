"""A job: what is run once, or again."""

from __future__ import annotations

from dataclasses import dataclass, replace

from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.testcases.model import TestCase


@dataclass(frozen=True, slots=True)
class Job:
    """Client x server x test case x repetition, and which attempt at it this is."""

    client: Implementation
    server: Implementation
    test: TestCase
    seed: int
    repetition: int = 1
    repetitions: int = 1
    attempt: int = 1
    """Which try, from 1: one that does not pass may be tried again."""

    @property
    def folder(self) -> str:
        """Its bundle's folder in the run's, as quic-interop-runner names it."""
        pair = f"{self.server.name}_{self.client.name}/{self.test.name}"
        place = pair if self.repetitions == 1 else f"{pair}/{self.repetition}"
        return place if self.attempt == 1 else f"{place}.attempt-{self.attempt}"

    def again(self) -> Job:
        """The next attempt at it, with a seed that no other attempt or repetition has."""
        return replace(self, seed=self.seed + self.repetitions, attempt=self.attempt + 1)
