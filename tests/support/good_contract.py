"""What is seen of a subject that keeps every rule, and ways to spoil a part of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from quicmatrix.runner.contract_check.cases import EXCHANGES
from quicmatrix.runner.contract_check.evidence import LABELS
from quicmatrix.runner.contract_check.model import (
    Answer,
    Conversation,
    EarlyStart,
    ImageFacts,
    Logs,
    Observations,
)
from quicmatrix.runner.model.attempt import (
    AttemptRecord,
    Ending,
    EntryKind,
    FileRecord,
    LinkRecord,
    SideRecord,
)
from quicmatrix.runner.model.verdict import Outcome, Verdict
from quicmatrix.runner.sandbox.model import Exit
from quicmatrix.runner.trace.model import (
    Address,
    Capture,
    Datagram,
    Ecn,
    Packet,
    PacketType,
    Path,
    Side,
    Trace,
)

FILES = (
    FileRecord("alpha", EntryKind.FILE, 1000, "a" * 64),
    FileRecord("beta", EntryKind.FILE, 0, "b" * 64),
)
LOGS = Logs(
    files=(
        FileRecord("keys.log", EntryKind.FILE, 700, "c" * 64),
        FileRecord("output.log", EntryKind.FILE, 40, "d" * 64),
        FileRecord("qlog/1.sqlog", EntryKind.FILE, 90_000, "e" * 64),
    ),
    secrets=LABELS,
    qlogs=("qlog/1.sqlog",),
    setup_ran=True,
    last_words="all is well",
)
RECORD = AttemptRecord(
    client_name="subject",
    server_name="reference",
    test="transfer",
    scenario="simple-p2p",
    seed=1,
    repetition=1,
    started_at=0.0,
    duration_s=2.0,
    server_ready=True,
    client=SideRecord(("a",), Ending.EXITED, exit_code=0, duration_s=1.0),
    server=SideRecord(("b",), Ending.STOPPED, exit_code=0, duration_s=1.5),
    link=LinkRecord(),
    www=FILES,
    downloads=FILES,
)
PATH = Path(Address("193.167.0.100", 40000), Address("193.167.100.100", 443))


def packet(type_: PacketType, number: int, **others: Any) -> Packet:
    datagram = Datagram(Side.CLIENT, number + 1, 0.1, Side.CLIENT, PATH, Ecn.NOT_ECT, 1200)
    return Packet(datagram, type_, 1, b"to", b"from", 1200, number=number, **others)


def trace(*packets: Packet) -> Trace:
    return Trace(Capture(Side.CLIENT, (), packets), Capture(Side.SERVER, (), packets))


TRACE = trace(
    packet(PacketType.INITIAL, 0), packet(PacketType.HANDSHAKE, 0), packet(PacketType.ONE_RTT, 0)
)
CONVERSATION = Conversation(RECORD, Verdict(Outcome.PASSED), LOGS, TRACE, stopping_s=0.1)
FAILURE = replace(
    CONVERSATION,
    record=replace(RECORD, client=replace(RECORD.client, exit_code=1), downloads=()),
)
IMAGE = ImageFacts("amd64", "amd64", "linux", ("/run_endpoint.sh",), True, "", 100_000_000)
GOOD = Observations(
    roles=frozenset(Side),
    image=IMAGE,
    answers={side: Answer("", Exit(127), 0.3) for side in Side},
    conversations={
        "client-refused": FAILURE,
        "client-absent": FAILURE,
        **{
            f"{side}-{test}": CONVERSATION
            for side in Side
            for test in ("transfer", "ipv6", *EXCHANGES[side])
        },
    },
    early=EarlyStart(None, 0, LOGS, TRACE),
)


def with_conversation(name: str, **changes: Any) -> Observations:
    """The same, but one conversation differs."""
    spoilt = replace(GOOD.conversations[name], **changes)
    return replace(GOOD, conversations={**GOOD.conversations, name: spoilt})


def with_record(name: str, **changes: Any) -> Observations:
    """The same, but the record of one conversation differs."""
    return with_conversation(name, record=replace(GOOD.conversations[name].record, **changes))


def with_side(name: str, **changes: Any) -> Observations:
    """The same, but in one conversation the subject's process went otherwise."""
    role = name.partition("-")[0]
    before = getattr(GOOD.conversations[name].record, role)
    return with_record(name, **{role: replace(before, **changes)})


def with_logs(name: str, **changes: Any) -> Observations:
    """The same, but in one conversation the subject left other logs."""
    return with_conversation(name, logs=replace(GOOD.conversations[name].logs, **changes))
