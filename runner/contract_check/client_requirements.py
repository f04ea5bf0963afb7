"""What the contract requires of clients."""

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
from quicmatrix.testcases.model import (
    Finding,
    Held,
    Inconclusive,
    Level,
    NotExercised,
    Violation,
)

_UNKNOWN = "client-unknown"
_TRANSFER = "client-transfer"
_IPV6 = "client-ipv6"
_REFUSED = "client-refused"
_ABSENT = "client-absent"
_EARLY = "client-early"
_violation = partial(Violation, side=Side.CLIENT)


@contract_requirement(
    Level.TEST,
    _UNKNOWN,
    role=Side.CLIENT,
    hint="compare TESTCASE with the ones that you know before anything else; exit 127 for the rest",
    compat=True,
)
def client_exits_127_for_an_unknown_testcase(seen: Observations) -> Iterator[Finding]:
    """The client exits with 127, at once, for a TESTCASE that it does not know."""
    yield from shared_checks.exits_with_127(seen.unknown_testcase(_UNKNOWN), Side.CLIENT)


@contract_requirement(
    Level.TEST,
    _TRANSFER,
    role=Side.CLIENT,
    hint="write what each URL of REQUESTS brings to /downloads, under the last part of its path, "
    "and nothing else: logs belong in /logs, temporary files in /tmp",
    compat=True,
)
def client_downloads_what_was_requested(seen: Observations) -> Iterator[Finding]:
    """The client writes the requested files to /downloads, byte for byte, and nothing else."""
    yield from shared_checks.every_test_requires(_with_server(seen, _TRANSFER), "files_arrive")


@contract_requirement(
    Level.TEST,
    _TRANSFER,
    role=Side.CLIENT,
    hint="exit with 0 when all files are there, also when the entry script runs the client",
    compat=True,
)
def client_exits_0_when_it_is_done(seen: Observations) -> Iterator[Finding]:
    """The client exits with 0 when all files are there."""
    attempt = _with_server(seen, _TRANSFER)
    if attempt.record.client.ending is Ending.STOPPED:
        raise Inconclusive("it was stopped, since the peer's server had ended")
    yield from shared_checks.every_test_requires(
        attempt,
        "client_finishes_in_time",
        "endpoints_keep_to_their_log_limit",
        "client_exits_with_0",
    )


@contract_requirement(
    Level.TEST,
    _IPV6,
    role=Side.CLIENT,
    hint="resolve the names in REQUESTS to IPv6 addresses too, and connect to them",
    compat=True,
)
def client_downloads_over_ipv6(seen: Observations) -> Iterator[Finding]:
    """The client does the same over IPv6."""
    yield from shared_checks.every_test_requires(_with_server(seen, _IPV6), "files_arrive")


@contract_requirement(
    Level.TEST,
    _REFUSED,
    role=Side.CLIENT,
    hint="exit with 1 when the connection cannot be established",
)
def client_exits_1_when_the_handshake_fails(seen: Observations) -> Iterator[Finding]:
    """The client exits with 1, within a minute, when the server refuses the handshake."""
    yield from _reports_failure(_with_server(seen, _REFUSED))


@contract_requirement(
    Level.SHOULD,
    _ABSENT,
    role=Side.CLIENT,
    hint="exit with 1 when the server resets the stream of a request",
)
def client_exits_1_when_a_file_is_not_there(seen: Observations) -> Iterator[Finding]:
    """The client exits with 1, within a minute, when the server resets a request's stream."""
    yield from _reports_failure(_with_server(seen, _ABSENT))


@contract_requirement(
    Level.TEST,
    _EARLY,
    role=Side.CLIENT,
    hint="in the entry script: /wait-for-it.sh sim:57832 -s -t 30, before the client is started",
)
def client_waits_for_the_sim(seen: Observations) -> Iterator[Finding]:
    """The client's image waits until TCP port 57832 of sim is open before it begins."""
    if seen.image is None:
        yield NotExercised("it is a local command, which is started when the sim is ready")
        return
    early = seen.early_start(_EARLY)
    if early.exit is not None:
        exit_ = early.exit
        end = f"exited with {exit_.code}" if exit_.signal is None else f"got signal {exit_.signal}"
        last = f"; its last output: {early.logs.last_line}" if early.logs.last_line else ""
        yield _violation(f"it {end} before the sim was ready{last}")
        return
    if early.datagrams is None:
        raise Inconclusive("its datagrams before the sim was ready could not be counted")
    sent = early.trace.left.packets if early.trace else ()
    first = next((packet for packet in sent if packet.sender is Side.CLIENT), None)
    if early.datagrams:
        yield _violation(f"it sent {early.datagrams} datagrams to the server before sim was ready")
    elif first is None:
        yield _violation("it sent nothing when the sim was ready either")
    else:
        yield Held(first, message="it sent its first packet when the sim was ready")


@contract_requirement(
    Level.TEST,
    _TRANSFER,
    role=Side.CLIENT,
    hint="write to SSLKEYLOGFILE in NSS key log format, and close it before the client exits",
)
def client_key_log_decrypts_its_packets(seen: Observations) -> Iterator[Finding]:
    """The client's key log in SSLKEYLOGFILE decrypts every packet."""
    yield from shared_checks.key_log_decrypts_all(_with_server(seen, _TRANSFER), Side.CLIENT)


@contract_requirement(
    Level.SHOULD,
    _TRANSFER,
    role=Side.CLIENT,
    hint="write a qlog file for each connection to the folder QLOGDIR",
)
def client_writes_qlog(seen: Observations) -> Iterator[Finding]:
    """The client writes a qlog to QLOGDIR."""
    yield from shared_checks.writes_qlog(_with_server(seen, _TRANSFER), Side.CLIENT)


@contract_requirement(
    Level.TEST,
    _TRANSFER,
    role=Side.CLIENT,
    hint="only read /certs; it is mounted from the machine",
)
def client_modifies_nothing_in_certs(seen: Observations) -> Iterator[Finding]:
    """The client modifies nothing in /certs."""
    yield from shared_checks.modifies_nothing(_with_server(seen, _TRANSFER), Side.CLIENT)


@contract_requirement(
    Level.SHOULD,
    _TRANSFER,
    role=Side.CLIENT,
    hint="log less by default: a run of the whole matrix stores this thousands of times",
)
def client_logs_are_small(seen: Observations) -> Iterator[Finding]:
    """The client's logs of a transfer of 360 kB take less than 16 MB."""
    yield from shared_checks.logs_are_small(_with_server(seen, _TRANSFER), Side.CLIENT)


def _with_server(seen: Observations, case: str) -> ObservedAttempt:
    """An attempt in which the client had a server.

    Raises:
        Inconclusive: The peer did not get ready.
    """
    attempt = seen.attempt(case)
    if not attempt.record.server_ready:
        raise Inconclusive("the peer's server did not get ready")
    return attempt


def _reports_failure(attempt: ObservedAttempt) -> Iterator[Finding]:
    """The client exits with 1, or another code than 0 and 127, after a download that fails."""
    its = attempt.record.client
    if shared_checks.is_unsupported(its):
        yield _violation("it exited with 127, which means that it does not know the test case")
    elif its.ending is not Ending.EXITED or its.exit_code in (0, None):
        text = f"it {shared_checks.describe_end(its)}"
        yield _violation(shared_checks.with_last_line(text, attempt))
    else:
        yield Held(message=f"exit code {its.exit_code} after {its.duration_s:.1f} s")


REQUIREMENTS = (
    client_exits_127_for_an_unknown_testcase,
    client_downloads_what_was_requested,
    client_exits_0_when_it_is_done,
    client_downloads_over_ipv6,
    client_exits_1_when_the_handshake_fails,
    client_exits_1_when_a_file_is_not_there,
    client_waits_for_the_sim,
    client_key_log_decrypts_its_packets,
    client_writes_qlog,
    client_modifies_nothing_in_certs,
    client_logs_are_small,
)
