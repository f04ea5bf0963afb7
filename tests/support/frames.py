"""Ethernet frames for tests, built by the RFCs' diagrams and not by the code under test."""

from __future__ import annotations

import struct
from ipaddress import ip_address

from quicmatrix.runner.network.topology import CLIENT, SERVER, SIM_LEFT

ETHERNET = bytes.fromhex((SIM_LEFT.mac + CLIENT.mac).replace(":", ""))


def ones_complement_sum(data: bytes) -> int:
    """RFC 1071, 4.1, word by word."""
    total = 0
    for (word,) in struct.iter_unpack("!H", data + b"\0" * (len(data) % 2)):
        total += word
        total = (total & 0xFFFF) + (total >> 16)
    return total


def udp(
    payload: bytes,
    source: str = CLIENT.ipv4,
    destination: str = SERVER.ipv4,
    ports: tuple[int, int] = (50_000, 443),
) -> bytes:
    addresses = ip_address(source).packed + ip_address(destination).packed
    header = struct.pack("!HHHH", *ports, 8 + len(payload), 0)
    pseudo_header = addresses + struct.pack("!II", 8 + len(payload), 17)
    checksum = ~ones_complement_sum(pseudo_header + header + payload) & 0xFFFF
    segment = header[:6] + struct.pack("!H", checksum or 0xFFFF) + payload
    if len(addresses) == 8:
        return ipv4(segment, addresses=addresses)
    return ETHERNET + b"\x86\xdd" + ipv6_header(len(segment), 17, addresses) + segment


def ipv4(
    payload: bytes,
    protocol: int = 17,
    flags_and_offset: int = 0x4000,
    options: bytes = b"",
    addresses: bytes = ip_address(CLIENT.ipv4).packed + ip_address(SERVER.ipv4).packed,
) -> bytes:
    length = 20 + len(options) + len(payload)
    version_and_length = 0x45 + len(options) // 4
    fields = (version_and_length, 0, length, 7, flags_and_offset, 64, protocol, 0)
    header = struct.pack("!BBHHHBBH", *fields) + addresses + options
    checksum = struct.pack("!H", ~ones_complement_sum(header) & 0xFFFF)
    return ETHERNET + b"\x08\x00" + header[:10] + checksum + header[12:] + payload


def ipv6_header(length: int, next_header: int, addresses: bytes) -> bytes:
    return struct.pack("!IHBB", 6 << 28, length, next_header, 64) + addresses


def ipv6(payload: bytes, next_header: int = 17) -> bytes:
    addresses = ip_address(CLIENT.ipv6).packed + ip_address(SERVER.ipv6).packed
    return ETHERNET + b"\x86\xdd" + ipv6_header(len(payload), next_header, addresses) + payload


def fragments(frame: bytes, size: int = 1400, identification: int = 7) -> list[bytes]:
    """A frame with an IP datagram, in fragments with so many bytes (a multiple of 8) each."""
    version = frame[14] >> 4
    header_end = 14 + (20 if version == 4 else 40)
    payload = frame[header_end:]
    cut = []
    for offset in range(0, len(payload), size):
        part, more = payload[offset : offset + size], offset + size < len(payload)
        if version == 4:
            addresses = frame[26:34]
            flags = more << 13 | offset // 8
            whole = ipv4(part, frame[23], flags, addresses=addresses)
            head = whole[14:18] + struct.pack("!H", identification) + whole[20:24] + b"\0\0"
            head += whole[26:34]
            checksum = struct.pack("!H", ~ones_complement_sum(head) & 0xFFFF)
            cut.append(whole[:14] + head[:10] + checksum + head[12:] + part)
        else:
            extension = struct.pack("!BBHI", frame[20], 0, offset | more, identification)
            fixed = ipv6_header(8 + len(part), 44, frame[22:54])
            cut.append(frame[:14] + fixed + extension + part)
    return cut
