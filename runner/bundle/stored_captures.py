"""The captures of a bundle: recorded when they are stored, compared with that when they are read.

A capture that was cut off, replaced or changed since hides packets or invents some. Much of it only
shows where the files are compared with attempt.json: with their hashes, the side that each was
taken at, and how many packets the middlebox delivered and dropped.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from quicmatrix.runner.bundle.capture import (
    MAX_BYTES,
    DamagedCapture,
    interface_name,
    read_packets,
)
from quicmatrix.runner.bundle.layout import LEFT_CAPTURE, RIGHT_CAPTURE
from quicmatrix.runner.bundle.regular_file import open_regular
from quicmatrix.runner.model.attempt import AttemptRecord, EntryKind, FileRecord, LinkRecord
from quicmatrix.runner.network.recording import fate_comment
from quicmatrix.runner.trace.model import Side

CAPTURES = {Side.CLIENT: LEFT_CAPTURE, Side.SERVER: RIGHT_CAPTURE}
_INTERFACES = {Side.CLIENT: "left", Side.SERVER: "right"}


def record_captures(bundle: Path) -> tuple[FileRecord, ...]:
    """Names, sizes and hashes of both captures.

    Raises:
        OSError: One cannot be read.
    """
    return tuple(_record(bundle / path) for path in CAPTURES.values())


def damages(bundle: Path, record: AttemptRecord) -> Mapping[Side, str]:
    """What is wrong with each capture; empty if nothing is."""
    stored = {file.name: file for file in record.captures}
    counts: Counter[str] = Counter()
    found = dict.fromkeys(Side, "")
    for side, path in CAPTURES.items():
        try:
            counts += _count(bundle / path, side)
            if stored and stored.get(path.name) != _record(bundle / path):
                found[side] = "it is not the file that the attempt stored"
        except OSError as error:
            found[side] = f"{path.name}: {error.strerror}"
        except DamagedCapture as error:
            found[side] = str(error)
    if not any(found.values()) and not record.link.incomplete:
        return dict.fromkeys(Side, _difference(counts, record.link))
    return found


def _record(path: Path) -> FileRecord:
    with open_regular(path, MAX_BYTES) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileRecord(path.name, EntryKind.FILE, file.tell(), digest)


def _count(path: Path, side: Side) -> Counter[str]:
    """How many packets a capture has, and how many of those are duplicates.

    Raises:
        OSError: It cannot be read.
        DamagedCapture: It is damaged, or was not taken at that side.
    """
    interface = interface_name(path)
    if interface != _INTERFACES[side]:
        raise DamagedCapture(f"it was taken at the {interface!r} side")
    counts: Counter[str] = Counter()
    for packet in read_packets(path):
        counts["packets"] += 1
        fate = fate_comment.PATTERN.fullmatch(packet.comment)
        counts["duplicates"] += fate is not None and fate["duplicate"] is not None
    return counts


def _difference(counts: Counter[str], link: LinkRecord) -> str:
    """How the captures differ from what the middlebox counted; empty if they do not.

    A packet that was delivered is in both captures, a duplicate of it and one that was dropped in
    one of them.
    """
    delivered = link.forwarded_to_client + link.forwarded_to_server
    expected = 2 * delivered - counts["duplicates"] + link.dropped
    if counts["packets"] == expected:
        return ""
    return f"both captures have {counts['packets']} packets, the middlebox counted {expected}"
