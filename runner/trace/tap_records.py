"""The lines that ``tap.lua`` prints, as typed records. ``tap.lua`` says what is in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from quicmatrix.runner.trace.model import Ecn

FORMAT = 1
"""The format of lines that this module reads."""

_UDP_HEADER_SIZE = 8


class UnexpectedLineError(ValueError):
    """A line that ``tap.lua`` does not print."""


@dataclass(frozen=True, slots=True)
class VersionLine:
    """The first line."""

    tshark: str


@dataclass(frozen=True, slots=True)
class DatagramLine:
    """A UDP datagram."""

    frame_number: int
    time: float
    """Seconds since the first frame of the file."""
    source: str
    source_port: int
    destination: str
    destination_port: int
    ecn: Ecn
    size: int
    """Bytes of UDP payload."""
    cut_off: int
    """Bytes at its end that were not captured."""
    comment: str


@dataclass(frozen=True, slots=True)
class PacketLine:
    """A QUIC packet in the datagram of the last :class:`DatagramLine`."""

    size: int
    connection: int | None
    dcid_length: int
    number: int | None
    key_phase: int | None
    payload_size: int
    data: bytes
    """The header if there is a plaintext, else the whole packet."""
    plaintext: bytes | None
    """None if tshark could not decrypt it."""


@dataclass(frozen=True, slots=True)
class RestLine:
    """The end of the last :class:`DatagramLine`'s datagram, in which tshark saw no packet."""

    data: bytes


@dataclass(frozen=True, slots=True)
class FailureLine:
    """The script failed on a datagram."""

    frame_number: int
    message: str


@dataclass(frozen=True, slots=True)
class EndLine:
    """The last line."""

    datagrams: int
    """How many there were."""


Line = VersionLine | DatagramLine | PacketLine | RestLine | FailureLine | EndLine


def parse_line(text: str) -> Line:
    """One line, without its end.

    Raises:
        UnexpectedLineError: ``tap.lua`` does not print such a line.
    """
    kind, *columns = text.split("\t")
    try:
        parse = _PARSERS[kind]
        return parse(*columns)
    except (KeyError, TypeError, ValueError) as error:
        raise UnexpectedLineError(f"tshark's script printed {text[:80]!r}") from error


def _version(line_format: str, version: str) -> VersionLine:
    if int(line_format) != FORMAT:
        raise ValueError(line_format)
    return VersionLine(unquote(version))


def _datagram(*columns: str) -> DatagramLine:
    number, time, source, source_port, destination, destination_port, *more = columns
    ecn, length, cut_off, comment = more
    return DatagramLine(
        frame_number=int(number),
        time=float(time),
        source=source,
        source_port=int(source_port),
        destination=destination,
        destination_port=int(destination_port),
        ecn=Ecn(int(ecn)),
        size=int(length) - _UDP_HEADER_SIZE,
        cut_off=int(cut_off),
        comment=unquote(comment) if "%" in comment else comment,
    )


def _packet(*columns: str) -> PacketLine:
    size, connection, dcid_length, number, key_phase, payload_size, data, plaintext = columns
    return PacketLine(
        size=int(size),
        connection=int(connection) if connection else None,
        dcid_length=int(dcid_length),
        number=int(number) if number else None,
        key_phase=int(key_phase) if key_phase else None,
        payload_size=int(payload_size) if payload_size else 0,
        data=bytes.fromhex(data),
        plaintext=None if plaintext == "-" else bytes.fromhex(plaintext),
    )


def _rest(data: str) -> RestLine:
    return RestLine(bytes.fromhex(data))


def _failure(frame_number: str, message: str) -> FailureLine:
    return FailureLine(int(frame_number), unquote(message))


def _end(datagrams: str) -> EndLine:
    return EndLine(int(datagrams))


_PARSERS: dict[str, Callable[..., Line]] = {
    "V": _version,
    "D": _datagram,
    "P": _packet,
    "R": _rest,
    "X": _failure,
    "E": _end,
}
