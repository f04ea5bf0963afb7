"""``python -m quicmatrix.runner.contract_check.early_listener``: who sends before the sim runs?

A program for the sim's host, in the middlebox's place. Its only line of output is the number of UDP
datagrams to the server's port that came by the interface.
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
    """Listen for so long, and count."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL)) as listener:
        listener.bind((interface, _ETH_P_ALL))
        ends, found = time.monotonic() + seconds, 0
        while (left := ends - time.monotonic()) > 0:
            listener.settimeout(left)
            try:
                frame, (_, _, packet_type, *_) = listener.recvfrom(128)
            except TimeoutError:
                break
            found += packet_type != socket.PACKET_OUTGOING and is_for_server(frame)
    return found


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
