"""Two connections and the link between them, in simulated time.

A minute on the link takes a second or less, nothing sleeps, and the same seed gives the same run.
Time begins at 1000 s, so that a forgotten zero is seen.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent
from aioquic.tls import SessionTicket

from quicmatrix.endpoint.tickets import TicketStore
from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.sockets.udp import LocalAddress, PathAddress

CLIENT_ADDRESS = ("193.167.0.100", 50000)
SERVER_ADDRESS = ("193.167.100.100", 443)
START = 1000.0


class Application(Protocol):
    def event_received(self, event: QuicEvent) -> None: ...
    def pump(self) -> None: ...


class Idle:
    """An application that only remembers what happened."""

    def __init__(self) -> None:
        self.events: list[QuicEvent] = []

    def event_received(self, event: QuicEvent) -> None:
        self.events.append(event)

    def pump(self) -> None:
        pass


def no_loss(_number: int, _datagram: bytes) -> bool:
    return False


def no_remark(_number: int, codepoint: int) -> int:
    return codepoint


def random_loss(rate: float, seed: int, burst: int = 3) -> Callable[[int, bytes], bool]:
    """Drops that share of the datagrams, but never more than ``burst`` in a row."""
    source = random.Random(seed)
    in_a_row = 0

    def drops(_number: int, _datagram: bytes) -> bool:
        nonlocal in_a_row
        in_a_row = in_a_row + 1 if source.random() < rate and in_a_row < burst else 0
        return in_a_row > 0

    return drops


@dataclass
class Link:
    """One direction of the path: a bottleneck with a drop-tail queue, then a delay."""

    delay_s: float = 0.015
    bandwidth_bps: float = 10e6
    queue: int = 25
    drops: Callable[[int, bytes], bool] = no_loss
    """Of the n-th datagram, from 1, and its bytes: whether it is lost."""
    remark: Callable[[int, int], int] = no_remark
    """Of the n-th datagram and its ECN field: the ECN field that it arrives with."""
    mtu: int = 1500
    sent: list[tuple[float, bytes]] = field(default_factory=list)
    """All datagrams that entered, with when."""
    dropped: int = 0
    _free_at: float = 0.0
    _departures: list[float] = field(default_factory=list)

    def carry(self, datagram: bytes, now: float) -> float | None:
        """When the datagram arrives; None if it does not."""
        self.sent.append((now, datagram))
        self._departures = [at for at in self._departures if at > now]
        fits = len(datagram) + 28 <= self.mtu
        is_full = len(self._departures) > self.queue
        if is_full or not fits or self.drops(len(self.sent), datagram):
            self.dropped += 1
            return None
        wire_bytes = len(datagram) + 28 + 14  # UDP, IPv4, Ethernet
        self._free_at = max(self._free_at, now) + wire_bytes * 8 / self.bandwidth_bps
        self._departures.append(self._free_at)
        return self._free_at + self.delay_s


class End:
    """One of the two ends."""

    def __init__(self, address: tuple[str, int], link: Link) -> None:
        self.address = address
        self.link = link
        """What this end sends through."""
        self.connection: Connection | None = None
        self.application: Application = Idle()


class Pair:
    """A client and a server.

    Args:
        client: The client's configuration.
        server: The server's configuration.
        to_server, to_client: The path.
        server_type, client_type: Variants of the connection.
    """

    def __init__(
        self,
        client: QuicConfiguration,
        server: QuicConfiguration,
        *,
        to_server: Link | None = None,
        to_client: Link | None = None,
        client_type: type[Connection] = Connection,
        server_type: type[Connection] = Connection,
        tickets: TicketStore | None = None,
        now: float = START,
    ) -> None:
        self.now = now
        self.tickets = tickets or TicketStore()
        self.client_tickets: list[SessionTicket] = []
        self.client_address = CLIENT_ADDRESS
        self._server_hosts = {SERVER_ADDRESS[1]: SERVER_ADDRESS[0]}
        """The server's address at each of its ports."""
        self._server_configuration = server
        self._server_type = server_type
        self._client_end = End(CLIENT_ADDRESS, to_server or Link())
        self._server_end = End(SERVER_ADDRESS, to_client or Link())
        self._arrivals: list[tuple[float, int, bool, bytes, tuple[Any, ...], int]] = []
        self._order = itertools.count()
        self.client_app: Application = Idle()
        self.server_app: Application = Idle()
        self.new_server_app: Callable[[Connection], Application] = lambda _connection: Idle()
        self.client = client_type(
            configuration=client, session_ticket_handler=self.client_tickets.append
        )
        self._server: Connection | None = None

    @property
    def server(self) -> Connection:
        assert self._server is not None, "the server has received nothing yet"
        return self._server

    @property
    def to_server(self) -> Link:
        return self._client_end.link

    @to_server.setter
    def to_server(self, link: Link) -> None:
        self._client_end.link = link

    @property
    def to_client(self) -> Link:
        return self._server_end.link

    def connect(self) -> None:
        """Send the client's first flight, with whatever its application asks already."""
        self.client.connect(SERVER_ADDRESS, now=self.now)
        self.drive_client()

    def complete_handshake(self, *, limit_s: float = 60.0) -> None:
        """Connect, and let time pass until the client's handshake is confirmed."""
        self.connect()
        self.run_until(lambda: self.client.is_confirmed, limit_s=limit_s)

    def run_until(self, holds: Callable[[], bool], *, limit_s: float = 60.0) -> None:
        """Let time pass until something holds; fail if it does not within the limit."""
        end = self.now + limit_s
        while not holds():
            if not self._step(end):
                raise AssertionError(f"still not so after {limit_s} s")

    def run_for(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while self._step(end):
            pass
        self.now = end

    def drive_client(self) -> None:
        """Let the client do what it can do now."""
        self._drive(self.client, self.client_app, self._client_end.link, to_server=True)

    def drive_server(self) -> None:
        """Let the server do what it can do now."""
        self._drive(self.server, self.server_app, self._server_end.link, to_server=False)

    def _drive(
        self, connection: Connection, application: Application, link: Link, *, to_server: bool
    ) -> None:
        for event in events(connection):
            application.event_received(event)
        if not connection.is_ending:
            application.pump()
        source = self.client_address if to_server else SERVER_ADDRESS
        datagrams = connection.datagrams_to_send(now=self.now)
        codepoint = connection.codepoint_to_send
        for datagram, destination in datagrams:
            arrival = link.carry(datagram, self.now)
            if arrival is None or (not to_server and destination != self.client_address):
                continue
            mark = link.remark(len(link.sent), codepoint)
            if to_server:
                self._server_hosts[destination[1]] = destination[0]
            elif isinstance(destination, PathAddress):
                port = destination.local.port
                source = self._server_hosts[port], port
            path = PathAddress(source, LocalAddress(destination[1]))
            entry = (arrival, next(self._order), to_server, datagram, path, mark)
            heapq.heappush(self._arrivals, entry)
        for event in events(connection):
            application.event_received(event)

    def _step(self, end: float) -> bool:
        """Go to the next thing that happens; False if that is after the end."""
        timers = [
            (timer, connection is self.client)
            for connection in (self.client, self._server)
            if connection is not None and (timer := connection.get_timer()) is not None
        ]
        next_timer = min(timers, default=None)
        next_arrival = self._arrivals[0][0] if self._arrivals else None
        if next_arrival is not None and (next_timer is None or next_arrival <= next_timer[0]):
            if next_arrival > end:
                return False
            self.now = max(self.now, next_arrival)
            self._arrive()
            return True
        if next_timer is None or next_timer[0] > end:
            return False
        # Like a real timer, this one is late, if by little: at the very moment that it gave,
        # aioquic's loss detection may find that the moment has not come, by rounding.
        self.now = max(self.now, next_timer[0] + 1e-6)
        _, is_client = next_timer
        (self.client if is_client else self.server).handle_timer(now=self.now)
        (self.drive_client if is_client else self.drive_server)()
        return True

    def _arrive(self) -> None:
        _, _, to_server, datagram, source, mark = heapq.heappop(self._arrivals)
        if not to_server:
            self.client.codepoint_received = mark
            self.client.receive_datagram(datagram, source, now=self.now)
            self.drive_client()
            return
        if self._server is None:
            self._server = self._server_type(
                configuration=self._server_configuration,
                original_destination_connection_id=self.client.original_destination_connection_id,
                session_ticket_fetcher=self.tickets.take,
                session_ticket_handler=self.tickets.add,
            )
            self.server_app = self.new_server_app(self._server)
        self._server.codepoint_received = mark
        self._server.receive_datagram(datagram, source, now=self.now)
        self.drive_server()


def events(connection: Connection) -> Iterator[QuicEvent]:
    """All events that are waiting."""
    while (event := connection.next_event()) is not None:
        yield event


def client_configuration(certs: Path, **changes: Any) -> QuicConfiguration:
    """A client's configuration for the certificates in a folder."""
    standard: dict[str, Any] = {
        "is_client": True,
        "alpn_protocols": ["hq-interop"],
        "cafile": str(certs / "ca.pem"),
        "server_name": "server4",
        "supported_versions": [1],
        "idle_timeout": 30.0,
    }
    return QuicConfiguration(**(standard | changes))


def server_configuration(certs: Path, **changes: Any) -> QuicConfiguration:
    """A server's configuration for the certificates in a folder."""
    standard: dict[str, Any] = {
        "is_client": False,
        "alpn_protocols": ["hq-interop"],
        "supported_versions": [1],
        "idle_timeout": 30.0,
    }
    configuration = QuicConfiguration(**(standard | changes))
    configuration.load_cert_chain(certs / "cert.pem", certs / "priv.key")
    return configuration
