"""What the contract asks of clients."""

from __future__ import annotations

from quicmatrix.runner.contract_check import evidence
from quicmatrix.runner.contract_check.model import (
    Broken,
    Conversation,
    Importance,
    Inapplicable,
    Observations,
    Unseen,
    rule,
)
from quicmatrix.runner.contract_check.testcase_rules import refuses
from quicmatrix.runner.execute.contract import NOT_SUPPORTED
from quicmatrix.runner.model.attempt import Ending, EntryKind
from quicmatrix.runner.trace.model import Side

_TRANSFER = "client-transfer"
_IPV6 = "client-ipv6"
_REFUSED = "client-refused"
_ABSENT = "client-absent"
_EARLY = "client-early"


@rule(
    Importance.REQUIRED,
    "client-unknown",
    role=Side.CLIENT,
    hint="compare TESTCASE with the ones that you know before anything else; exit 127 for the rest",
)
def client_exits_127_for_an_unknown_testcase(seen: Observations) -> str:
    """The client exits with 127, at once, for a TESTCASE that it does not know."""
    return evidence.answer(seen, Side.CLIENT)


@rule(
    Importance.REQUIRED,
    _TRANSFER,
    role=Side.CLIENT,
    hint="write what each URL of REQUESTS brings to /downloads, under the last part of its path",
)
def client_downloads_what_was_requested(seen: Observations) -> str:
    """The client writes every requested file to /downloads, byte for byte."""
    return evidence.files(_ran(seen.conversation(_TRANSFER)), "client")


@rule(
    Importance.REQUIRED,
    _TRANSFER,
    role=Side.CLIENT,
    hint="leave nothing else in /downloads: logs belong in /logs, temporary files in /tmp",
)
def client_leaves_nothing_else_in_downloads(seen: Observations) -> str:
    """The client leaves nothing in /downloads but the requested files."""
    record = _ran(seen.conversation(_TRANSFER)).record
    wanted = {file.name for file in record.www}
    extra = [entry for entry in record.downloads if entry.name not in wanted]
    if extra:
        names = evidence.listing(
            f"{entry.name} ({entry.kind})" if entry.kind is not EntryKind.FILE else entry.name
            for entry in extra
        )
        raise Broken(f"{len(extra)} entries that nobody asked for: {names}")
    if not record.downloads_complete:
        raise Broken("/downloads holds more than can be looked at")
    return f"{len(record.downloads)} entries, all of them requested"


@rule(
    Importance.REQUIRED,
    _TRANSFER,
    role=Side.CLIENT,
    hint="exit with 0 when all files are there, also when the entry script runs the client",
)
def client_exits_0_when_it_is_done(seen: Observations) -> str:
    """The client exits with 0 when all files are there."""
    conversation = _ran(seen.conversation(_TRANSFER))
    its = conversation.record.client
    if its.ending is not Ending.EXITED:
        raise Broken(evidence.quoting(_end(conversation), conversation))
    if its.exit_code == NOT_SUPPORTED:
        raise Broken("it exits with 127 for TESTCASE=transfer, which every client has to know")
    if its.exit_code != 0:
        raise Broken(evidence.quoting(_end(conversation), conversation))
    return f"exit code 0 after {its.duration_s:.1f} s"


@rule(
    Importance.REQUIRED,
    _IPV6,
    role=Side.CLIENT,
    hint="resolve the names in REQUESTS to IPv6 addresses too, and connect to them",
)
def client_downloads_over_ipv6(seen: Observations) -> str:
    """The client does the same over IPv6."""
    return evidence.files(_ran(seen.conversation(_IPV6)), "client")


@rule(
    Importance.REQUIRED,
    _REFUSED,
    role=Side.CLIENT,
    hint="exit with 1 when the connection cannot be established",
)
def client_exits_1_when_the_handshake_fails(seen: Observations) -> str:
    """The client exits with 1, within a minute, when the server refuses the handshake."""
    return _failed(_ran(seen.conversation(_REFUSED)))


@rule(
    Importance.RECOMMENDED,
    _ABSENT,
    role=Side.CLIENT,
    hint="exit with 1 when the server resets the stream of a request",
)
def client_exits_1_when_a_file_is_not_there(seen: Observations) -> str:
    """The client exits with 1, within a minute, when the server resets a request's stream."""
    return _failed(_ran(seen.conversation(_ABSENT)))


@rule(
    Importance.REQUIRED,
    _EARLY,
    role=Side.CLIENT,
    hint="in the entry script: /wait-for-it.sh sim:57832 -s -t 30, before the client is started",
)
def client_waits_for_the_sim(seen: Observations) -> str:
    """The client's image waits until TCP port 57832 of sim is open before it begins."""
    if seen.image is None:
        raise Inapplicable("it is a local command, which is started when the sim is ready")
    early = seen.early
    if early is None:
        raise Unseen(seen.missing.get(_EARLY, f"the trial {_EARLY} was not run"))
    if early.exit is not None:
        code = f"exited with {early.exit.code}" if early.exit.signal is None else "died"
        raise Broken(f"without the sim, it {code} at once: {early.logs.last_words or 'no word'}")
    if early.datagrams is None:
        raise Unseen("nobody could listen to it before the sim was there")
    if early.datagrams:
        raise Broken(f"it sent {early.datagrams} datagrams to the server before there was a sim")
    later = (
        [one for one in early.trace.left.packets if one.sender is Side.CLIENT]
        if early.trace
        else []
    )
    if not later:
        raise Broken("it sent nothing when the sim was there either")
    return "its first packet came when the sim was ready"


@rule(
    Importance.REQUIRED,
    _TRANSFER,
    role=Side.CLIENT,
    hint="write to SSLKEYLOGFILE in NSS key log format, and close it before the client exits",
)
def client_key_log_decrypts_its_packets(seen: Observations) -> str:
    """The client's key log in SSLKEYLOGFILE decrypts every packet."""
    return evidence.key_log(_ran(seen.conversation(_TRANSFER)), Side.CLIENT)


@rule(
    Importance.RECOMMENDED,
    _TRANSFER,
    role=Side.CLIENT,
    hint="write a qlog file for each connection to the folder QLOGDIR",
)
def client_writes_qlog(seen: Observations) -> str:
    """The client leaves a qlog in QLOGDIR."""
    return evidence.qlog(_ran(seen.conversation(_TRANSFER)))


@rule(
    Importance.REQUIRED,
    _TRANSFER,
    role=Side.CLIENT,
    hint="only read /certs; it is mounted from the machine",
)
def client_leaves_certs_alone(seen: Observations) -> str:
    """The client changes nothing in /certs."""
    return evidence.unaltered(_ran(seen.conversation(_TRANSFER)))


@rule(
    Importance.RECOMMENDED,
    _TRANSFER,
    role=Side.CLIENT,
    hint="log less by default: a run of the whole matrix stores this thousands of times",
)
def client_logs_are_small(seen: Observations) -> str:
    """The client's logs of a transfer of 360 kB take less than 16 MB."""
    return evidence.log_size(_ran(seen.conversation(_TRANSFER)))


def _ran(conversation: Conversation) -> Conversation:
    """A conversation in which the client had a server.

    Raises:
        Unseen: It had none: the peer's fault.
    """
    if not conversation.record.server_ready:
        raise Unseen("the peer's server did not get ready")
    return conversation


def _failed(conversation: Conversation) -> str:
    its = conversation.record.client
    if refuses(conversation, Side.CLIENT):
        raise Broken("it exited with 127, which means that it does not know the test case")
    if its.ending is not Ending.EXITED or its.exit_code in (0, None):
        raise Broken(evidence.quoting(_end(conversation), conversation))
    return f"exit code {its.exit_code} after {its.duration_s:.1f} s"


def _end(conversation: Conversation) -> str:
    its = conversation.record.client
    if its.ending is Ending.OUT_OF_TIME:
        return f"it still ran after {its.duration_s:.0f} s, and was ended"
    if its.ending is Ending.LOG_OVERFLOW:
        return "it wrote more to its output than that may hold, and was ended"
    if its.signal is not None:
        return f"it was ended by signal {its.signal}"
    return f"it exited with {its.exit_code}"


RULES = (
    client_exits_127_for_an_unknown_testcase,
    client_downloads_what_was_requested,
    client_leaves_nothing_else_in_downloads,
    client_exits_0_when_it_is_done,
    client_downloads_over_ipv6,
    client_exits_1_when_the_handshake_fails,
    client_exits_1_when_a_file_is_not_there,
    client_waits_for_the_sim,
    client_key_log_decrypts_its_packets,
    client_writes_qlog,
    client_leaves_certs_alone,
    client_logs_are_small,
)
