"""A relay on loopback that keeps what it forwards, for tests that look at real packets."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

IP_RECVTOS = 13  # Linux; Python does not name it


@dataclass(frozen=True, slots=True)
class Datagram:
    from_server: bool
    client_port: int
    ecn: int
    payload: bytes


def receive(source: socket.socket) -> tuple[bytes, int, tuple[str, int]]:
    payload, control, _, address = source.recvmsg(65536, 256)
    marks = [data[0] for level, kind, data in control if (level, kind) == (0, socket.IP_TOS)]
    return payload, marks[0] & 3 if marks else 0, address


def send(out: socket.socket, payload: bytes, ecn: int, address: tuple[str, int]) -> None:
    out.sendmsg([payload], [(0, socket.IP_TOS, struct.pack("i", ecn))], 0, address)


def udp_socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    made.setsockopt(socket.IPPROTO_IP, IP_RECVTOS, 1)
    made.bind(("127.0.0.1", 0))
    return made


@dataclass(slots=True)
class Relay:
    """Forwards datagrams, with their ECN marks, between clients and servers, and keeps them.

    The first connection goes to the first server, and so on; the last server gets the rest.
    """

    server_ports: Sequence[int]
    front: socket.socket = field(default_factory=udp_socket)
    kept: list[Datagram] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.front.getsockname()[1])

    def run(self, stop: socket.socket) -> None:
        ports = list(self.server_ports)
        servers: dict[tuple[str, int], tuple[str, int]] = {}
        backs: dict[tuple[str, int], socket.socket] = {}
        clients: dict[socket.socket, tuple[str, int]] = {}
        with selectors.DefaultSelector() as selector, ExitStack() as sockets:
            selector.register(stop, selectors.EVENT_READ)
            selector.register(self.front, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    source = key.fileobj
                    assert isinstance(source, socket.socket)
                    if source is stop:
                        return
                    payload, ecn, address = receive(source)
                    client = clients.get(source, address)
                    self.kept.append(Datagram(source in clients, client[1], ecn, payload))
                    if source in clients:
                        send(self.front, payload, ecn, client)
                        continue
                    if address not in backs:
                        backs[address] = sockets.enter_context(udp_socket())
                        clients[backs[address]] = address
                        servers[address] = ("127.0.0.1", ports.pop(0) if ports[1:] else ports[0])
                        selector.register(backs[address], selectors.EVENT_READ)
                    send(backs[address], payload, ecn, servers[address])

    def write_pcap(self, path: Path) -> None:
        """As if the client were 10.0.0.1 and the server 10.0.0.2:443."""
        ends = (ip_address("10.0.0.1").packed, ip_address("10.0.0.2").packed)
        with path.open("wb") as file:
            file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 101))
            for number, one in enumerate(self.kept):
                ports = (443, one.client_port) if one.from_server else (one.client_port, 443)
                size = 28 + len(one.payload)
                source, destination = reversed(ends) if one.from_server else ends
                header = struct.pack(
                    ">BBHIBBH4s4s", 0x45, one.ecn, size, 0, 64, 17, 0, source, destination
                ) + struct.pack(">HHHH", *ports, size - 20, 0)
                file.write(struct.pack("<IIII", number, 0, size, size) + header + one.payload)


@contextmanager
def relaying(*server_ports: int) -> Iterator[Relay]:
    relay = Relay(server_ports)
    stop, stopper = socket.socketpair()
    thread = threading.Thread(target=relay.run, args=(stop,))
    with relay.front, stop, stopper:
        thread.start()
        try:
            yield relay
        finally:
            stopper.send(b"x")
            thread.join()
