"""What a script is given: connections with the implementation, and datagrams outside of any."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TextIO, cast

from aioquic.quic.configuration import QuicConfiguration
from aioquic.tls import SessionTicket

from quicmatrix.endpoint.contract import Contract, Role
from quicmatrix.endpoint.tester import http3, parameters
from quicmatrix.endpoint.tester.arrivals import (
    CONNECTION_ID_BYTES,
    First,
    destination_of,
    header_of,
    is_initial,
)
from quicmatrix.endpoint.tester.configuration import Settings
from quicmatrix.endpoint.tester.configuration import configuration as configuration_of
from quicmatrix.endpoint.tester.connection import TesterConnection
from quicmatrix.endpoint.tester.peer import LEAST_SILENCE_S, Peer
from quicmatrix.endpoint.tester.steps import Steps
from quicmatrix.endpoint.tester.streams import NoStimulusError
from quicmatrix.endpoint.tickets import TicketStore
from quicmatrix.endpoint.transport.sockets.interfaces import both_families
from quicmatrix.endpoint.transport.sockets.listener import negotiation_for
from quicmatrix.endpoint.transport.sockets.udp import (
    Address,
    PathAddress,
    UdpSocket,
    UdpSockets,
    bound_socket,
    client_socket,
    resolve,
)

Host = tuple[str, int] | None
START_S = 25.0
"""Seconds until a client that was started sends its first datagram, at most."""
ANSWER_S = 5.0
"""Seconds until it answers a Retry, at most."""


class Tester:
    """The misbehaving peer of one case.

    Args:
        contract: The environment's.
        settings: Of the flow.
        steps: The log.
        key_log: Where TLS secrets go.
    """

    def __init__(
        self, contract: Contract, settings: Settings, steps: Steps, key_log: TextIO | None
    ) -> None:
        self.is_client = contract.role is Role.CLIENT
        """The tester's role; the implementation under test has the other one."""
        self.steps = steps
        self.settings = settings
        self.arrivals: list[tuple[bytes, Address]] = []
        """Datagrams for no connection of ours, in order."""
        self.peers: list[Peer] = []
        self.waits_for_end = False
        """Whether the implementation is to end the connection, as a client that is done does."""
        self._contract = contract
        self._key_log = key_log
        self.tickets = TicketStore()
        """Server: of which sessions can be resumed."""
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._touched: list[Peer] = []
        if self.is_client:
            request = contract.requests[0]
            self._family, self.server = resolve(request.host, request.port)
            self._udp = UdpSocket(client_socket(self._family), knows_host=False)
        else:
            self._udp = UdpSocket(bound_socket(contract.host, contract.port))
        self._sockets = UdpSockets([self._udp])
        self._sockets.start(self._received, self._drained)

    # --- Connections ----------------------------------------------------------------------------

    async def connected(self, **changes: object) -> Peer:
        """A connection whose handshake is confirmed; from a client, its request is there too.

        Nothing has been asked of a server yet, and no request answered. ``changes`` are those of
        :meth:`connecting`.
        """
        peer = await self.connecting(**changes)  # type: ignore[arg-type]
        await peer.confirmed()
        if not self.is_client:
            await peer.until(lambda: bool(peer.requests), "a request")
        return peer

    async def connecting(
        self,
        *,
        alter_parameters: parameters.Alteration | None = None,
        alter_message: Callable[[int, bytes], bytes] | None = None,
        stimulus: bool = False,
        control: bool = True,
        ticket: SessionTicket | None = None,
        token: bytes = b"",
        retry_source: bytes | None = None,
        original_destination: bytes | None = None,
        connection_id_bytes: int = CONNECTION_ID_BYTES,
        configure: Callable[[QuicConfiguration], None] | None = None,
        prepare: Callable[[TesterConnection], None] | None = None,
        first: First | None = None,
        held_back: bool = False,
        path: Address | None = None,
    ) -> Peer:
        """A connection whose first flight, be it a client's or a server's, has been sent.

        Args:
            alter_parameters: What becomes of our transport parameters.
            alter_message: What becomes of our TLS messages.
            stimulus: Whether our first flight is what the case is about.
            control: Whether to open the control stream, in HTTP/3.
            ticket: Client: to resume a session with.
            token: Client: of a NEW_TOKEN frame or a Retry.
            retry_source: Server: the Source Connection ID of the Retry that was sent.
            original_destination: Server: where the client's Initial before it went.
            connection_id_bytes: Of our connection IDs; may be 0.
            configure: Changes what the connection is made of.
            prepare: Changes the connection before anything is sent.
            first: Server: the client's Initial to answer; None: the next one.
            held_back: Whether our first flight is made and not sent, until :meth:`Peer.release`.
            path: Client: where it goes, if not on :attr:`path`.
        """
        configuration = dataclasses.replace(
            configuration_of(self._contract, self.settings, self._key_log),
            session_ticket=ticket,
            token=token,
            connection_id_length=connection_id_bytes,
        )
        if configure is not None:
            configure(configuration)
        if not self.is_client:
            first = first or await self.initial()
            original_destination = original_destination or first.header.destination_cid
        connection = TesterConnection(
            configuration=configuration,
            original_destination_connection_id=original_destination,
            retry_source_connection_id=retry_source,
            session_ticket_fetcher=None if self.is_client else self.tickets.take,
            session_ticket_handler=None,
        )
        peer = Peer(
            connection,
            self._sockets.send,
            self.steps,
            is_client=self.is_client,
            alpn=self.settings.alpn,
        )
        handler = peer.tickets.append if self.is_client else self.tickets.add
        connection._session_ticket_handler = handler  # noqa: SLF001
        connection._token_handler = peer.tokens.append  # noqa: SLF001
        if alter_parameters is not None:
            connection.alter_parameters = alter_parameters
        if alter_message is not None:
            connection.alter_message = alter_message
        if prepare is not None:
            prepare(connection)
        if stimulus:
            peer.mark_next_flight()
        peer.is_held_back = held_back
        self.peers.append(peer)
        peer.connection_ids.add(connection.host_cid)
        if first is None:
            connection.connect(path or self.path, now=self._loop.time())
        else:
            peer.connection_ids.add(first.header.destination_cid)
            peer.receive(first.data, first.address, 0)
            for data, _ in self._take(first.header.destination_cid):
                peer.receive(data, first.address, 0)
        peer.flush()
        if self.settings.alpn == "h3" and control:
            await peer.until(lambda: peer.is_confirmed, "the handshake's confirmation")
            peer.open_control()
        return peer

    async def initial(self, destination: bytes | None = None) -> First:
        """The next Initial of a client that is for no connection of ours.

        Args:
            destination: Its Destination Connection ID; None: any.

        Raises:
            NoStimulusError: None came.
        """

        def initials() -> list[tuple[bytes, Address]]:
            return [
                one
                for one in self.arrivals
                if is_initial(one[0]) and destination in (None, destination_of(one[0]))
            ]

        patience = START_S if destination is None else ANSWER_S
        if not await self.until(lambda: bool(initials()), "an Initial packet", patience):
            raise NoStimulusError("the client sent no Initial packet")
        data, address = initials()[0]
        self.arrivals.remove((data, address))
        return First(data, address, header_of(data))

    def not_applicable(self, why: str) -> NoReturn:
        """End the script: there is nothing to which the case applies.

        Raises:
            NoStimulusError: Always.
        """
        raise NoStimulusError(why)

    # --- Datagrams outside of connections ---------------------------------------------------------

    @property
    def path(self) -> PathAddress:
        """Client: the server's address, from our first socket."""
        return PathAddress(tuple(self.server), self._udp.local)

    def new_path(self, *, host: str = "", is_watched: bool = False) -> PathAddress:
        """Client: the server's address from another port of ours, or from another address.

        Args:
            host: Our address; any, if empty.
            is_watched: Whether what comes there goes to :attr:`arrivals`, and to no connection.
        """
        udp = UdpSocket(client_socket(self._family, host), knows_host=bool(host))
        self._sockets.add(udp)
        udp.start(self._watched if is_watched else self._received, self._drained)
        return PathAddress(tuple(self.server), udp.local)

    def another_port(self, port: int, *, is_watched: bool = False) -> None:
        """Server: take in what comes to another port too; ``is_watched`` as in new_path."""
        udp = UdpSocket(bound_socket(self._contract.host, port))
        self._sockets.add(udp)
        udp.start(self._watched if is_watched else self._received, self._drained)

    def new_server_path(self, peer: Peer, port: int) -> PathAddress:
        """Server: a client's address from another port of ours."""
        self.another_port(port)
        path = cast("PathAddress", peer.path)
        return PathAddress(tuple(path), dataclasses.replace(path.local, port=port))

    def addresses(self, first: First, port: int) -> tuple[Host, Host]:
        """Server: our IPv4 and IPv6 address on a client's link, with a port; None if not there."""
        hosts = both_families(cast("PathAddress", first.address).local.host)
        ipv4, ipv6 = ((host, port) if host else None for host in hosts)
        return ipv4, ipv6

    def send(
        self,
        datagram: bytes,
        path: Address | None = None,
        *,
        step: str = "sent",
        codepoint: int = 0,
    ) -> None:
        """Send any bytes, to the server unless a path is given."""
        self.steps.add(step, f"{len(datagram)} bytes", datagram=datagram)
        self._sockets.send([(datagram, path or self.path)], codepoint)

    async def answers(self, count: int = 1) -> list[bytes]:
        """Wait for datagrams that are for no connection; as many as came until silence."""
        await self.until(lambda: len(self.arrivals) >= count, f"{count} datagrams")
        return [data for data, _ in self.arrivals]

    async def until(
        self, holds: Callable[[], bool], what: str, patience_s: float = LEAST_SILENCE_S
    ) -> bool:
        """Wait until something holds; False after so many seconds."""
        try:
            async with asyncio.timeout(patience_s):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            self.steps.add("waited", f"in vain for {what}")
            return False
        self.steps.add("seen", what)
        return True

    # --- The end --------------------------------------------------------------------------------

    async def finish(self) -> None:
        """Find out whether the implementation goes on with its newest connection.

        Twice: a close may come after an answer that was on its way.
        """
        if not self.peers:
            return
        peer = self.peers[-1]
        peer.release()
        if await peer.confirmed() and await peer.probe():
            await (self._fetch(peer) if self.is_client else self._serve(peer))
            await peer.probe()
        if self.waits_for_end:
            await peer.until(lambda: peer.is_over, "the end of the connection")
        if not peer.is_over:
            peer.end()

    @property
    def message_fields(self) -> list[tuple[bytes, bytes]]:
        """The header fields of a request for that file, or of an answer (RFC 9114, 4.3)."""
        return http3.request_fields(self.path_of_file) if self.is_client else [(b":status", b"200")]

    def content_for(self, peer: Peer) -> bytes:
        """The content of a message: of an answer, the file that is asked for first."""
        paths = list(peer.requests.values())
        return self.file(paths[0]) if paths else b"1234"

    async def _fetch(self, peer: Peer) -> None:
        stream_id = peer.request(self.path_of_file)
        await peer.until(lambda: stream_id in peer.ended, "the whole answer")

    async def _serve(self, peer: Peer) -> None:
        if not peer.answered:
            await peer.until(lambda: bool(peer.requests), "a request")
        for stream_id, path in peer.requests.items():
            peer.respond(stream_id, self.file(path))
        await peer.until(
            lambda: not any(peer.connection.unacknowledged(one) for one in peer.answered),
            "an acknowledgment of the whole answer",
        )

    @property
    def path_of_file(self) -> str:
        """Client: the path of a file that the server has."""
        return self._contract.requests[0].path

    def file(self, path: str) -> bytes:
        """Server: a file of /www; of a name that there is not, nothing."""
        name = Path(path).name
        known = {one.name: one for one in self._contract.www.iterdir()}
        return known[name].read_bytes() if name in known else b""

    def close(self) -> None:
        """Close all sockets."""
        for peer in self.peers:
            peer.stop()
        self._sockets.close()

    # --- The event loop -------------------------------------------------------------------------

    def _received(self, data: bytes, address: Address, codepoint: int) -> None:
        if not self.is_client and (answer := negotiation_for(data, self.settings.versions)):
            self._sockets.send([(answer, address)], 0)
            return
        destination = destination_of(data)
        for peer in reversed(self.peers):
            if destination in peer.connection_ids or b"" in peer.connection_ids:
                peer.receive(data, address, codepoint)
                self._touched.append(peer)
                return
        self.arrivals.append((data, address))

    def _watched(self, data: bytes, address: Address, _: int) -> None:
        self.arrivals.append((data, address))

    def _drained(self) -> None:
        touched, self._touched = self._touched, []
        for peer in dict.fromkeys(touched):
            peer.flush()
        self._changed.set()

    def _take(self, destination: bytes) -> list[tuple[bytes, Address]]:
        """The datagrams that came with the first one of a connection, removed."""
        taken = [one for one in self.arrivals if destination_of(one[0]) == destination]
        self.arrivals = [one for one in self.arrivals if one not in taken]
        return taken


def random_id(size: int = CONNECTION_ID_BYTES) -> bytes:
    """A connection ID."""
    return os.urandom(size)
