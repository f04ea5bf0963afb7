"""The link log: what the middlebox did with each packet, for programs.

JSON Lines in UTF-8. The first line is an object and says what the log is of::

    {"link_log": 1, "scenario": "simple-p2p ...", "seed": 42, "began_ns": 1767225600000000000}

``link_log`` is the version of the format; ``began_ns`` counts from the epoch, and all times below
count from ``began_ns``, in nanoseconds. Then comes an array for each packet that was delivered
(two, if it was delivered twice) or dropped, in the order in which that happened::

    [direction, number, protocol, offered, waiting, length, due, delivered, change, again]
    [direction, number, protocol, offered, waiting, length, reason]

    ["to_client", 12, 17, 31250000, 3, 1280, 50875600, 50901234, "byte 17 changed ...", 0]
    ["to_server", null, 6, 31300000, 25, 1500, "queue full"]

``direction`` is ``to_client`` or ``to_server``; ``number`` is the n of the n-th UDP datagram of its
direction, or null; ``protocol`` is IP's number of what the packet carries; ``offered`` is when it
was offered to the link; ``waiting`` is how many packets it found in the queue; ``length`` is the IP
packet's in bytes; ``due`` is when it should have been delivered, ``delivered`` when it was;
``change`` is what was done to it, or empty; ``again`` is 1 if it had been delivered before.

The last line says how many arrays there are, and why some are missing at the end, if any are::

    {"end": 907, "truncated": ""}

A datagram takes about 80 bytes. The times are those of the captures, to the nanosecond.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quicmatrix.runner.bundle.regular_file import open_regular
from quicmatrix.runner.network.impairments.fate import Direction, Dropped
from quicmatrix.runner.network.recording.bounded_file import BoundedFile

VERSION = 1
_DIRECTIONS = {str(direction): direction for direction in Direction}
_RESERVE = 200
"""Bytes that the last line may need."""
_MAX_BYTES = 1 << 29


class DamagedLinkLog(Exception):  # noqa: N818 - it says what the file is
    """A link log of which nothing can be read, or not all."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The packet came out on the far side. Times in nanoseconds since the log began."""

    due_ns: int
    """When it should have come out; the difference is the middlebox's lateness."""
    time_ns: int
    """When it did."""
    change: str = ""
    """What was changed in it; empty if nothing was."""
    duplicate: bool = False
    """Whether the same packet had come out before."""


@dataclass(frozen=True, slots=True)
class LinkEntry:
    """What the middlebox did with a packet."""

    direction: Direction
    number: int | None
    """It is the n-th UDP datagram of its direction, from 1; None if it is no UDP datagram."""
    protocol: int
    """What the IP packet carried, e.g. 17 for UDP."""
    offered_ns: int
    """When it was offered to the link, since the log began."""
    waiting: int
    """How many packets were in the queue when it was offered."""
    ip_length: int
    """Bytes of the IP packet."""
    fate: Delivered | Dropped


PacketFields = tuple[Direction, int | None, int, int, int, int]
"""The fields of an entry before its fate, in their order."""


@dataclass(frozen=True, slots=True)
class LinkLog:
    """A parsed log."""

    scenario: str
    seed: int
    began_ns: int
    """Since the epoch."""
    entries: tuple[LinkEntry, ...]
    truncated: str
    """Why entries are missing at the end; empty if none are."""


class LinkLogWriter(BoundedFile):
    """Streams a log to a file."""

    def __init__(
        self, path: Path, scenario: str, seed: int, began_ns: int, limit_bytes: int
    ) -> None:
        super().__init__(path, limit_bytes, reserved_bytes=_RESERVE)
        self._entries = 0
        head = {"link_log": VERSION, "scenario": scenario, "seed": seed, "began_ns": began_ns}
        self.append(_line(json.dumps(head)))

    def write(self, entry: LinkEntry) -> None:
        """Append an entry."""
        fields = (
            entry.direction,
            entry.number,
            entry.protocol,
            entry.offered_ns,
            entry.waiting,
            entry.ip_length,
        )
        match entry.fate:
            case Delivered(due_ns, time_ns, change, duplicate):
                self.delivered(fields, due_ns, time_ns, change, duplicate=duplicate)
            case Dropped(reason):
                self.dropped(fields, reason)

    # The middlebox calls these: to build a LinkEntry for each packet would cost it time.

    def delivered(
        self, fields: PacketFields, due_ns: int, time_ns: int, change: str, *, duplicate: bool
    ) -> None:
        """Append the entry of a packet that came out."""
        quoted = json.dumps(change) if change else '""'
        self._append(fields, f"{due_ns},{time_ns},{quoted},{duplicate:d}")

    def dropped(self, fields: PacketFields, reason: str) -> None:
        """Append the entry of a packet that did not."""
        self._append(fields, json.dumps(reason))

    def closing(self) -> bytes:
        """The last line: the number of entries, and why the log was truncated, if it was."""
        return _line(json.dumps({"end": self._entries, "truncated": self.truncated}))

    def _append(self, fields: PacketFields, fate: str) -> None:
        if self.truncated:
            return
        direction, number, protocol, offered_ns, waiting, ip_length = fields
        self.append(
            _line(
                f'["{direction}",{"null" if number is None else number},{protocol},{offered_ns},'
                f"{waiting},{ip_length},{fate}]"
            )
        )
        self._entries += not self.truncated


def read_link_log(path: Path) -> LinkLog:
    """The log in a file.

    Raises:
        DamagedLinkLog: It is no link log, or cut off or damaged.
        OSError: The file cannot be read.
    """
    with open_regular(path, _MAX_BYTES) as file:
        return parse_link_log(file.read())


def parse_link_log(data: bytes) -> LinkLog:
    """A log, from the bytes of its file.

    Raises:
        DamagedLinkLog: They are no link log, or cut off or damaged; names the line.
    """
    lines = data.split(b"\n")
    if len(lines) < 3 or lines.pop():
        raise DamagedLinkLog(f"cut off in line {data.count(bytes((10,))) + 1}")
    match _json(lines[0], 1):
        case {
            "link_log": version,
            "scenario": str(scenario),
            "seed": int(seed),
            "began_ns": int(began_ns),
        }:
            if version != VERSION:
                raise DamagedLinkLog(f"line 1: version {version!r} of the format, not {VERSION}")
        case _:
            raise DamagedLinkLog("line 1: not the head of a link log")
    entries = tuple(_entry(line, at) for at, line in enumerate(lines[1:-1], 2))
    match _json(lines[-1], len(lines)):
        case {"end": int(count), "truncated": str(truncated)} if count == len(entries):
            return LinkLog(scenario, seed, began_ns, entries, truncated)
    raise DamagedLinkLog(f"line {len(lines)}: not the end of {len(entries)} entries")


def _line(text: str) -> bytes:
    return text.encode() + b"\n"


def _entry(line: bytes, at: int) -> LinkEntry:
    match _json(line, at):
        case [str(way), number, *others, str(reason)] if len(others) == 4:
            fate: Delivered | Dropped = Dropped(reason)
        case [
            str(way), number, *others, due, time, str(change), 0 | 1 as duplicate
        ] if len(others) == 4:  # fmt: skip
            due_ns, time_ns = _whole((due, time), at)
            fate = Delivered(due_ns, time_ns, change, duplicate == 1)
        case _:
            raise DamagedLinkLog(f"line {at}: not an entry")
    if way not in _DIRECTIONS:
        raise DamagedLinkLog(f"line {at}: {way!r} is no direction")
    if number is not None:
        (number,) = _whole((number,), at)
    protocol, offered_ns, waiting, ip_length = _whole(others, at)
    return LinkEntry(_DIRECTIONS[way], number, protocol, offered_ns, waiting, ip_length, fate)


def _whole(values: Sequence[object], at: int) -> list[int]:
    """These values, which must be whole numbers."""
    # Not isinstance(): true and false are no numbers here.
    numbers = [value for value in values if isinstance(value, int) and type(value) is int]
    if len(numbers) != len(values):
        raise DamagedLinkLog(f"line {at}: not an entry")
    return numbers


def _json(line: bytes, at: int) -> object:
    try:
        value: object = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DamagedLinkLog(f"line {at}: not JSON") from error
    return value
