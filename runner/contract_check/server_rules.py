"""What the contract asks of servers."""

from __future__ import annotations

from quicmatrix.runner.contract_check import evidence
from quicmatrix.runner.contract_check.model import (
    Broken,
    Conversation,
    Importance,
    Observations,
    Unseen,
    rule,
)
from quicmatrix.runner.contract_check.testcase_rules import refuses
from quicmatrix.runner.execute.attempt import START_S, STOP_S
from quicmatrix.runner.model.attempt import Ending
from quicmatrix.runner.trace.model import Side

COMPOSE_GRACE_S = 1.0
"""quic-interop-runner stops its containers with ``docker compose up --timeout 1``."""
_TRANSFER = "server-transfer"
_IPV6 = "server-ipv6"


@rule(
    Importance.REQUIRED,
    "server-unknown",
    role=Side.SERVER,
    hint="compare TESTCASE with the ones that you know before anything else; exit 127 for the rest",
)
def server_exits_127_for_an_unknown_testcase(seen: Observations) -> str:
    """The server exits with 127, at once, for a TESTCASE that it does not know."""
    return evidence.answer(seen, Side.SERVER)


@rule(
    Importance.REQUIRED,
    _TRANSFER,
    role=Side.SERVER,
    hint="answer a packet of 1200 bytes or more with an unknown version by a Version Negotiation "
    "packet (RFC 9000, 6.1), connection IDs of zero length included",
)
def server_answers_with_version_negotiation(seen: Observations) -> str:
    """The server answers an unknown version with Version Negotiation within 10 s of its start."""
    conversation = seen.conversation(_TRANSFER)
    its = conversation.record.server
    if conversation.record.server_ready:
        return "the probe with version 0x57414954 was answered"
    if refuses(conversation, Side.SERVER):
        raise Broken("it exited with 127 for TESTCASE=transfer, which every server has to know")
    if its.ending is Ending.EXITED:
        end = f"exited with {its.exit_code}" if its.signal is None else f"died of {its.signal}"
        raise Broken(evidence.quoting(f"it {end} before it answered", conversation))
    raise Broken(evidence.quoting(f"no answer within {START_S:g} s", conversation))


@rule(
    Importance.REQUIRED,
    _TRANSFER,
    role=Side.SERVER,
    hint="serve the files of /www over HTTP/0.9 (ALPN hq-interop) on UDP port 443 of all addresses",
)
def server_serves_www(seen: Observations) -> str:
    """The server serves the files of /www on UDP port 443, byte for byte."""
    return _served(seen.conversation(_TRANSFER))


@rule(
    Importance.REQUIRED,
    _IPV6,
    role=Side.SERVER,
    hint="listen on [::] as well as on 0.0.0.0",
)
def server_serves_over_ipv6(seen: Observations) -> str:
    """The server serves the same over IPv6."""
    return _served(seen.conversation(_IPV6))


@rule(
    Importance.REQUIRED,
    _TRANSFER,
    role=Side.SERVER,
    hint="keep running when a connection ends, and when it fails",
)
def server_runs_until_it_is_stopped(seen: Observations) -> str:
    """The server goes on until it is stopped."""
    its = _ready(seen.conversation(_TRANSFER)).record.server
    if its.ending in (Ending.EXITED, Ending.LOG_OVERFLOW):
        how = f"exit code {its.exit_code}" if its.signal is None else f"signal {its.signal}"
        raise Broken(f"it ended by itself after {its.duration_s:.1f} s: {how}")
    return f"it still ran after {its.duration_s:.1f} s"


@rule(
    Importance.REQUIRED,
    _TRANSFER,
    role=Side.SERVER,
    hint="let the entry script exec the server, so that it gets the signal, and end on SIGTERM",
)
def server_stops_on_sigterm(seen: Observations) -> str:
    """The server ends within 5 s of SIGTERM."""
    conversation = _ready(seen.conversation(_TRANSFER))
    its = conversation.record.server
    if its.ending is Ending.KILLED:
        raise Broken(f"it still ran {STOP_S:g} s after SIGTERM, and had to be killed")
    how = f"exit code {its.exit_code}" if its.signal is None else f"by signal {its.signal}"
    return f"it ended after {_stopping(conversation):.2f} s, {how}"


@rule(
    Importance.RECOMMENDED,
    _TRANSFER,
    role=Side.SERVER,
    hint="do not wait for connections to drain; write key log and qlog as you go",
)
def server_stops_within_a_second(seen: Observations) -> str:
    """The server ends within a second of SIGTERM: then quic-interop-runner kills it."""
    conversation = _ready(seen.conversation(_TRANSFER))
    if conversation.record.server.ending is Ending.KILLED:
        raise Broken("it had to be killed")
    took = _stopping(conversation)
    if took > COMPOSE_GRACE_S:
        raise Broken(f"it took {took:.1f} s")
    return f"{took:.2f} s"


@rule(
    Importance.REQUIRED,
    _TRANSFER,
    role=Side.SERVER,
    hint="write to SSLKEYLOGFILE in NSS key log format, and flush each line: the server is killed",
)
def server_key_log_decrypts_its_packets(seen: Observations) -> str:
    """The server's key log in SSLKEYLOGFILE decrypts every packet, once it has been stopped."""
    return evidence.key_log(_ready(seen.conversation(_TRANSFER)), Side.SERVER)


@rule(
    Importance.RECOMMENDED,
    _TRANSFER,
    role=Side.SERVER,
    hint="write a qlog file for each connection to the folder QLOGDIR",
)
def server_writes_qlog(seen: Observations) -> str:
    """The server leaves a qlog in QLOGDIR."""
    return evidence.qlog(_ready(seen.conversation(_TRANSFER)))


@rule(
    Importance.REQUIRED,
    _TRANSFER,
    role=Side.SERVER,
    hint="only read /www and /certs; they are mounted from the machine",
)
def server_leaves_www_and_certs_alone(seen: Observations) -> str:
    """The server changes nothing in /www and /certs."""
    return evidence.unaltered(_ready(seen.conversation(_TRANSFER)))


@rule(
    Importance.RECOMMENDED,
    _TRANSFER,
    role=Side.SERVER,
    hint="log less by default: a run of the whole matrix stores this thousands of times",
)
def server_logs_are_small(seen: Observations) -> str:
    """The server's logs of a transfer of 360 kB take less than 16 MB."""
    return evidence.log_size(_ready(seen.conversation(_TRANSFER)))


def _ready(conversation: Conversation) -> Conversation:
    if not conversation.record.server_ready:
        raise Unseen("the server never got ready")
    return conversation


def _served(conversation: Conversation) -> str:
    _ready(conversation)
    return evidence.files(conversation, "client")


def _stopping(conversation: Conversation) -> float:
    if conversation.stopping_s is None:
        raise Unseen("it ended before it was stopped")
    return conversation.stopping_s


RULES = (
    server_exits_127_for_an_unknown_testcase,
    server_answers_with_version_negotiation,
    server_serves_www,
    server_serves_over_ipv6,
    server_runs_until_it_is_stopped,
    server_stops_on_sigterm,
    server_stops_within_a_second,
    server_key_log_decrypts_its_packets,
    server_writes_qlog,
    server_leaves_www_and_certs_alone,
    server_logs_are_small,
)
