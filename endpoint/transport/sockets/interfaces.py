"""The IPv4 and IPv6 addresses of the host's network interfaces, for preferred addresses."""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct
from pathlib import Path

_SIOCGIFADDR = 0x8915
_IFREQ_BYTES = 256
_ADDRESS_AT = 20
_TENTATIVE_OR_WORSE = 0x40 | 0x08 | 0x20
"""Flags of an IPv6 address that cannot be used: tentative, failed, deprecated."""
_LINK_LOCAL = "20"


def both_families(host: bytes) -> tuple[str | None, str | None]:
    """The IPv4 and the IPv6 address of the interface which has a packed address.

    A v4-mapped address counts as IPv4. What the host does not have is None.
    """
    address = _unmapped(host)
    for name in (name for _, name in socket.if_nameindex()):
        ipv4, ipv6 = _ipv4(name), _ipv6(name)
        if address.version == 4 and address == ipv4:
            return str(ipv4), str(ipv6[0]) if ipv6 else None
        if address.version == 6 and address in ipv6:
            return (None if ipv4 is None else str(ipv4)), str(address)
    return (str(address), None) if address.version == 4 else (None, str(address))


def _unmapped(host: bytes) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(host)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _ipv4(name: str) -> ipaddress.IPv4Address | None:
    request = struct.pack(f"{_IFREQ_BYTES}s", name.encode())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            answer = fcntl.ioctl(any_socket, _SIOCGIFADDR, request)
        except OSError:
            return None
    return ipaddress.IPv4Address(answer[_ADDRESS_AT : _ADDRESS_AT + 4])


def _ipv6(name: str) -> list[ipaddress.IPv6Address]:
    try:
        lines = Path("/proc/net/if_inet6").read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    fields = [line.split() for line in lines]
    return [
        ipaddress.IPv6Address(int(packed, 16))
        for packed, _, _, scope, flags, interface in fields
        if interface == name and scope != _LINK_LOCAL and not int(flags, 16) & _TENTATIVE_OR_WORSE
    ]
