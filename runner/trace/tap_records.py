"""The lines that ``tap.lua`` prints, parsed to typed records. ``tap.lua`` describes the format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from quicmatrix.runner.trace.model import Ecn

FORMAT = 3
"""The format of lines that this module reads."""

_UDP_HEADER_SIZE = 8


class UnexpectedRecordError(ValueError):
    """A line that is no record of ``tap.lua``, or a record out of order."""


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """The first record."""

    tshark: str


@dataclass(frozen=True, slots=True)
class DatagramRecord:
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
    fragments: int
    """IP packets that it was in; the record is at the last one."""
    comment: str
    payload: bytes = b""
    """Of UDP; empty unless it was asked for."""


@dataclass(frozen=True, slots=True)
class PacketRecord:
    """A QUIC packet in the datagram of the last :class:`DatagramRecord`."""

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
class TrailingBytesRecord:
    """The bytes at the end of a datagram that tshark took for no packet."""

    data: bytes


@dataclass(frozen=True, slots=True)
class FailureRecord:
    """The script failed on a datagram."""

    frame_number: int
    message: str


@dataclass(frozen=True, slots=True)
class EndRecord:
    """The last record."""

    datagrams: int
    """Their number."""


Record = (
    VersionRecord | DatagramRecord | PacketRecord | TrailingBytesRecord | FailureRecord | EndRecord
)


def parse_record(text: str) -> Record:
    """Parse one line, without its line end.

    Raises:
        UnexpectedRecordError: It is no record.
    """
    kind, *columns = text.split("\t")
    try:
        parse = _PARSERS[kind]
        return parse(*columns)
    except (KeyError, TypeError, ValueError) as error:
        raise UnexpectedRecordError(f"tshark's script printed {text[:80]!r}") from error


def _version(line_format: str, version: str) -> VersionRecord:
    if int(line_format) != FORMAT:
        raise ValueError(line_format)
    return VersionRecord(unquote(version))


def _datagram(*columns: str) -> DatagramRecord:
    number, time, source, source_port, destination, destination_port, *more = columns
    ecn, length, cut_off, fragments, comment, payload = more
    return DatagramRecord(
        frame_number=int(number),
        time=float(time),
        source=source,
        source_port=int(source_port),
        destination=destination,
        destination_port=int(destination_port),
        ecn=Ecn(int(ecn)),
        size=int(length) - _UDP_HEADER_SIZE,
        cut_off=int(cut_off),
        fragments=int(fragments),
        comment=unquote(comment) if "%" in comment else comment,
        payload=bytes.fromhex(payload),
    )


def _packet(*columns: str) -> PacketRecord:
    size, connection, dcid_length, number, key_phase, payload_size, data, plaintext = columns
    return PacketRecord(
        size=int(size),
        connection=int(connection) if connection else None,
        dcid_length=int(dcid_length),
        number=int(number) if number else None,
        key_phase=int(key_phase) if key_phase else None,
        payload_size=int(payload_size) if payload_size else 0,
        data=bytes.fromhex(data),
        plaintext=None if plaintext == "-" else bytes.fromhex(plaintext),
    )


def _rest(data: str) -> TrailingBytesRecord:
    return TrailingBytesRecord(bytes.fromhex(data))


def _failure(frame_number: str, message: str) -> FailureRecord:
    return FailureRecord(int(frame_number), unquote(message))


def _end(datagrams: str) -> EndRecord:
    return EndRecord(int(datagrams))


_PARSERS: dict[str, Callable[..., Record]] = {
    "V": _version,
    "D": _datagram,
    "P": _packet,
    "R": _rest,
    "X": _failure,
    "E": _end,
}
