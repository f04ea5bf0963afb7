"""TLS secrets, as endpoints log them (SSLKEYLOGFILE) and as captures carry them."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Mapping
from typing import BinaryIO

Secrets = Mapping[bytes, Mapping[str, bytes]]
"""By the ClientHello's Random: secrets by label."""

EARLY = "CLIENT_EARLY_TRAFFIC_SECRET"
HANDSHAKE = ("CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET")
APPLICATION = ("CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0")

_SECTION_HEADER = b"\x0a\x0d\x0d\x0a"
_BYTE_ORDER = 0x1A2B3C4D
_DECRYPTION_SECRETS = 10
_TLS_KEY_LOG = 0x544C534B
_SMALLEST_BLOCK = 12


def parse_key_log(text: str) -> Secrets:
    """The secrets in a key log; lines that are none are passed over."""
    secrets: dict[bytes, dict[str, bytes]] = {}
    for line in text.splitlines():
        columns = line.split()
        if len(columns) != 3 or line.startswith("#"):
            continue
        label, random, secret = columns
        try:
            secrets.setdefault(bytes.fromhex(random), {})[label] = bytes.fromhex(secret)
        except ValueError:
            continue
    return secrets


def embedded_secrets(file: BinaryIO) -> Secrets:
    """The secrets in a pcapng file, wherever in it they stand; the file's position stays.

    Format: draft-ietf-opsawg-pcapng-02, 4.7. A file that is no pcapng has none; of a damaged one,
    those before the damage are found.
    """
    try:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return parse_key_log("\n".join(_key_logs(data)))
    except (OSError, ValueError):  # empty, or nothing that can be mapped
        return {}


def _key_logs(data: mmap.mmap) -> Iterator[str]:
    if data[:4] != _SECTION_HEADER:
        return
    order = "<" if data[8:12] == struct.pack("<I", _BYTE_ORDER) else ">"
    head = struct.Struct(order + "IIII")
    at = 0
    while at + head.size <= len(data):
        kind, length, secrets_type, secrets_length = head.unpack_from(data, at)
        if length < _SMALLEST_BLOCK or at + length > len(data):
            return
        if kind == _DECRYPTION_SECRETS and secrets_type == _TLS_KEY_LOG:
            start = at + head.size
            end = min(start + secrets_length, at + length - 4)
            yield data[start:end].decode(errors="replace")
        at += length
