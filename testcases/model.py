"""The vocabulary of a test case: what runs is data, what must hold is a pure function over facts.

A check is a generator over an :class:`Observation`. It yields a :class:`Held` for everything that
its requirement applies to and that keeps it, a :class:`Violation` for everything that breaks it,
and raises :class:`Inconclusive` where what was recorded cannot tell. So the requirement was

==============  =================================================================================
violated        there is a violation
undetermined    there is none, and the check raised
held            neither, and there is something that keeps it
not exercised   nothing of all that: there was nothing to which it applies
==============  =================================================================================

A check's docstring is the requirement, one sentence, as the reports print it. It never logs and
never sees files, processes or the clock.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from quicmatrix.runner.model.attempt import AttemptRecord
from quicmatrix.runner.trace.model import Datagram, Packet, Side, Trace

KIB = 1024
MIB = 1024 * KIB
DEFAULT_SCENARIO = "simple-p2p --delay=15ms --bandwidth=10Mbps --queue=25"
"""The network of a test that asks for no other."""


class Level(StrEnum):
    """How much a requirement weighs, and so what an attempt is whose endpoint violates it."""

    MUST = "MUST"
    """An RFC's MUST, MUST NOT, REQUIRED or SHALL. Nonconformant; failed if quic-interop-runner
    checks it too."""
    SHOULD = "SHOULD"
    """An RFC's SHOULD or RECOMMENDED. A note; nonconformant under --strict."""
    TEST = "TEST"
    """The test case's own subject: without it, the case was not exercised. Failed."""
    MAY = "MAY"
    """What an RFC leaves to the endpoint. Only shown."""
    PRECONDITION = "PRECONDITION"
    """What the network must do, or not do, so that a failure says anything of the endpoints.
    Inconclusive."""


class Inconclusive(Exception):  # noqa: N818 - it is no error of the program
    """Raised by a check where what was recorded cannot tell, e.g. because keys are missing."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that the tester of a conformance case did or saw, from its log."""

    time: float
    """Seconds since the epoch."""
    kind: str
    """``stimulus``, ``sent``, ``probe``, ``seen``, ``waited``, ``skipped``, ``done`` or
    ``failed``."""
    text: str = ""
    datagram: str = ""
    """What finds the datagram that was sent: :attr:`Datagram.digest`; empty if none was."""
    packet: str = ""
    """The type of the packet in it, in RFC 9000's words; empty if it is not one packet."""
    number: int | None = None
    """Its packet number."""


@dataclass(frozen=True, slots=True)
class Observation:
    """All that is known of an attempt: its packets, and what its processes and files did."""

    trace: Trace
    record: AttemptRecord
    steps: tuple[Step, ...] = ()
    """What the tester did, in order; empty if there was none."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where in the captures something can be seen."""

    capture: Side
    """CLIENT is the left capture, SERVER the right one."""
    frame_number: int
    """As Wireshark counts, from 1."""
    time: float
    """Seconds since the capture's first datagram."""
    packet_type: str = ""
    """RFC 9000's name of the packet's type; empty for a whole datagram."""
    packet_number: int | None = None

    @classmethod
    def of(cls, seen: Packet | Datagram) -> Evidence:
        """The evidence that a packet or a datagram is."""
        if isinstance(seen, Datagram):
            return cls(seen.capture, seen.frame_number, seen.time)
        at = seen.datagram
        return cls(at.capture, at.frame_number, at.time, str(seen.type), seen.number)


@dataclass(frozen=True, slots=True, init=False)
class Violation:
    """What breaks a requirement: ``Violation("the token is not the Retry's", packet)``."""

    message: str
    """What was seen instead of what is required, in lower case, without a full stop."""
    side: Side | None
    """Who did it: the sender of the first piece of evidence unless said; None if nobody's."""
    evidence: tuple[Evidence, ...]
    answer: str
    """How an error was answered, in a conformance case; empty elsewhere."""

    def __init__(
        self,
        message: str,
        *seen: Packet | Datagram,
        side: Side | None = None,
        answer: str = "",
    ) -> None:
        if side is None and seen:
            side = seen[0].sender
        object.__setattr__(self, "message", message)
        object.__setattr__(self, "answer", answer)
        object.__setattr__(self, "side", side)
        object.__setattr__(self, "evidence", tuple(Evidence.of(one) for one in seen))


@dataclass(frozen=True, slots=True, init=False)
class Held:
    """Something that a requirement applies to, and that keeps it: ``Held(packet)``."""

    evidence: tuple[Evidence, ...]
    """Empty where nothing in a capture shows it, e.g. for an exit code."""
    message: str
    """What was seen, e.g. ``exit code 0 after 1.2 s``; only needed where no packet shows it."""
    answer: str
    """As that of a violation."""

    def __init__(self, *seen: Packet | Datagram, message: str = "", answer: str = "") -> None:
        object.__setattr__(self, "message", message)
        object.__setattr__(self, "answer", answer)
        object.__setattr__(self, "evidence", tuple(Evidence.of(one) for one in seen))


@dataclass(frozen=True, slots=True)
class NotExercised:
    """There was nothing to which the requirement applies; only needed where a reason helps."""

    reason: str


Finding = Held | Violation | NotExercised
O = TypeVar("O")  # noqa: E741 - the observation's type
Check = Callable[[O], Iterator[Finding]]
Metric = Callable[[Trace], float]
"""What a measurement measures in one trace, in kbps; raises :class:`Inconclusive` where it cannot
be determined."""


@dataclass(frozen=True, slots=True)
class Requirement(Generic[O]):
    """A sentence that must be true of what was observed, and the check of it.

    Test cases have requirements on an :class:`Observation` of one attempt.
    """

    name: str
    """The check's name, e.g. ``client_repeats_the_token``."""
    level: Level
    citation: str
    """``RFC 9000, 8.1.2``, or ``interop suite`` for what is in no RFC."""
    text: str
    compat: bool
    """Whether quic-interop-runner checks it too; ``--compat`` judges by these alone."""
    check: Check[O]

    def __call__(self, seen: O) -> Iterator[Finding]:
        """What keeps the requirement and what breaks it.

        Raises:
            Inconclusive: What was recorded cannot tell.
        """
        return self.check(seen)


def requirement(
    level: Level, citation: str, *, compat: bool = False
) -> Callable[[Check[O]], Requirement[O]]:
    """Turn a check into a :class:`Requirement`, named after it and worded by its docstring."""

    def declare(check: Check[O]) -> Requirement[O]:
        text = " ".join((inspect.getdoc(check) or "").split())
        if not text:
            msg = f"{check.__name__} needs a docstring: it is the requirement that reports print"
            raise TypeError(msg)
        return Requirement(check.__name__, level, citation, text, compat, check)

    return declare


@dataclass(frozen=True, slots=True)
class Unprompted:
    """A requirement on what an endpoint sends of itself, so that every capture can be judged."""

    id: str
    """``rfc9000/12.3/packet-numbers``: RFC, section and subject; stable, never reused."""
    requirement: Requirement[Observation]
    roles: frozenset[Side] = frozenset(Side)
    """The sides that it binds."""
    rows: tuple[str, ...] = ()
    """The rows of the catalogue (docs/conformance.md) that it covers."""


@dataclass(frozen=True, slots=True)
class TestCase:
    """One test of the suite. Defaults are those of quic-interop-runner."""

    __test__ = False  # pytest: no tests in here

    name: str
    """Its id: unique and stable."""
    letter: str
    """The short name in a matrix, e.g. ``DC``; only for people, and two cases may share one."""
    summary: str
    """What happens when all goes well, in one sentence."""
    client: str
    """The client's TESTCASE."""
    server: str
    """The server's TESTCASE."""
    requirements: tuple[Requirement[Observation], ...]
    files: tuple[int, ...] = ()
    """Sizes, in bytes, of the random files that the client requests."""
    file_name_length: int = 10
    """Characters in each random file name."""
    scenario: str = DEFAULT_SCENARIO
    """What the network does, in quic-network-simulator's words."""
    server_name: str = "server4"
    """The host in the URLs, which selects the address family."""
    certificates: int = 1
    """Length of the server's chain: the leaf and its intermediates, without the root."""
    filler_names: int = 0
    """How many random names of 250 characters make the leaf larger than it needs to be."""
    timeout_s: float = 60.0
    """Seconds that the client may take, from its start."""
    metric: Metric | None = None
    """What it measures; None if it only passes or fails."""
    repetitions: int = 1
    """How often it is done unless somebody says otherwise: a metric needs several samples."""

    @property
    def is_measurement(self) -> bool:
        """Whether it measures something. Nothing else runs meanwhile."""
        return self.metric is not None
