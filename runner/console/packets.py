"""Packets in a line each: time, direction, type, number, frames, and the link's fate. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.text import Text

from quicmatrix.runner.printable import printable
from quicmatrix.runner.results import formatting
from quicmatrix.runner.trace.fate import fate_text
from quicmatrix.runner.trace.model import (
    Ack,
    Capture,
    ConnectionClose,
    Crypto,
    DataBlocked,
    Datagram,
    DatagramFrame,
    Frame,
    HandshakeDone,
    MaxData,
    MaxStreamData,
    MaxStreams,
    NewConnectionId,
    OtherTlsMessage,
    Packet,
    PacketType,
    ResetStream,
    RetireConnectionId,
    ServerHello,
    Side,
    StopSending,
    Stream,
    StreamDataBlocked,
    StreamsBlocked,
    TlsMessage,
    UnknownFrame,
)
from quicmatrix.testcases.model import Evidence

AROUND = 3
"""How many datagrams are shown before and after one that matters."""
_MOST_FRAMES = 6
_TLS_NAMES = {
    11: "Certificate",
    13: "CertificateRequest",
    15: "CertificateVerify",
    20: "Finished",
    24: "KeyUpdate",
}
"""RFC 8446, 4."""


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """Consecutive datagrams of one capture, and which of them are evidence."""

    capture: Side
    datagrams: tuple[Datagram, ...]
    marked: frozenset[int]
    """Frame numbers."""


def neighbourhoods(
    capture: Capture, frames: Iterable[int], around: int = AROUND
) -> Iterator[Neighbourhood]:
    """The datagrams around some frames; ranges that touch or overlap are merged.

    Args:
        capture: Where they are.
        frames: Frame numbers; those that are not in the capture are left out.
        around: How many datagrams before and after each.
    """
    positions = {one.frame_number: at for at, one in enumerate(capture.datagrams)}
    wanted = sorted({frame for frame in frames if frame in positions})
    groups: list[list[int]] = []
    for frame in wanted:
        if groups and positions[frame] - positions[groups[-1][-1]] <= 2 * around + 1:
            groups[-1].append(frame)
        else:
            groups.append([frame])
    for group in groups:
        first, last = positions[group[0]] - around, positions[group[-1]] + around
        yield Neighbourhood(
            capture.side,
            capture.datagrams[max(first, 0) : last + 1],
            frozenset(group),
        )


def named(reason: str) -> tuple[Evidence, ...]:
    """The packets that a requirement's reason names, as ``str`` of a packet does."""
    return tuple(
        Evidence(Side.CLIENT if side == "left" else Side.SERVER, int(number), 0.0)
        for number, side in re.findall(r"frame (\d{1,9}) (left|right)", reason)
    )


def lost(neighbourhood: Neighbourhood, far: Capture) -> Neighbourhood:
    """The datagrams that the other side sent meanwhile and the link dropped, from its capture.

    The datagrams of a direction are numbered, so those that are missing between two that arrived
    are known.
    """
    sender = neighbourhood.capture.peer
    arrived = [one.fate for one in neighbourhood.datagrams if one.sender is sender]
    numbers = [fate.number for fate in arrived if fate is not None]
    return Neighbourhood(
        far.side,
        tuple(
            one
            for one in far.datagrams
            if numbers
            and one.sender is sender
            and one.fate is not None
            and one.fate.dropped
            and min(numbers) < one.fate.number < max(numbers)
        ),
        frozenset(),
    )


def lines(neighbourhood: Neighbourhood, packets: Sequence[Packet]) -> Iterator[Text]:
    """A line for each packet, and one below each datagram for what the link did with it.

    Args:
        neighbourhood: What to show.
        packets: Of the same capture.
    """
    numbers = {one.frame_number for one in neighbourhood.datagrams}
    by_frame: dict[int, list[Packet]] = {}
    for packet in packets:
        if packet.datagram.frame_number in numbers:
            by_frame.setdefault(packet.datagram.frame_number, []).append(packet)
    for datagram in neighbourhood.datagrams:
        marked = datagram.frame_number in neighbourhood.marked
        carried = [packet_words(one) for one in by_frame.get(datagram.frame_number, [])]
        for at, words in enumerate(carried or [f"{datagram.size} B that are not QUIC"]):
            yield Text.assemble(
                ("▶ " if marked else "  ", "bold red"),
                (_place(datagram) if at == 0 else " " * len(_place(datagram)), "dim"),
                (words, "bold" if marked else ""),
            )
        if datagram.fate is not None:
            text = printable(fate_text(datagram.fate))
            yield Text(f"  {'':{len(_place(datagram))}}{text}", "cyan")


def packet_words(packet: Packet) -> str:
    """``Initial 3: CRYPTO 0-299, PADDING 900``."""
    name = str(packet.type) + ("" if packet.number is None else f" {packet.number}")
    if packet.version is not None and packet.type is not PacketType.VERSION_NEGOTIATION:
        name += f" ({formatting.version(packet.version)})"
    contents = [tls_words(message) for message in packet.tls]
    contents += _bounded([frame_words(frame) for frame in packet.frames])
    if packet.padding:
        contents.append(f"PADDING {packet.padding}")
    if packet.token:
        contents.append(f"token of {len(packet.token)} B")
    if packet.supported_versions:
        contents.append(", ".join(map(formatting.version, packet.supported_versions)))
    if not packet.decrypted:
        contents.append(f"{packet.payload_size} B encrypted")
    if packet.unread:
        contents.append(f"unread: {packet.unread}")
    return printable(f"{name}: {', '.join(contents)}" if contents else name)


def frame_words(frame: Frame) -> str:
    """A frame's name in its RFC, and its main fields."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(frame).__name__).upper()
    name = {"DATAGRAM_FRAME": "DATAGRAM"}.get(name, name)
    details = _details(frame)
    return f"{name} {details}" if details else name


def _details(frame: Frame) -> str:  # noqa: PLR0911, PLR0912, C901 - a table, a line for each frame
    match frame:
        case Ack(ranges=ranges, ecn=ecn):
            acked = " ".join(f"{a}-{b}" if a != b else str(a) for a, b in map(sorted, ranges[:4]))
            more = f" and {len(ranges) - 4} ranges" if len(ranges) > 4 else ""
            counted = f" (ECT(0) {ecn.ect_0}, ECT(1) {ecn.ect_1}, CE {ecn.ce})" if ecn else ""
            return acked + more + counted
        case Crypto(offset=offset, length=length):
            return _extent(offset, length)
        case Stream(stream_id=stream, offset=offset, length=length, fin=fin):
            return f"{stream}: {_extent(offset, length)}{' FIN' if fin else ''}"
        case ResetStream(stream_id=stream, error_code=code):
            return f"{stream}: 0x{code:x}"
        case StopSending(stream_id=stream, error_code=code):
            return f"{stream}: 0x{code:x}"
        case MaxData(maximum=maximum) | DataBlocked(maximum=maximum):
            return str(maximum)
        case MaxStreamData(stream_id=stream, maximum=maximum):
            return f"{stream}: {maximum}"
        case StreamDataBlocked(stream_id=stream, maximum=maximum):
            return f"{stream}: {maximum}"
        case MaxStreams(maximum=maximum, bidirectional=both):
            return f"{'bidi' if both else 'uni'} {maximum}"
        case StreamsBlocked(maximum=maximum, bidirectional=both):
            return f"{'bidi' if both else 'uni'} {maximum}"
        case NewConnectionId(sequence=sequence) | RetireConnectionId(sequence=sequence):
            return str(sequence)
        case ConnectionClose(error_code=code, application=application, reason=reason):
            kind = "application " if application else ""
            return f"{kind}0x{code:x}" + (f" {reason!r}" if reason else "")
        case DatagramFrame(length=length):
            return f"{length} B"
        case UnknownFrame(frame_type=kind):
            return f"0x{kind:x}"
        case _:
            return ""


def tls_words(message: TlsMessage) -> str:
    """A TLS message's name in RFC 8446."""
    if isinstance(message, OtherTlsMessage):
        return _TLS_NAMES.get(message.handshake_type, f"TLS message {message.handshake_type}")
    if isinstance(message, ServerHello) and message.is_hello_retry_request:
        return "HelloRetryRequest"
    return type(message).__name__


def milestones(capture: Capture) -> Iterator[tuple[Packet, str]]:
    """Events in the order of time, each kind once for each connection and sender."""
    seen: set[tuple[int | None, Side, str]] = set()
    for packet in capture.packets:
        for event in _events(packet):
            key = (packet.connection, packet.sender, event)
            if key not in seen:
                seen.add(key)
                yield packet, event


def _events(packet: Packet) -> Iterator[str]:
    if packet.type in (PacketType.RETRY, PacketType.VERSION_NEGOTIATION, PacketType.ZERO_RTT):
        yield str(packet.type)
    for message in packet.tls:
        if not isinstance(message, OtherTlsMessage) or message.handshake_type in (11, 20):
            yield tls_words(message)
    for frame in packet.frames:
        match frame:
            case HandshakeDone():
                yield "HANDSHAKE_DONE: the handshake is confirmed"
            case Stream():
                yield "first stream data"
            case ConnectionClose():
                yield frame_words(frame)
            case _:
                pass
    if packet.key_phase == 1:
        yield "key phase 1"


def _place(datagram: Datagram) -> str:
    arrow = "client → server" if datagram.sender is Side.CLIENT else "client ← server"
    return f"{datagram.frame_number:>6}  {datagram.time:>9.4f} s  {arrow}  "


def _extent(offset: int, length: int) -> str:
    return f"{offset}-{offset + length - 1}" if length else f"{offset}, empty"


def _bounded(words: list[str]) -> list[str]:
    rest = len(words) - _MOST_FRAMES
    return words if rest <= 0 else [*words[:_MOST_FRAMES], f"and {rest} frames"]
