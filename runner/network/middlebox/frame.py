"""Ethernet frames with IP packets: the header fields that forwarding needs, read and changed.

Formats: RFC 791, 3.1 (IPv4), RFC 8200, 3 and 4 (IPv6), RFC 768 (UDP), RFC 1071 (checksum).
"""

from __future__ import annotations

from typing import NamedTuple

ETHERNET_HEADER = 14
UDP = 17
TCP = 6
_FRAGMENT_HEADER = 44
"""The protocol number of IPv6's Fragment header (RFC 8200, 4.5)."""

_ETHERTYPE_IPV4 = b"\x08\x00"
_ETHERTYPE_IPV6 = b"\x86\xdd"
_SKIPPED_EXTENSIONS = frozenset({0, 43, 60})
"""Hop-by-hop options, routing, destination options (RFC 8200, 4)."""
_CHECKSUM_OFFSET = {UDP: 6, TCP: 16}
_SOURCE_AT = {4: ETHERNET_HEADER + 12, 16: ETHERNET_HEADER + 8}
"""Where the source address is in a frame, by the size of addresses; the destination follows it."""

Endpoint = tuple[bytes, int]
"""An address of 4 or 16 bytes, and a UDP port."""


class Fragment(NamedTuple):
    """Where a fragment belongs."""

    datagram: bytes
    """Addresses, protocol and identification: the same in all fragments of one IP datagram."""
    offset: int
    """Of its payload in that of the whole; the fragment at 0 has the transport header."""
    more: bool
    """Whether others follow."""


class Headers(NamedTuple):
    """Fields of an IP packet's headers."""

    ip_length: int
    """Bytes of the IP packet; the frame may be longer, by padding."""
    destination: bytes
    """4 or 16 bytes."""
    protocol: int
    """What the IP packet carries, e.g. :data:`UDP`, or a part of it."""
    transport_at: int
    """Where that begins in the frame."""
    fragment: Fragment | None = None
    """None if it carries all of it."""


def headers(frame: bytes) -> Headers | None:
    """The headers of the IP packet in a frame; None if it carries none, or not a whole one."""
    kind = frame[12:14]
    if kind == _ETHERTYPE_IPV4:
        return _ipv4(frame)
    if kind == _ETHERTYPE_IPV6:
        return _ipv6(frame)
    return None


def readdressed(frame: bytes, macs: bytes) -> bytes:
    """The frame with other MAC addresses: ``macs`` is destination and source, 12 bytes."""
    return macs + frame[12:]


def mac_bytes(text: str) -> bytes:
    """``02:51:00:00:00:02`` as 6 bytes.

    Raises:
        ValueError: It is not a MAC address.
    """
    mac = bytes.fromhex(text.replace(":", ""))
    if len(mac) != 6:
        raise ValueError(f"not a MAC address: {text!r}")
    return mac


def internet_checksum(data: bytes) -> int:
    """RFC 1071: the complement of the one's complement sum of all 16-bit words."""
    padded = data if len(data) % 2 == 0 else data + b"\0"
    # 2^16 is 1 modulo 65535, so the whole number is congruent to the sum of its 16-bit digits.
    total = int.from_bytes(padded) % 0xFFFF
    return 0xFFFF - total if total or not any(padded) else 0


def with_checksum(frame: bytes, found: Headers) -> bytes:
    """The frame with the right UDP or TCP checksum.

    Other protocols are returned as they are, and so are fragments.
    """
    offset = None if found.fragment else _CHECKSUM_OFFSET.get(found.protocol)
    end = ETHERNET_HEADER + found.ip_length
    if offset is None or found.transport_at + offset + 2 > end:
        return frame
    at = found.transport_at + offset
    size = len(found.destination)
    addresses_at = _SOURCE_AT[size]
    pseudo_header = (
        frame[addresses_at : addresses_at + 2 * size]
        + (end - found.transport_at).to_bytes(4)
        + found.protocol.to_bytes(4)
    )
    segment = frame[found.transport_at : at] + b"\0\0" + frame[at + 2 : end]
    checksum = internet_checksum(pseudo_header + segment)
    if checksum == 0 and found.protocol == UDP:
        checksum = 0xFFFF  # RFC 768: zero on the wire means that there is no checksum
    return frame[:at] + checksum.to_bytes(2) + frame[at + 2 :]


def with_changed_checksum(frame: bytes, found: Headers, original: bytes) -> bytes:
    """A changed UDP datagram, or its first fragment, with the right checksum (RFC 1624, 3).

    Args:
        frame: The frame after the change of an address, a port or the payload.
        found: Its headers.
        original: The frame before the change.
    """
    if found.fragment is None:
        return with_checksum(frame, found)
    at = found.transport_at + _CHECKSUM_OFFSET[UDP]
    old = int.from_bytes(original[at : at + 2])
    if old == 0:  # RFC 768: there is none
        return frame
    # Both have the same checksum field, which cancels out.
    change = _covered_sum(frame, found) - _covered_sum(original, found)
    checksum = 0xFFFF - (0xFFFF - old + change) % 0xFFFF
    return frame[:at] + checksum.to_bytes(2) + frame[at + 2 :]


def _covered_sum(frame: bytes, found: Headers) -> int:
    """The sum of all in a first fragment that the checksum covers."""
    size = len(found.destination)
    addresses_at = _SOURCE_AT[size]
    segment = frame[found.transport_at : ETHERNET_HEADER + found.ip_length]
    covered = frame[addresses_at : addresses_at + 2 * size] + segment
    return int.from_bytes(covered + b"\0" * (len(covered) % 2)) % 0xFFFF


def with_addresses(frame: bytes, found: Headers, other: bytes) -> bytes:
    """A fragment with the IP addresses that another frame has."""
    size = len(found.destination)
    at, end = _SOURCE_AT[size], _SOURCE_AT[size] + 2 * size
    return _with_header_checksum(frame[:at] + other[at:end] + frame[end:], size)


def udp_payload(found: Headers) -> tuple[int, int]:
    """Where the payload of a UDP datagram, or its first part, begins and ends in the frame."""
    return found.transport_at + 8, ETHERNET_HEADER + found.ip_length


def source(frame: bytes, found: Headers) -> Endpoint:
    """The source of a UDP datagram."""
    size = len(found.destination)
    at, port_at = _SOURCE_AT[size], found.transport_at
    return frame[at : at + size], frame[port_at] << 8 | frame[port_at + 1]


def destination(frame: bytes, found: Headers) -> Endpoint:
    """The destination of a UDP datagram."""
    port_at = found.transport_at + 2
    return found.destination, frame[port_at] << 8 | frame[port_at + 1]


def with_source(frame: bytes, found: Headers, endpoint: Endpoint) -> bytes:
    """The frame of a UDP datagram with another source, and the right checksums."""
    return _with_endpoint(
        frame, found, _SOURCE_AT[len(found.destination)], found.transport_at, endpoint
    )


def with_destination(frame: bytes, found: Headers, endpoint: Endpoint) -> bytes:
    """The frame of a UDP datagram with another destination, and the right checksums."""
    size = len(found.destination)
    return _with_endpoint(frame, found, _SOURCE_AT[size] + size, found.transport_at + 2, endpoint)


def _with_endpoint(
    frame: bytes, found: Headers, address_at: int, port_at: int, endpoint: Endpoint
) -> bytes:
    address, port = endpoint
    changed = bytearray(frame)
    changed[address_at : address_at + len(address)] = address
    changed[port_at : port_at + 2] = port.to_bytes(2)
    readdressed = _with_header_checksum(bytes(changed), len(address))
    return with_changed_checksum(readdressed, found, frame)


def _with_header_checksum(frame: bytes, address_size: int) -> bytes:
    """The frame with the right checksum of the IPv4 header; IPv6 has none."""
    if address_size != 4:
        return frame
    header = frame[ETHERNET_HEADER : ETHERNET_HEADER + (frame[14] & 0x0F) * 4]
    checksum = internet_checksum(header[:10] + b"\0\0" + header[12:])
    return frame[:24] + checksum.to_bytes(2) + frame[26:]


def _ipv4(frame: bytes) -> Headers | None:
    if len(frame) < ETHERNET_HEADER + 20 or frame[14] >> 4 != 4:
        return None
    header_length = (frame[14] & 0x0F) * 4
    length = frame[16] << 8 | frame[17]
    if header_length < 20 or length < header_length or ETHERNET_HEADER + length > len(frame):
        return None
    protocol, at = frame[23], ETHERNET_HEADER + header_length
    flags_and_offset = frame[20] << 8 | frame[21]
    more, offset = bool(flags_and_offset & 0x2000), (flags_and_offset & 0x1FFF) * 8
    fragment = None
    if more or offset:
        datagram = frame[26:34] + frame[23:24] + frame[18:20]
        fragment = Fragment(datagram, offset, more)
    if protocol == UDP and offset == 0 and length < header_length + 8:
        return None
    return Headers(length, frame[30:34], protocol, at, fragment)


def _ipv6(frame: bytes) -> Headers | None:
    if len(frame) < ETHERNET_HEADER + 40 or frame[14] >> 4 != 6:
        return None
    length = 40 + (frame[18] << 8 | frame[19])
    end = ETHERNET_HEADER + length
    if end > len(frame):
        return None
    protocol, at = frame[20], ETHERNET_HEADER + 40
    while protocol in _SKIPPED_EXTENSIONS:
        if at + 2 > end:
            return None
        protocol, at = frame[at], at + (frame[at + 1] + 1) * 8
    fragment, offset = None, 0
    if protocol == _FRAGMENT_HEADER:
        if at + 8 > end:
            return None
        protocol, fields = frame[at], frame[at + 2] << 8 | frame[at + 3]
        more, offset = bool(fields & 1), fields & 0xFFF8
        if more or offset:  # otherwise it is whole (RFC 8200, 4.5)
            datagram = frame[22:54] + frame[at : at + 1] + frame[at + 4 : at + 8]
            fragment = Fragment(datagram, offset, more)
        at += 8
    if at > end or (protocol == UDP and offset == 0 and at + 8 > end):
        return None
    return Headers(length, frame[38:54], protocol, at, fragment)
