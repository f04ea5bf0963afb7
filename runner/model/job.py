"""Jobs: what is to be done, as values that can be sent to another process."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from quicmatrix.runner.trace.model import Side


class ParticipantKind(StrEnum):
    """What plays a role."""

    IMPLEMENTATION = "implementation"
    TESTER = "tester"
    """Our own endpoint that misbehaves on purpose, in the place of the implementation's peer."""


@dataclass(frozen=True, slots=True)
class Participant:
    """Who plays a role in a job."""

    name: str
    role: Side
    kind: ParticipantKind = ParticipantKind.IMPLEMENTATION


@dataclass(frozen=True, slots=True)
class Job:
    """Participants x test case x repetition, and which attempt at it this is."""

    participants: tuple[Participant, ...]
    """One for each role."""
    test: str
    """The test case's name, which is its id."""
    seed: int
    repetition: int = 1
    repetitions: int = 1
    attempt: int = 1
    """Which try, from 1: one that does not pass may be tried again."""
    control: str = ""
    """The test whose same repetition has to pass before this one is started; empty if none."""

    @classmethod
    def of(cls, client: str, server: str, test: str, seed: int) -> Job:
        """Two implementations and a test case, once."""
        pair = (Participant(client, Side.CLIENT), Participant(server, Side.SERVER))
        return cls(pair, test, seed)

    def participant(self, role: Side) -> Participant:
        """Who plays a role."""
        return next(one for one in self.participants if one.role is role)

    @property
    def tester(self) -> Side | None:
        """The role of the tester; None if there is none."""
        kinds = {one.kind: one.role for one in self.participants}
        return kinds.get(ParticipantKind.TESTER)

    @property
    def control_job(self) -> Job:
        """The job that has to pass before."""
        return replace(self, test=self.control, control="")

    @property
    def client(self) -> str:
        """The client's name."""
        return self.participant(Side.CLIENT).name

    @property
    def server(self) -> str:
        """The server's name."""
        return self.participant(Side.SERVER).name

    @property
    def folder(self) -> str:
        """Its bundle's folder in the run's, as quic-interop-runner names it."""
        pair = f"{self.server}_{self.client}/{self.test}"
        place = pair if self.repetitions == 1 else f"{pair}/{self.repetition}"
        return place if self.attempt == 1 else f"{place}.attempt-{self.attempt}"

    def again(self) -> Job:
        """The next attempt at it, with a seed that no other attempt or repetition has."""
        return replace(self, seed=self.seed + self.repetitions, attempt=self.attempt + 1)
