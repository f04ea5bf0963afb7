"""``python -m quicmatrix.runner.contract_check.early_listener INTERFACE SECONDS``.

Counts the UDP datagrams to the server's port that arrive at an interface of the sim's host before
the middlebox runs, and prints how many there were.
"""

from __future__ import annotations

import socket
import struct
import sys
import time

from quicmatrix.runner.network.topology import SERVER_PORT

_ETH_P_ALL = 3
_IPV4, _IPV6 = 0x0800, 0x86DD
_UDP = 17


def count(interface: str, seconds: float) -> int:
    """How many datagrams to the server's port arrive at an interface in a time."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL)) as listener:
        listener.bind((interface, _ETH_P_ALL))
        ends, datagrams = time.monotonic() + seconds, 0
        while (left := ends - time.monotonic()) > 0:
            listener.settimeout(left)
            try:
                frame, (_, _, packet_type, *_) = listener.recvfrom(128)
            except TimeoutError:
                break
            datagrams += packet_type != socket.PACKET_OUTGOING and is_for_server(frame)
    return datagrams


def is_for_server(frame: bytes) -> bool:
    """Whether an Ethernet frame has a UDP datagram to port 443, behind no IPv6 extension header."""
    try:
        (kind,) = struct.unpack_from("!H", frame, 12)
        if kind == _IPV4:
            protocol, at = frame[23], 14 + (frame[14] & 0xF) * 4
        elif kind == _IPV6:
            protocol, at = frame[20], 54
        else:
            return False
        return protocol == _UDP and struct.unpack_from("!H", frame, at + 2)[0] == SERVER_PORT
    except (IndexError, struct.error):
        return False


if __name__ == "__main__":
    sys.stdout.write(f"{count(sys.argv[1], float(sys.argv[2]))}\n")
