"""The contract cases: what is run to check the requirements, as data.

Most are attempts at a test case of the suite, with files small enough to be quick, judged as in a
run. A case's name begins with the role of the implementation under test.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from quicmatrix.runner.trace.model import PacketType, Side
from quicmatrix.testcases.model import (
    KIB,
    Finding,
    Held,
    Level,
    Observation,
    Requirement,
    TestCase,
    Violation,
    requirement,
)

TIME_LIMIT_S = 30.0
"""What the client may take. It takes about a second when nothing is wrong."""
FAILURE_LIMIT_S = 60.0
"""What it may take where it is to fail: half a minute is a common idle timeout."""
FILES = (0, 1 * KIB, 50 * KIB, 300 * KIB)
"""The files of a plain transfer, in bytes: several URLs, one file empty, one of many packets."""
CONNECTIONS = 3

TESTCASES: Mapping[Side, tuple[str, ...]] = {
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
"""Per role, the TESTCASE values whose effect packets show within a second or two."""

_SIZES: Mapping[str, tuple[int, ...]] = {"chacha20": (50 * KIB,), "keyupdate": (300 * KIB,)}
"""Smaller files than the suite's, where those are larger than this needs."""


@dataclass(frozen=True, slots=True)
class ContractCase:
    """One run in a sandbox."""

    name: str
    role: Side
    """Of the implementation under test."""
    summary: str
    """What happens, for the progress line."""
    test: TestCase | None = None
    """What it attempts with a peer; None: its TESTCASE does not exist, and there is no peer."""
    environment: Mapping[Side, Mapping[str, str | None]] = field(default_factory=dict)
    """By side, variables to set, or to remove (None)."""
    decoded: bool = False
    """Whether a requirement looks at the packets."""
    early: bool = False
    """Whether the client is started before the sim is ready."""
    runs_first: bool = False
    """Whether the other cases of its role are skipped if the server does not get ready in it."""


def contract_cases(tests: Sequence[TestCase]) -> tuple[ContractCase, ...]:
    """All cases.

    Args:
        tests: The suite's test cases.
    """
    by_name = {test.name: test for test in tests}
    return tuple(case for role in Side for case in _cases(role, by_name))


def _cases(role: Side, tests: Mapping[str, TestCase]) -> Iterator[ContractCase]:
    yield ContractCase(
        f"{role}-unknown",
        role,
        "a TESTCASE that does not exist",
        runs_first=True,
    )
    # The peer writes no key log, so what is decrypted was decrypted with the implementation's.
    yield ContractCase(
        f"{role}-transfer",
        role,
        "transfer, with no key log but its own",
        _shortened(tests["transfer"], FILES),
        {role.peer: {"SSLKEYLOGFILE": None}},
        decoded=True,
        runs_first=True,
    )
    ipv6 = _shortened(tests["ipv6"])
    yield ContractCase(f"{role}-ipv6", role, "transfer over IPv6", ipv6, decoded=True)
    for name in TESTCASES[role]:
        test = (
            _multiconnect(tests["handshake"], _common_requirements(tests))
            if name == "multiconnect"
            else _shortened(tests[name], _SIZES.get(name, ()))
        )
        yield ContractCase(f"{role}-{name}", role, test.name, test, decoded=True)
    if role is Side.CLIENT:
        yield from _failures(tests["handshake"])
        yield ContractCase(
            "client-early", role, "started before the sim", ipv6, decoded=True, early=True
        )


def _failures(handshake: TestCase) -> Iterator[ContractCase]:
    """Downloads that cannot succeed."""
    test = replace(handshake, requirements=(), timeout_s=FAILURE_LIMIT_S)
    yield ContractCase(
        "client-refused",
        Side.CLIENT,
        "a server that only speaks HTTP/3 (ALPN h3)",
        replace(test, server="http3"),
    )
    yield ContractCase(
        "client-absent",
        Side.CLIENT,
        "a file that the server does not have",
        test,
        {Side.CLIENT: {"REQUESTS": "https://server4:443/there-is-no-such-file"}},
    )


def _shortened(test: TestCase, files: tuple[int, ...] = ()) -> TestCase:
    return replace(test, files=files or test.files, timeout_s=TIME_LIMIT_S)


def _common_requirements(tests: Mapping[str, TestCase]) -> tuple[Requirement[Observation], ...]:
    """What all test cases require: the endpoint contract."""
    first, *others = (tests[name] for name in TESTCASES[Side.CLIENT] if name in tests)
    return tuple(
        one for one in first.requirements if all(one in test.requirements for test in others)
    )


def _multiconnect(handshake: TestCase, common: tuple[Requirement[Observation], ...]) -> TestCase:
    """The suite has this TESTCASE on bad links only, with fifty connections."""
    return replace(
        handshake,
        name="multiconnect",
        client="multiconnect",
        server="multiconnect",
        files=(1 * KIB,) * CONNECTIONS,
        requirements=(*common, one_connection_for_each_file),
        timeout_s=TIME_LIMIT_S,
    )


@requirement(Level.TEST, "interop suite", compat=True)
def one_connection_for_each_file(seen: Observation) -> Iterator[Finding]:
    """Each file has a connection of its own, counted by the server's Source Connection IDs."""
    initials = {
        packet.scid or packet.connection: packet
        for packet in seen.trace.right.packets
        if packet.sender is Side.SERVER and packet.type is PacketType.INITIAL
    }
    if len(initials) == CONNECTIONS:
        yield Held(*initials.values())
    else:
        yield Violation(
            f"there are {len(initials)} connections for {CONNECTIONS} files",
            *initials.values(),
            side=Side.CLIENT,
        )
