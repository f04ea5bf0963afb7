"""Checks that both roles share: each says in one line what was seen, or raises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice

from quicmatrix.runner.contract_check.model import Broken, Conversation, Observations, Unseen
from quicmatrix.runner.model.attempt import Ending, FileRecord
from quicmatrix.runner.trace.model import PacketType, Side

LABELS = (
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_TRAFFIC_SECRET_0",
    "SERVER_TRAFFIC_SECRET_0",
)
"""What it takes to decrypt a connection without 0-RTT."""
LOG_BYTES = 16_000_000
_PROTECTED = (PacketType.HANDSHAKE, PacketType.ONE_RTT)
_WIDTH = 40


def answer(seen: Observations, role: Side) -> str:
    """It exited with 127 when it was asked for what cannot exist."""
    found = seen.answer(role, f"{role}-unknown")
    if found.problem:
        raise Broken(found.problem)
    return f"exit code 127 after {found.after_s:.1f} s"


def files(conversation: Conversation, who: str) -> str:
    """All files arrived as they were."""
    record = conversation.record
    found = {entry.name: entry for entry in record.downloads}
    missing = [file.name for file in record.www if file.name not in found]
    wrong = [
        _difference(file, found[file.name])
        for file in record.www
        if file.name in found and file != found[file.name]
    ]
    if missing:
        text = f"{len(missing)} of {len(record.www)} files did not arrive: {listing(missing)}"
        raise Broken(quoting(f"{text}; the {who} {_end(conversation)}", conversation))
    if wrong:
        raise Broken(wrong[0])
    size = sum(file.size for file in record.www)
    return f"{len(record.www)} files, {size} bytes"


def key_log(conversation: Conversation, role: Side) -> str:
    """Its key log decrypts all of the capture next to it; the peer kept none."""
    labels = Counter(conversation.logs.secrets)
    trace = conversation.trace
    if trace is None:
        raise Unseen("the captures were not decoded")
    capture = trace.near(role)
    if capture.damage:
        raise Unseen(f"the capture: {capture.damage}")
    packets = [packet for packet in capture.packets if packet.type in _PROTECTED]
    if not packets:
        raise Unseen("there was no protected packet")
    if not labels:
        there = any(file.name == "keys.log" for file in conversation.logs.files)
        raise Broken("keys.log has no line of that format" if there else "there is no keys.log")
    lacking = [label for label in LABELS if label not in labels]
    if lacking:
        raise Broken(f"keys.log has no {listing(lacking, most=4)}")
    read = sum(packet.decrypted for packet in packets)
    if read < len(packets):
        raise Broken(f"keys.log decrypts {read} of {len(packets)} packets")
    return f"{labels.total()} secrets, {read} packets decrypted"


def qlog(conversation: Conversation) -> str:
    """There is a file in QLOGDIR that begins as a qlog does."""
    logs = conversation.logs
    if logs.qlogs:
        return listing(name.rpartition("/")[2] for name in logs.qlogs)
    others = [file.name for file in logs.files if file.name.startswith("qlog/")]
    if others:
        raise Broken(f"no file in QLOGDIR begins as a qlog does: {listing(others)}")
    raise Broken("QLOGDIR is empty")


def unaltered(conversation: Conversation) -> str:
    """Nothing of the runner's was changed."""
    if conversation.altered:
        raise Broken(f"changed: {listing(conversation.altered)}")
    return "nothing was changed"


def log_size(conversation: Conversation) -> str:
    """What it left in /logs is not too much."""
    found = conversation.logs.files
    total = sum(file.size for file in found)
    text = f"{total / 1e6:.2f} MB in {len(found)} files"
    if total > LOG_BYTES:
        largest = max(found, key=lambda file: file.size)
        raise Broken(f"{text}, most of it in {listing([largest.name])}")
    return text


def quoting(text: str, conversation: Conversation) -> str:
    """A text, and the last thing that the subject said."""
    said = conversation.logs.last_words
    return f"{text}; it said: {said}" if said else text


def listing(names: Iterable[str], most: int = 3) -> str:
    """The first names of many, none of them long."""
    found = list(islice(names, most + 1))
    shown = [name if len(name) <= _WIDTH else f"{name[:_WIDTH]}..." for name in found[:most]]
    return ", ".join(shown) + (", ..." if len(found) > most else "")


def _difference(wanted: FileRecord, found: FileRecord) -> str:
    name = listing([wanted.name])
    if found.kind != wanted.kind:
        return f"{name} is no file, but: {found.kind}"
    if found.size != wanted.size:
        return f"{name} has {found.size} bytes instead of {wanted.size}"
    return f"{name} has the right size but other bytes"


def _end(conversation: Conversation) -> str:
    its = conversation.record.client
    if its.ending is Ending.OUT_OF_TIME:
        return f"still ran after {its.duration_s:.0f} s"
    if its.ending is Ending.NOT_STARTED:
        return "was not started"
    return f"exited with {its.exit_code}" if its.signal is None else f"died of signal {its.signal}"
