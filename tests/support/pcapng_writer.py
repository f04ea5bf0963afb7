"""A minimal pcapng writer: datagrams with made-up headers, comments, secrets."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from quicmatrix.runner.trace.model import Address, Ecn

ETHERTYPE = {4: 0x0800, 6: 0x86DD}
LINKTYPE_ETHERNET = 1


@dataclass(frozen=True, slots=True)
class Sent:
    """A datagram to be written."""

    time: float
    source: Address
    destination: Address
    payload: bytes
    ecn: Ecn = Ecn.NOT_ECT
    comment: str = ""


def pcapng(datagrams: Iterable[Sent], secrets: str = "", *, epoch: int = 1_700_000_000) -> bytes:
    """The bytes of a capture file: one interface, nanoseconds, and embedded secrets."""
    out = [
        _block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)),
        _block(
            1, struct.pack("<HHI", LINKTYPE_ETHERNET, 0, 0) + _option(9, b"\x09") + _option(0, b"")
        ),
    ]
    if secrets:
        keys = secrets.encode()
        out.append(_block(10, struct.pack("<II", 0x544C534B, len(keys)) + _padded(keys)))
    out.extend(
        packet_block(ethernet(sent), epoch * 10**9 + round(sent.time * 1e9), sent.comment)
        for sent in datagrams
    )
    return b"".join(out)


def packet_block(data: bytes, time_ns: int, comment: str = "") -> bytes:
    """An Enhanced Packet Block."""
    head = struct.pack("<IIIII", 0, time_ns >> 32, time_ns & 0xFFFFFFFF, len(data), len(data))
    options = _option(1, comment.encode()) + _option(0, b"") if comment else b""
    return _block(6, head + _padded(data) + options)


def ethernet(sent: Sent) -> bytes:
    """The Ethernet frame that carries a datagram."""
    source = ipaddress.ip_address(sent.source.host)
    destination = ipaddress.ip_address(sent.destination.host)
    length = 8 + len(sent.payload)
    ports = struct.pack("!HHHH", sent.source.port, sent.destination.port, length, 0)
    udp = ports + sent.payload
    if source.version == 4:
        head = struct.pack(
            "!BBHHHBBH4s4s", 0x45, sent.ecn.value, 20 + length, 0, 0x4000, 64, 17, 0,
            source.packed, destination.packed,
        )  # fmt: skip
    else:
        head = struct.pack(
            "!IHBB16s16s", 6 << 28 | sent.ecn.value << 20, length, 17, 64,
            source.packed, destination.packed,
        )  # fmt: skip
    return bytes(6) + bytes(6) + struct.pack("!H", ETHERTYPE[source.version]) + head + udp


def _block(kind: int, body: bytes) -> bytes:
    total = struct.pack("<I", 12 + len(body))
    return struct.pack("<I", kind) + total + body + total


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
