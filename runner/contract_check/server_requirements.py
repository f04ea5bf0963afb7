"""What the contract requires of servers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from quicmatrix.runner.contract_check import shared_checks
from quicmatrix.runner.contract_check.model import (
    Observations,
    ObservedAttempt,
    contract_requirement,
)
from quicmatrix.runner.model.attempt import Ending
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Finding, Held, Inconclusive, Level, Violation

COMPOSE_GRACE_S = 1.0
"""quic-interop-runner stops its containers with ``docker compose up --timeout 1``."""
_UNKNOWN = "server-unknown"
_TRANSFER = "server-transfer"
_IPV6 = "server-ipv6"
_violation = partial(Violation, side=Side.SERVER)


@contract_requirement(
    Level.TEST,
    _UNKNOWN,
    role=Side.SERVER,
    hint="compare TESTCASE with the ones that you know before anything else; exit 127 for the rest",
    compat=True,
)
def server_exits_127_for_an_unknown_testcase(seen: Observations) -> Iterator[Finding]:
    """The server exits with 127, at once, for a TESTCASE that it does not know."""
    yield from shared_checks.exits_with_127(seen.unknown_testcase(_UNKNOWN), Side.SERVER)


@contract_requirement(
    Level.TEST,
    _TRANSFER,
    role=Side.SERVER,
    hint="answer a packet of 1200 bytes or more with an unknown version by a Version Negotiation "
    "packet (RFC 9000, 6.1), connection IDs of zero length included",
    citation="RFC 9000, 6.1",
)
def server_answers_with_version_negotiation(seen: Observations) -> Iterator[Finding]:
    """The server answers an unknown version with Version Negotiation within 10 s of its start."""
    attempt = seen.attempt(_TRANSFER)
    yield from shared_checks.every_test_requires(attempt, "server_answers_the_readiness_probe")


@contract_requirement(
    Level.TEST,
    _TRANSFER,
    role=Side.SERVER,
    hint="serve the files of /www over HTTP/0.9 (ALPN hq-interop) on UDP port 443 of all addresses",
    compat=True,
)
def server_serves_www(seen: Observations) -> Iterator[Finding]:
    """The server serves the files of /www on UDP port 443, byte for byte."""
    yield from shared_checks.every_test_requires(_ready(seen), "files_arrive")


@contract_requirement(
    Level.TEST,
    _IPV6,
    role=Side.SERVER,
    hint="listen on [::] as well as on 0.0.0.0",
    compat=True,
)
def server_serves_over_ipv6(seen: Observations) -> Iterator[Finding]:
    """The server serves the same over IPv6."""
    yield from shared_checks.every_test_requires(_ready(seen, _IPV6), "files_arrive")


@contract_requirement(
    Level.TEST,
    _TRANSFER,
    role=Side.SERVER,
    hint="keep running when a connection ends, and when it fails",
    compat=True,
)
def server_runs_until_it_is_stopped(seen: Observations) -> Iterator[Finding]:
    """The server runs until it is stopped."""
    attempt = seen.attempt(_TRANSFER)
    yield from shared_checks.every_test_requires(attempt, "server_runs_until_it_is_stopped")


@contract_requirement(
    Level.TEST,
    _TRANSFER,
    role=Side.SERVER,
    hint="let the entry script exec the server, so that it gets the signal, and end on SIGTERM",
)
def server_stops_on_sigterm(seen: Observations) -> Iterator[Finding]:
    """The server ends within 5 s of SIGTERM."""
    yield from shared_checks.every_test_requires(_ready(seen), "server_stops_on_sigterm")


@contract_requirement(
    Level.SHOULD,
    _TRANSFER,
    role=Side.SERVER,
    hint="do not wait for connections to drain; write key log and qlog as you go",
)
def server_stops_within_a_second(seen: Observations) -> Iterator[Finding]:
    """The server ends within a second of SIGTERM: then quic-interop-runner kills it."""
    attempt = _ready(seen)
    if attempt.record.server.ending is Ending.KILLED:
        yield _violation("it had to be killed")
    elif (took := _stop(attempt)) > COMPOSE_GRACE_S:
        yield _violation(f"it took {took:.1f} s")
    else:
        yield Held(message=f"{took:.2f} s")


@contract_requirement(
    Level.TEST,
    _TRANSFER,
    role=Side.SERVER,
    hint="write to SSLKEYLOGFILE in NSS key log format, and flush each line: the server is killed",
)
def server_key_log_decrypts_its_packets(seen: Observations) -> Iterator[Finding]:
    """The server's key log in SSLKEYLOGFILE decrypts every packet, once it has been stopped."""
    yield from shared_checks.key_log_decrypts_all(_ready(seen), Side.SERVER)


@contract_requirement(
    Level.SHOULD,
    _TRANSFER,
    role=Side.SERVER,
    hint="write a qlog file for each connection to the folder QLOGDIR",
)
def server_writes_qlog(seen: Observations) -> Iterator[Finding]:
    """The server writes a qlog to QLOGDIR."""
    yield from shared_checks.writes_qlog(_ready(seen), Side.SERVER)


@contract_requirement(
    Level.TEST,
    _TRANSFER,
    role=Side.SERVER,
    hint="only read /www and /certs; they are mounted from the machine",
)
def server_modifies_nothing_in_www_and_certs(seen: Observations) -> Iterator[Finding]:
    """The server modifies nothing in /www and /certs."""
    yield from shared_checks.modifies_nothing(_ready(seen), Side.SERVER)


@contract_requirement(
    Level.SHOULD,
    _TRANSFER,
    role=Side.SERVER,
    hint="log less by default: a run of the whole matrix stores this thousands of times",
)
def server_logs_are_small(seen: Observations) -> Iterator[Finding]:
    """The server's logs of a transfer of 360 kB take less than 16 MB."""
    yield from shared_checks.logs_are_small(_ready(seen), Side.SERVER)


def _ready(seen: Observations, case: str = _TRANSFER) -> ObservedAttempt:
    """An attempt in which the server got ready.

    Raises:
        Inconclusive: It did not.
    """
    attempt = seen.attempt(case)
    if not attempt.record.server_ready:
        raise Inconclusive("the server never got ready")
    return attempt


def _stop(attempt: ObservedAttempt) -> float:
    """How long the server took from SIGTERM to its end.

    Raises:
        Inconclusive: It ended before.
    """
    if attempt.stop_duration_s is None:
        raise Inconclusive("it ended before it was stopped")
    return attempt.stop_duration_s


REQUIREMENTS = (
    server_exits_127_for_an_unknown_testcase,
    server_answers_with_version_negotiation,
    server_serves_www,
    server_serves_over_ipv6,
    server_runs_until_it_is_stopped,
    server_stops_on_sigterm,
    server_stops_within_a_second,
    server_key_log_decrypts_its_packets,
    server_writes_qlog,
    server_modifies_nothing_in_www_and_certs,
    server_logs_are_small,
)
