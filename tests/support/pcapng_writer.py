"""Captures of datagrams with made-up headers, comments and secrets."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from quicmatrix.runner.bundle.capture import (
    decryption_secrets,
    enhanced_packet,
    interface_description,
    section_header,
)
from quicmatrix.runner.trace.model import Address, Ecn

ETHERTYPE = {4: 0x0800, 6: 0x86DD}


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
    out = [section_header("made up"), interface_description("left")]
    if secrets:
        out.append(decryption_secrets(secrets.encode()))
    out.extend(
        enhanced_packet(epoch * 10**9 + round(sent.time * 1e9), ethernet(sent), sent.comment)
        for sent in datagrams
    )
    return b"".join(out)


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
