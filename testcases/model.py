"""The vocabulary of a test case: what runs is data, what must hold is a pure function of a trace.

A check is a generator over a :class:`~quicmatrix.runner.trace.model.Trace` that yields one
:class:`Violation` for every breach it sees and nothing where its requirement holds, and raises
:class:`Inconclusive` where the trace cannot tell. Its docstring is the requirement, one sentence,
as the reports print it. It never logs and never sees files, processes or the clock.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from quicmatrix.runner.trace.model import Datagram, Packet, Side, Trace

KIB = 1024
MIB = 1024 * KIB
DEFAULT_SCENARIO = "simple-p2p --delay=15ms --bandwidth=10Mbps --queue=25"
"""The network of a test that asks for no other."""


class Level(StrEnum):
    """How much a requirement weighs. MUST and TEST decide the verdict, SHOULD under --strict."""

    MUST = "MUST"
    """An RFC's MUST, MUST NOT, REQUIRED or SHALL."""
    SHOULD = "SHOULD"
    """An RFC's SHOULD or RECOMMENDED."""
    TEST = "TEST"
    """Not in an RFC, but without it the test case would not have been exercised."""


class Inconclusive(Exception):  # noqa: N818 - it is no error of the program
    """Raised by a check where the trace cannot tell, e.g. because keys are missing."""


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
    """One breach of a requirement: ``Violation("the token is not the Retry's", packet)``."""

    message: str
    """What was seen instead of what is required, in lower case, without a full stop."""
    side: Side | None
    """Who did it: the sender of the first piece of evidence unless said; None if nobody's."""
    evidence: tuple[Evidence, ...]

    def __init__(self, message: str, *seen: Packet | Datagram, side: Side | None = None) -> None:
        if side is None and seen:
            side = seen[0].sender
        object.__setattr__(self, "message", message)
        object.__setattr__(self, "side", side)
        object.__setattr__(self, "evidence", tuple(Evidence.of(one) for one in seen))


Check = Callable[[Trace], Iterator[Violation]]
Figure = Callable[[Trace], float]
"""What a measurement measures in one trace, in kbps; raises :class:`Inconclusive` where it cannot
be told."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """A sentence that must be true of every trace of a test case, and the check of it."""

    name: str
    """The check's name, e.g. ``client_repeats_the_token``."""
    level: Level
    citation: str
    """``RFC 9000, 8.1.2``, or ``interop suite`` for what is in no RFC."""
    text: str
    compat: bool
    """Whether quic-interop-runner checks it too; ``--compat`` judges by these alone."""
    check: Check

    def __call__(self, trace: Trace) -> Iterator[Violation]:
        """All violations in a trace.

        Raises:
            Inconclusive: The trace cannot tell.
        """
        return self.check(trace)


def requirement(
    level: Level, citation: str, *, compat: bool = False
) -> Callable[[Check], Requirement]:
    """Turn a check into a :class:`Requirement`, named after it and worded by its docstring."""

    def declare(check: Check) -> Requirement:
        text = " ".join((inspect.getdoc(check) or "").split())
        if not text:
            msg = f"{check.__name__} needs a docstring: it is the requirement that reports print"
            raise TypeError(msg)
        return Requirement(check.__name__, level, citation, text, compat, check)

    return declare


@dataclass(frozen=True, slots=True)
class TestCase:
    """One test of the suite. Defaults are those of quic-interop-runner."""

    __test__ = False  # pytest: no tests in here

    name: str
    letter: str
    """The short name in a matrix, e.g. ``DC``."""
    summary: str
    """What happens when all goes well, in one sentence."""
    client: str
    """The client's TESTCASE."""
    server: str
    """The server's TESTCASE."""
    requirements: tuple[Requirement, ...]
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
    figure: Figure | None = None
    """What it measures; None if it only passes or fails."""
    repetitions: int = 1
    """How often it is done unless somebody says otherwise: a figure needs several samples."""

    @property
    def is_measurement(self) -> bool:
        """Whether it gives a figure. Nothing else runs meanwhile."""
        return self.figure is not None
