"""Captures: pcapng files with nanoseconds, a comment on each packet, and the TLS secrets inside.

This module alone knows pcapng: it makes the blocks of a capture, and reads and sorts captures. The
middlebox appends packets to a raw file, in any order; :func:`finish` makes of it the file that
people open: sorted by time, with the secrets before the first packet, so that Wireshark decrypts
it without further settings.

Format: draft-ietf-opsawg-pcapng-02, little-endian; its sections are cited beside the blocks.
"""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from struct import error as StructError  # noqa: N812 - it has no better name of its own
from typing import NamedTuple

from quicmatrix.runner.bundle.regular_file import open_regular

_SECTION_HEADER = 0x0A0D0D0A  # 4.1
_INTERFACE = 0x00000001  # 4.2
_ENHANCED_PACKET = 0x00000006  # 4.3
_DECRYPTION_SECRETS = 0x0000000A  # 4.7

_BYTE_ORDER = 0x1A2B3C4D
_ETHERNET = 1
_TLS_KEY_LOG = 0x544C534B
_END_OF_OPTIONS = b"\0\0\0\0"
_COMMENT = 1
_IF_NAME = 2
_USER_APPLICATION = 4
_IF_TSRESOL = 9

_FRAME = Struct("<II")
_LENGTH = Struct("<I")
_OPTION = Struct("<HH")
_PACKET = Struct("<IIIIIII")
_PACKET_HEAD = Struct("<IIIII")
_SECRETS_HEAD = 20
"""Bytes of a block with empty secrets."""
_LARGEST_BLOCK = 1 << 24
MAX_BYTES = 512 * 1024 * 1024
"""The largest capture that is read: twice what the middlebox may write."""


class DamagedCapture(Exception):  # noqa: N818 - it says what the file is
    """A capture that cannot be read, or not to its end."""


@dataclass(frozen=True, slots=True)
class CapturedPacket:
    """One packet of a capture."""

    time_ns: int
    """Since the epoch."""
    frame: bytes
    comment: str = ""
    original_length: int = 0
    """Bytes that the frame had on the wire."""


def read_packets(path: Path) -> Iterator[CapturedPacket]:
    """The packets of a capture of the middlebox, in the order of the file.

    Raises:
        DamagedCapture: It is no such capture, or cut off or damaged from here on.
    """
    with _mapped(path) as data:
        for block in _packet_blocks(data):
            yield _packet(data, block)


def interface_name(path: Path) -> str:
    """The name of the interface that a capture was taken at.

    Raises:
        DamagedCapture: It is no capture of the middlebox.
    """
    with _mapped(path) as data:
        interface = _interface(data)
        return _option_text(data[interface.at + 16 : interface.end - 4], _IF_NAME, interface.at)


def finish(raw: Path, out: Path, secrets: bytes) -> str:
    """Make the final file: packets sorted by time, secrets before the first one.

    Args:
        raw: What the middlebox wrote; it stays as it is.
        out: The file to write.
        secrets: A TLS key log (SSLKEYLOGFILE); may be empty.

    Returns:
        What is wrong with the raw file from some packet on; empty if nothing. All packets before
        that are in the final file.

    Raises:
        DamagedCapture: Not even the beginning of the raw file can be read.
    """
    damage = ""
    with _mapped(raw) as data, out.open("wb") as file:
        file.write(data[: _opening(data)])
        if secrets:
            file.write(decryption_secrets(secrets))
        packets: list[tuple[int, _Block]] = []
        try:
            packets.extend((_time_ns(data, block), block) for block in _packet_blocks(data))
        except DamagedCapture as error:
            damage = str(error)
        for _, block in sorted(packets):
            file.write(data[block.at : block.end])
    return damage


def key_logs(data: mmap.mmap) -> Iterator[bytes]:
    """The TLS key logs in a capture, wherever in it they stand.

    Raises:
        DamagedCapture: It is no pcapng file, or cut off or damaged from here on.
    """
    for block in _blocks(data):
        if block.kind == _DECRYPTION_SECRETS and block.end - block.at >= _SECRETS_HEAD:
            kind, length = _FRAME.unpack_from(data, block.at + 8)
            if kind == _TLS_KEY_LOG:
                start = block.at + 16
                yield data[start : min(start + length, block.end - 4)]


# --- Blocks ------------------------------------------------------------------------------------


def section_header(comment: str) -> bytes:
    """4.1, with the section's length unspecified."""
    body = _LENGTH.pack(_BYTE_ORDER) + b"\x01\x00\x00\x00" + b"\xff" * 8
    body += _option(_COMMENT, comment.encode()) + _option(_USER_APPLICATION, b"quicmatrix")
    return _block(_SECTION_HEADER, body + _END_OF_OPTIONS)


def interface_description(name: str) -> bytes:
    """4.2: Ethernet, no limit to a packet's size, nanoseconds."""
    body = _OPTION.pack(_ETHERNET, 0) + _LENGTH.pack(0)
    body += _option(_IF_NAME, name.encode()) + _option(_IF_TSRESOL, b"\x09")
    return _block(_INTERFACE, body + _END_OF_OPTIONS)


def decryption_secrets(key_log: bytes) -> bytes:
    """4.7."""
    return _block(_DECRYPTION_SECRETS, _FRAME.pack(_TLS_KEY_LOG, len(key_log)) + _padded(key_log))


def enhanced_packet(time_ns: int, frame: bytes, comment: str, original_length: int = 0) -> bytes:
    """4.3, of interface 0."""
    data = _padded(frame)
    text = comment.encode()
    options = _option(_COMMENT, text) + _END_OF_OPTIONS if text else b""
    length = _PACKET.size + len(data) + len(options) + _LENGTH.size
    head = _PACKET.pack(
        _ENHANCED_PACKET,
        length,
        0,
        time_ns >> 32,
        time_ns & 0xFFFFFFFF,
        len(frame),
        original_length or len(frame),
    )
    return b"".join((head, data, options, _LENGTH.pack(length)))


def _block(kind: int, body: bytes) -> bytes:
    length = _FRAME.size + len(body) + _LENGTH.size
    return _FRAME.pack(kind, length) + body + _LENGTH.pack(length)


def _option(code: int, value: bytes) -> bytes:
    return _OPTION.pack(code, len(value)) + _padded(value)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


# --- Reading -----------------------------------------------------------------------------------


class _Block(NamedTuple):
    """A whole block; ``at`` and ``end`` are positions in the file."""

    at: int
    end: int
    kind: int


@contextlib.contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    with open_regular(path, MAX_BYTES) as file:
        try:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:  # an empty file cannot be mapped
            raise DamagedCapture(f"{path.name}: empty") from error
        with data:
            yield data


def _opening(data: mmap.mmap) -> int:
    """Where the blocks after the section header and the interface's description begin."""
    return _interface(data).end


def _interface(data: mmap.mmap) -> _Block:
    blocks = _blocks(data)
    next(blocks)
    interface = next(blocks, None)
    if interface is None or interface.kind != _INTERFACE:
        raise DamagedCapture("no interface description after the section header")
    return interface


def _packet_blocks(data: mmap.mmap) -> Iterator[_Block]:
    """The blocks of all packets, checked so far that they can be read."""
    start = _opening(data)
    for block in _blocks(data, start):
        if block.kind == _ENHANCED_PACKET:
            _check_packet(data, block)
            yield block
        elif block.kind != _DECRYPTION_SECRETS:
            raise DamagedCapture(f"block of unknown type {block.kind:#x} at byte {block.at}")


def _blocks(data: mmap.mmap, at: int = 0) -> Iterator[_Block]:
    """All whole blocks from a position on.

    Raises:
        DamagedCapture: The file is cut off or damaged from here on, or no pcapng file.
    """
    beginning = (_LENGTH.pack(_SECTION_HEADER), _LENGTH.pack(_BYTE_ORDER))
    if at == 0 and (data[:4], data[8:12]) != beginning:
        raise DamagedCapture("not a little-endian pcapng file")
    while at < len(data):
        block = _block_at(data, at)
        yield block
        at = block.end


def _block_at(data: mmap.mmap, at: int) -> _Block:
    if at + 12 > len(data):
        raise DamagedCapture(f"cut off at byte {len(data)}")
    kind, length = _FRAME.unpack_from(data, at)
    if length < 12 or length % 4 or length > _LARGEST_BLOCK:
        raise DamagedCapture(f"block of impossible length {length} at byte {at}")
    if at + length > len(data):
        raise DamagedCapture(f"cut off at byte {len(data)}")
    if _LENGTH.unpack_from(data, at + length - 4)[0] != length:
        raise DamagedCapture(f"block with two lengths at byte {at}")
    return _Block(at, at + length, kind)


def _check_packet(data: mmap.mmap, block: _Block) -> None:
    length = block.end - block.at
    captured = _LENGTH.unpack_from(data, block.at + 20)[0] if length >= 32 else length
    if captured > length - 32:
        raise DamagedCapture(f"packet longer than its block at byte {block.at}")


def _time_ns(data: mmap.mmap, block: _Block) -> int:
    _, high, low, _, _ = _PACKET_HEAD.unpack_from(data, block.at + 8)
    return int(high << 32 | low)


def _packet(data: mmap.mmap, block: _Block) -> CapturedPacket:
    _, high, low, captured, original = _PACKET_HEAD.unpack_from(data, block.at + 8)
    start = block.at + _PACKET.size
    options = data[start + captured + (-captured % 4) : block.end - 4]
    return CapturedPacket(
        high << 32 | low,
        data[start : start + captured],
        _option_text(options, _COMMENT, block.at),
        original,
    )


def _option_text(options: bytes, wanted: int, block_at: int) -> str:
    """The first option of a kind among a block's options; empty if there is none."""
    at = 0
    try:
        while at < len(options):
            code, length = _OPTION.unpack_from(options, at)
            if code == 0:
                break
            if code == wanted and at + 4 + length <= len(options):
                return options[at + 4 : at + 4 + length].decode()
            at += 4 + length + (-length % 4)
    except (StructError, UnicodeDecodeError) as error:
        raise DamagedCapture(f"damaged options at byte {block_at}") from error
    return ""
