"""The runner's own values: implementations, jobs, what an attempt stored, and verdicts.

All of them are frozen, and all that is written to disk is made of them, by msgspec, so that reading
a file back validates it. A field added later needs a default; a change of meaning needs a new
:data:`FORMAT`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from runner.network.cross_traffic import CrossTraffic
from runner.network.lateness import LatenessSummary
from runner.trace.model import Side
from testcases.model import Evidence, Level, TestCase

FORMAT = 1
"""Version of attempt.json and of the ``jobs`` list in result.json."""


@dataclass(frozen=True, slots=True)
class Implementation:
    """A QUIC stack under test."""

    name: str
    image: str | None = None
    url: str = ""
    roles: frozenset[Side] = frozenset(Side)
    commands: Mapping[Side, tuple[str, ...]] = field(default_factory=dict)
    """The local command of each role that has one."""
    given: Mapping[Side, str] = field(default_factory=dict)
    """The command lines among them that were given by the user as name=command."""


@dataclass(frozen=True, slots=True)
class Image:
    """What an image's name stood for when the run began."""

    reference: str
    """Its name, as it was asked for."""
    id: str
    """The hash of its configuration, by which it was started."""
    architecture: str
    """In Go's words: amd64, arm64."""
    digests: tuple[str, ...] = ()
    """``name@sha256:...``, by which a registry knows it; none if it was built here."""


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


class Outcome(StrEnum):
    """In one word, how an attempt ended."""

    PASSED = "passed"
    FAILED = "failed"
    UNSUPPORTED = "unsupported"
    """The endpoint itself exited with 127."""
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    INCONCLUSIVE = "inconclusive"
    """No keys, a damaged capture: we cannot tell."""
    ERROR = "error"
    """Our fault, or the machine's."""


@dataclass(frozen=True, slots=True)
class ReportedViolation:
    """A violation together with the requirement that it breaks."""

    requirement: str
    """The requirement's name; empty for what no requirement covers, such as a wrong file."""
    level: Level
    citation: str
    text: str
    """The requirement itself, one sentence."""
    message: str
    """What was seen instead."""
    side: Side | None = None
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one attempt, and why."""

    outcome: Outcome
    reason: str = ""
    """One line for people; empty if passed."""
    violations: tuple[ReportedViolation, ...] = ()
    """Every breach seen, those that do not decide the outcome included."""
    version: int | None = None
    """The QUIC version that the first connection ended up with; None if unknown."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one attempt at a measurement measured."""

    kbps: float
    tcp_share: float | None = None
    """Of the bytes that the link delivered to the client meanwhile, those of the TCP flow beside
    it, from 0 to 1; None if there was none, or nobody counted."""
    doubt: str = ""
    """Why the figure is not to be trusted; empty if it is."""


@dataclass(frozen=True, slots=True)
class Series:
    """The course of a transfer. All lists are equally long; point n is of the n-th step."""

    step_ms: int
    quic_bytes: tuple[int, ...]
    """Of UDP payload that reached the client in the step."""
    smoothed_rtt_ms: tuple[float | None, ...] = ()
    """As the server computes it from ACKs (RFC 9002, 5.3) at the end of the step; None before the
    first one."""
    tcp_bytes: tuple[int, ...] = ()
    """Of IP packets of the TCP flow that reached the client in the step. Empty, as are those
    below, if the link did not log."""
    queue: tuple[int, ...] = ()
    """The most packets that were waiting for the link towards the client."""
    drops: tuple[int, ...] = ()
    """Packets towards the client that the link's queue had no place for."""


# --- What an attempt stores (attempt.json) -----------------------------------------------------


class EntryKind(StrEnum):
    """What a directory entry is."""

    FILE = "file"
    LINK = "link"
    FOLDER = "folder"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One entry of /www or /downloads: enough to compare them without keeping the bytes."""

    name: str
    kind: EntryKind
    size: int = 0
    sha256: str = ""
    """Of a file's bytes; empty for anything else."""


class Ending(StrEnum):
    """Why a side's process is not running any more."""

    EXITED = "exited"
    """By itself."""
    STOPPED = "stopped"
    """By us, with SIGTERM, as the contract wants of servers."""
    KILLED = "killed"
    """By us: it did not react to SIGTERM."""
    OUT_OF_TIME = "out of time"
    """By us: the test case's time was over."""
    LOG_OVERFLOW = "log overflow"
    """By us: it wrote more than its log may hold."""
    NOT_STARTED = "not started"


@dataclass(frozen=True, slots=True)
class SideRecord:
    """How one side's process went."""

    command: tuple[str, ...] = ()
    ending: Ending = Ending.NOT_STARTED
    exit_code: int | None = None
    """None if a signal ended it, or it did not start."""
    signal: int | None = None
    out_of_memory: bool = False
    """Whether the machine ended a process of it because it used more than it may."""
    duration_s: float = 0.0
    notes: tuple[str, ...] = ()
    """What the runner had to leave out of its logs, e.g. ``"keys.log: not a file"``."""
    image: str = ""
    """The image that was started instead of a command; empty if none was."""


@dataclass(frozen=True, slots=True)
class LinkRecord:
    """What the middlebox did, in numbers of packets."""

    forwarded_to_client: int = 0
    forwarded_to_server: int = 0
    dropped: int = 0
    lateness_ms: LatenessSummary = field(default_factory=LatenessSummary)
    """By how much deliveries missed the times that the link's model gave them."""
    incomplete: str = ""
    """Why the captures miss something, e.g. because they reached their limit; else empty."""
    cross_traffic: CrossTraffic | None = None
    """What the TCP flow beside QUIC got through; None if there was none."""


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """All facts of one attempt that are not in its captures and logs; attempt.json."""

    client_name: str
    server_name: str
    test: str
    scenario: str
    seed: int
    repetition: int
    started_at: float
    """Seconds since the epoch."""
    duration_s: float
    """From the sandbox's creation to its removal."""
    server_ready: bool
    """Whether the server answered the Version Negotiation probe."""
    client: SideRecord
    server: SideRecord
    link: LinkRecord
    www: tuple[FileRecord, ...] = ()
    downloads: tuple[FileRecord, ...] = ()
    downloads_complete: bool = True
    """False if /downloads held more entries than were listed, or more bytes than it may."""
    fault: str = ""
    """Why the runner or the machine failed; empty if they did not."""
    attempt: int = 1
    idle_share: float | None = None
    """How much of the machine's CPU time was idle while the client ran, from 0 to 1."""
    format: int = FORMAT
