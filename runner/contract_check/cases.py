"""The trials: what is run to see whether the rules are kept, as data.

Most are attempts at a test case of the suite, with files that are small enough to be quick, judged
by what quic-interop-runner checks. The name of a trial begins with the subject's role.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from quicmatrix.runner.trace.model import PacketType, Side, Trace
from quicmatrix.testcases.model import KIB, Level, TestCase, Violation, requirement

TIME_LIMIT_S = 30.0
"""What the client may take. It takes about a second when nothing is wrong."""
FAILURE_LIMIT_S = 60.0
"""What it may take where it is to fail: half a minute is a common idle timeout."""
FILES = (0, 1 * KIB, 50 * KIB, 300 * KIB)
"""What is transferred to see the ordinary: several URLs, one file empty, one of many packets."""
CONNECTIONS = 3

EXCHANGES: Mapping[Side, tuple[str, ...]] = {
    Side.SERVER: ("retry", "resumption", "zerortt", "http3", "v2", "multiconnect"),
    Side.CLIENT: (
        "chacha20",
        "retry",
        "resumption",
        "zerortt",
        "http3",
        "keyupdate",
        "v2",
        "multiconnect",
    ),
}
"""Per role, the test cases that show on the wire whether TESTCASE is obeyed, at little cost."""

_SIZES: Mapping[str, tuple[int, ...]] = {"chacha20": (50 * KIB,), "keyupdate": (300 * KIB,)}
"""The files of test cases that have larger ones than it takes to see this."""


class Kind(Enum):
    """What happens in a trial."""

    UNKNOWN = auto()
    """The subject is asked for a test case that cannot exist; nobody plays the peer."""
    EXCHANGE = auto()
    """An attempt, with a peer."""
    EARLY = auto()
    """A client is started before the sim is ready."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One run in a sandbox."""

    name: str
    role: Side
    """The subject's."""
    kind: Kind
    summary: str
    """What happens, for the progress line."""
    test: TestCase | None = None
    """None: of an unknown one."""
    changes: Mapping[Side, Mapping[str, str | None]] = field(default_factory=dict)
    """By side, variables that differ from those of an attempt; None: it is not set at all."""
    decoded: bool = False
    """Whether a rule looks at the packets."""
    basic: bool = False
    """Whether the others of its role are in vain when the server does not get ready in it."""


def catalogue(cases: Sequence[TestCase]) -> tuple[Trial, ...]:
    """All trials.

    Args:
        cases: The suite's test cases.
    """
    known = {case.name: case for case in cases}
    return tuple(trial for role in Side for trial in _trials(role, known))


def _trials(role: Side, known: Mapping[str, TestCase]) -> Iterator[Trial]:
    yield Trial(f"{role}-unknown", role, Kind.UNKNOWN, "a TESTCASE that nobody knows", basic=True)
    # The peer logs no secrets, so whatever can be decrypted was decrypted with the subject's.
    yield Trial(
        f"{role}-transfer",
        role,
        Kind.EXCHANGE,
        "transfer, with no key log but its own",
        _shortened(known["transfer"], FILES),
        {role.peer: {"SSLKEYLOGFILE": None}},
        decoded=True,
        basic=True,
    )
    ipv6 = _shortened(known["ipv6"])
    yield Trial(f"{role}-ipv6", role, Kind.EXCHANGE, "transfer over IPv6", ipv6, decoded=True)
    for name in EXCHANGES[role]:
        test = (
            _multiconnect(known["handshake"])
            if name == "multiconnect"
            else _shortened(known[name], _SIZES.get(name, ()))
        )
        yield Trial(f"{role}-{name}", role, Kind.EXCHANGE, test.name, test, decoded=True)
    if role is Side.CLIENT:
        yield from _failures(known["handshake"])
        yield Trial("client-early", role, Kind.EARLY, "started before the sim", ipv6, decoded=True)


def _failures(handshake: TestCase) -> Iterator[Trial]:
    """Downloads that cannot succeed."""
    test = replace(handshake, requirements=(), timeout_s=FAILURE_LIMIT_S)
    yield Trial(
        "client-refused",
        Side.CLIENT,
        Kind.EXCHANGE,
        "a server that only speaks HTTP/3 (ALPN h3)",
        replace(test, server="http3"),
    )
    yield Trial(
        "client-absent",
        Side.CLIENT,
        Kind.EXCHANGE,
        "a file that the server does not have",
        test,
        {Side.CLIENT: {"REQUESTS": "https://server4:443/there-is-no-such-file"}},
    )


def _shortened(case: TestCase, files: tuple[int, ...] = ()) -> TestCase:
    return replace(case, files=files or case.files, timeout_s=TIME_LIMIT_S)


def _multiconnect(handshake: TestCase) -> TestCase:
    """The suite has this TESTCASE on bad links only, fifty times."""
    return replace(
        handshake,
        name="multiconnect",
        client="multiconnect",
        server="multiconnect",
        files=(1 * KIB,) * CONNECTIONS,
        requirements=(one_connection_for_each_file,),
        timeout_s=TIME_LIMIT_S,
    )


@requirement(Level.TEST, "interop suite", compat=True)
def one_connection_for_each_file(trace: Trace) -> Iterator[Violation]:
    """Each file has a connection of its own, counted by the server's Source Connection IDs."""
    initials = {
        packet.scid or packet.connection: packet
        for packet in trace.right.packets
        if packet.sender is Side.SERVER and packet.type is PacketType.INITIAL
    }
    if len(initials) != CONNECTIONS:
        yield Violation(
            f"there are {len(initials)} connections for {CONNECTIONS} files",
            *initials.values(),
            side=Side.CLIENT,
        )
