"""What an attempt stored: attempt.json.

It is written and read by msgspec, so reading a file back validates it. A field added later needs a
default; a change of meaning needs a new :data:`FORMAT`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from quicmatrix.runner.network.cross_traffic.goodput import CrossTraffic
from quicmatrix.runner.network.recording.lateness import LatenessSummary
from quicmatrix.runner.trace.model import Side

FORMAT = 1
"""Version of attempt.json."""


class EntryKind(StrEnum):
    """What a directory entry is."""

    FILE = "file"
    LINK = "link"
    FOLDER = "folder"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a downloaded file begins to differ from the one that was served."""

    offset: int
    expected: str
    """Up to 8 bytes from there on, in hexadecimal; empty at the end of the file."""
    found: str


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One entry of /www or /downloads: enough to compare them without keeping the bytes."""

    name: str
    kind: EntryKind
    size: int = 0
    sha256: str = ""
    """Of a file's bytes; empty for anything else."""
    difference: Difference | None = None
    """From the file of that name in /www; None if there is none, or no such file."""


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
    exceeded: tuple[str, ...] = ()
    """Which other limits it reached, e.g. ``512 processes``."""
    duration_s: float = 0.0
    notes: tuple[str, ...] = ()
    """What the runner had to leave out of its logs, e.g. ``"keys.log: not a file"``."""
    image: str = ""
    """The image that was started instead of a command; empty if none was."""
    unknown_testcase: str = ""
    """What it did wrong when it was asked for a TESTCASE that does not exist; empty if it exited
    with 127, or was not asked. If it is not empty, nothing was started."""


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
    kernel_drops: int = 0
    """Frames that the kernel lost before the middlebox could read them: neither captured nor
    delivered."""
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
    captures: tuple[FileRecord, ...] = ()
    """The left and the right capture as they were stored; none if there are none."""
    fault: str = ""
    """Why the runner or the machine failed; empty if they did not."""
    attempt: int = 1
    idle_share: float | None = None
    """How much of the machine's CPU time was idle while the client ran, from 0 to 1."""
    timeout_s: float | None = None
    """How long the client had; None if it is not known."""
    repeat_command: str = ""
    """What runs it again, as a line for a shell."""
    tester: Side | None = None
    """The side that the tester of a conformance case played; None if there was none."""
    format: int = FORMAT

    def side(self, side: Side) -> SideRecord:
        """How the process of a side went."""
        return self.client if side is Side.CLIENT else self.server
