"""The vocabulary of a conformance case: a stimulus, what must follow from it, and its control.

A case is a script for the *tester*, a peer of the implementation under test that follows the RFCs
but for one deviation, the *stimulus*. Whether the requirement holds is decided from the packets
alone (:mod:`quicmatrix.testcases.conformance.expectations`)::

    @case("rfc9000/4.5/final-size-change", Level.SHOULD, rows="F-22", expects=closes(FINAL_SIZE))
    async def final_size_changes(tester: Tester) -> None:
        \"\"\"A change of a stream's final size closes the connection with FINAL_SIZE_ERROR.\"\"\"
        peer = await tester.connected()
        stream = peer.new_stream()
        await peer.send(frames.stream(stream, b"GET ", fin=True))
        await peer.stimulus(frames.stream(stream, b"/", offset=4, fin=True))

The script ends with the stimulus: the tester then finds out by itself whether the implementation
goes on (:meth:`quicmatrix.endpoint.tester.tester.Tester.finish`). The docstring is the
requirement, in our words.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quicmatrix.runner.trace.model import VERSION_1, VERSION_2, Side
from quicmatrix.testcases.model import KIB, Level, Observation, Requirement, TestCase

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

Script = Callable[["Tester"], Awaitable[None]]
"""What the tester does. It waits for packets, never for time."""
Expectation = Callable[["Sentence"], tuple[Requirement[Observation], ...]]
"""Makes the requirements that decide a case from its sentence."""

SCENARIO = "simple-p2p --delay=1ms --bandwidth=100Mbps --queue=1000"
"""The link of all cases: it loses nothing, and is over in no time."""
BOTH = frozenset(Side)
SERVER = frozenset({Side.SERVER})
CLIENT = frozenset({Side.CLIENT})
CONTROL = "control"
"""What the ids of controls begin with, in place of an RFC."""
_ID = re.compile(r"rfc\d+/[0-9A-Z]+(\.\d+)*/[a-z0-9-]+|control/[a-z0-9-]+")


@dataclass(frozen=True, slots=True)
class Flow:
    """What a case is a deviation from: an exchange with no fault in it, which is its control."""

    name: str
    """Its control is the case ``control/NAME``."""
    testcase: str = "transfer"
    """The TESTCASE of the implementation under test, one of the interop suite's."""
    alpn: str = "hq-interop"
    files: tuple[int, ...] = (KIB,)
    """Sizes of the files that are served, in bytes."""
    certificates: int = 1
    """Length of the server's chain."""
    filler_names: int = 0
    """How many random names of 250 characters make its certificate larger."""
    versions: tuple[int, ...] = (VERSION_1,)
    """QUIC versions that the tester speaks, the preferred one first; it begins with the oldest."""

    @property
    def control(self) -> str:
        """The id of its control."""
        return f"{CONTROL}/{self.name}"


TRANSFER = Flow("transfer")
"""One connection, and one file over HTTP/0.9."""
HTTP3 = Flow("http3", "http3", "h3")
"""One connection, and one file over HTTP/3."""
RETRY = Flow("retry", "retry")
"""One connection after a Retry of the server's, and one file."""
LONG_CHAIN = Flow("long-chain", certificates=9, filler_names=20)
"""A certificate chain that is too long for an address that is not validated."""
MANY_FILES = Flow("many-files", files=(KIB,) * 3)
"""One connection, and three files over HTTP/0.9."""
RESUMPTION = Flow("resumption", "resumption", files=(KIB, KIB))
"""Two connections; the second one resumes the session of the first."""
ZERO_RTT = Flow("zerortt", "zerortt", files=(KIB, KIB))
"""Two connections; the second one begins with a request in 0-RTT."""
V2 = Flow("v2", "v2", versions=(VERSION_2, VERSION_1))
"""One connection, which begins in version 1; the server changes it to version 2 (RFC 9369, 4.1)."""
V2_RESUMPTION = Flow(
    "v2-resumption", "resumption", files=(KIB, KIB), versions=(VERSION_2, VERSION_1)
)
"""Two connections with a tester that prefers version 2."""
VERSION_NEGOTIATION = Flow("version-negotiation", "v2", versions=(VERSION_2,))
"""The tester, a server, speaks version 2 alone, and says so in Version Negotiation."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A requirement's name, level, citation and text."""

    name: str
    level: Level
    citation: str
    text: str


@dataclass(frozen=True, slots=True)
class Case:
    """One stimulus, and what must follow from it."""

    id: str
    """``rfc9000/4.5/final-size-change``: RFC, section and what is done; stable, never reused."""
    level: Level
    citation: str
    """``RFC 9000, 4.5``."""
    text: str
    """The requirement, one sentence."""
    roles: frozenset[Side]
    """The roles in which an implementation can be tested by it."""
    flow: Flow
    script: Script
    requirements: tuple[Requirement[Observation], ...]
    """The first is the case's own; what follows grades the answer."""
    rows: tuple[str, ...] = ()
    """The rows of the catalogue (docs/conformance.md) that it covers."""
    timeout_s: float = 30.0

    @property
    def is_control(self) -> bool:
        """Whether it is the flow itself, without a stimulus."""
        return self.rfc == CONTROL

    @property
    def rfc(self) -> str:
        """``rfc9000``."""
        return self.id.partition("/")[0]

    @property
    def section(self) -> str:
        """``4.5``."""
        return self.id.split("/")[1]

    @property
    def test_case(self) -> TestCase:
        """What the runner runs; the tester is told the case's id as its TESTCASE."""
        return TestCase(
            name=self.id,
            letter="",
            summary=self.text,
            client=self.flow.testcase,
            server=self.flow.testcase,
            requirements=self.requirements,
            files=self.flow.files,
            scenario=SCENARIO,
            certificates=self.flow.certificates,
            filler_names=self.flow.filler_names,
            timeout_s=self.timeout_s,
        )


def kebab(name: str) -> str:
    """``MAX_DATA`` as it is in an id: ``max-data``."""
    return name.lower().replace("_", "-")


def case(
    name: str,
    level: Level,
    *,
    expects: Expectation,
    text: str = "",
    rows: str = "",
    roles: frozenset[Side] = BOTH,
    flow: Flow = TRANSFER,
    timeout_s: float = 30.0,
) -> Callable[[Script], Case]:
    """Turn a script into a :class:`Case`, worded by its docstring.

    Args:
        name: The id.
        level: Of the RFC's sentence. Only MUST and SHOULD can be violated.
        expects: What must follow from the stimulus.
        text: The requirement, if not the docstring: for families of cases.
        rows: The rows of the catalogue that it covers, separated by spaces.
        roles: The roles in which an implementation can be tested by it.
        flow: What it is a deviation from.
        timeout_s: Seconds that it may take, from the client's start.
    """
    if not _ID.fullmatch(name):
        raise ValueError(f"{name!r} is no id of a case: rfc9000/4.5/what-is-done")

    def declare(script: Script) -> Case:
        sentence = " ".join((text or inspect.getdoc(script) or "").split())
        if not sentence:
            raise TypeError(f"{name} needs a docstring: it is the requirement that reports print")
        rfc, section, _ = (*name.split("/"), "")[:3]
        citation = f"RFC {rfc[3:]}, {section}" if rfc != CONTROL else CONTROL
        requirements = expects(Sentence(name, level, citation, sentence))
        return Case(
            name,
            level,
            citation,
            sentence,
            roles,
            flow,
            script,
            requirements,
            tuple(rows.split()),
            timeout_s,
        )

    return declare
