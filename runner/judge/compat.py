"""What quic-interop-runner says of an attempt where our requirement asks something else. Pure.

``--compat`` takes its requirements and gives its word, which docs/compat.md compares with ours.
Some of its checks follow other rules than ours, and replace ours by name; one more, on key logs,
comes before all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from quicmatrix.runner.judge.compat_handshakes import ITS_COUNT
from quicmatrix.runner.model.attempt import AttemptRecord, Ending, EntryKind, SideRecord
from quicmatrix.runner.trace.model import (
    Capture,
    ClientHello,
    Packet,
    PathChallenge,
    PathResponse,
    Side,
)
from quicmatrix.testcases.model import (
    Check,
    Finding,
    Held,
    Inconclusive,
    Level,
    Observation,
    Requirement,
    Violation,
    requirement,
)

NEED_A_KEY_LOG = frozenset(
    {
        "connectionmigration",
        "ecn",
        "keyupdate",
        "multiplexing",
        "rebind-addr",
        "rebind-port",
        "resumption",
    }
)
"""Tests that it calls unsupported where neither side wrote a key log."""
_KEY_LOG_LINE = re.compile(rb"^SERVER_HANDSHAKE_TRAFFIC_SECRET", re.MULTILINE)
_CHACHA20 = 0x1303


def has_key_log(bundle: Path) -> bool:
    """Whether a side wrote a key log that it takes for one."""
    logs = (bundle / side / "keys.log" for side in Side)
    return any(log.is_file() and _KEY_LOG_LINE.search(log.read_bytes()) for log in logs)


def without_key_log(record: AttemptRecord, *, key_log: bool) -> str:
    """Why an attempt counts as unsupported though no endpoint said so; empty if it does not."""
    if key_log or record.test not in NEED_A_KEY_LOG or not _exit_code_0(record):
        return ""
    return "neither side wrote a key log, without which this test counts as unsupported"


def as_it_checks(one: Requirement[Observation]) -> Requirement[Observation]:
    """A requirement, or what it asks in its place."""
    if one.name == "files_arrive":
        return replace(one, check=_among_files(one.check))
    return _ITS_OWN.get(one.name, one)


@requirement(Level.TEST, "interop suite", compat=True)
def a_side_exits_with_0(seen: Observation) -> Iterator[Finding]:
    """The client or the server exits with 0, the server also when it is stopped."""
    if _exit_code_0(seen.record):
        yield Held(message="one of them exited with 0")
    elif seen.record.client.ending is not Ending.NOT_STARTED:
        how = ", ".join(f"the {side} {_end(seen.record.side(side))}" for side in Side)
        yield Violation(f"neither did: {how}", side=Side.CLIENT)


@requirement(Level.TEST, "interop suite", compat=True)
def client_offers_chacha20_first(seen: Observation) -> Iterator[Finding]:
    """The first cipher suite of each ClientHello is TLS_CHACHA20_POLY1305_SHA256."""
    hellos = [
        (packet, message)
        for packet in _sent(seen.trace.left, Side.CLIENT)
        for message in packet.tls
        if isinstance(message, ClientHello)
    ]
    if not hellos:
        yield Violation("there is no ClientHello", side=Side.CLIENT)
    for packet, hello in hellos:
        if hello.cipher_suites[:1] == (_CHACHA20,):
            yield Held(packet)
        else:
            yield Violation(f"it is {', '.join(map(hex, hello.cipher_suites[:1]))}", packet)


@requirement(Level.TEST, "interop suite", compat=True)
def client_answers_the_first_challenge_of_each_path(seen: Observation) -> Iterator[Finding]:
    """The client answers each PATH_CHALLENGE with which the server begins a path, lost or not."""
    outgoing = list(_sent(seen.trace.left, Side.CLIENT))
    answers = {
        frame.data: packet
        for packet in outgoing
        for frame in packet.frames
        if isinstance(frame, PathResponse)
    }
    hidden = next((one for one in outgoing if not one.decrypted or one.unread), None)
    for packet in _beginnings(seen.trace.right, Side.SERVER):
        for challenge in (one for one in packet.frames if isinstance(one, PathChallenge)):
            if challenge.data in answers:
                yield Held(answers[challenge.data], packet)
            elif hidden:
                raise Inconclusive(f"{hidden} could not be read")
            else:
                data = challenge.data.hex()
                yield Violation(f"no PATH_RESPONSE echoes {data}", packet, side=Side.CLIENT)


@requirement(Level.TEST, "interop suite", compat=True)
def client_changes_its_connection_id_with_the_path(seen: Observation) -> Iterator[Finding]:
    """The client's first packet on a path has another DCID than the first on the path before."""
    before = next(_sent(seen.trace.left, Side.CLIENT), None)
    for packet in _beginnings(seen.trace.left, Side.CLIENT):
        assert before is not None
        if packet.dcid and packet.dcid == before.dcid:
            yield Violation(f"it goes to {packet.dcid.hex()} again", packet, before)
        else:
            yield Held(packet, before)
        before = packet


_ITS_OWN: Mapping[str, Requirement[Observation]] = {
    **ITS_COUNT,
    "client_exits_with_0": a_side_exits_with_0,
    "client_offers_only_chacha20": client_offers_chacha20_first,
    "client_answers_path_challenges": client_answers_the_first_challenge_of_each_path,
    "client_takes_a_new_connection_id_for_each_path": (
        client_changes_its_connection_id_with_the_path
    ),
}
"""By the name of ours, what it asks instead."""


def _among_files(check: Check[Observation]) -> Check[Observation]:
    """The same check on nothing but the regular files in /downloads itself."""

    def files_only(seen: Observation) -> Iterator[Finding]:
        ignored = (EntryKind.FOLDER, EntryKind.OTHER)
        files = tuple(
            one for one in seen.record.downloads if one.kind not in ignored and "/" not in one.name
        )
        return check(replace(seen, record=replace(seen.record, downloads=files)))

    return files_only


def _sent(capture: Capture, sender: Side) -> Iterator[Packet]:
    return (one for one in capture.packets if one.sender is sender)


def _beginnings(capture: Capture, sender: Side) -> Iterator[Packet]:
    """The first packets on each path but the first one: it looks at one packet of a datagram."""
    known = set()
    for packet in _sent(capture, sender):
        if packet.path not in known:
            known.add(packet.path)
            if len(known) > 1:
                yield packet


def _exit_code_0(record: AttemptRecord) -> bool:
    return any(record.side(side).exit_code == 0 for side in Side)


def _end(its: SideRecord) -> str:
    how = f"signal {its.signal}" if its.signal is not None else f"exit code {its.exit_code}"
    return f"{its.ending} ({how})"
