"""One connection of the tester with the implementation under test, for scripts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aioquic.quic.events import ConnectionIdIssued, StreamDataReceived
from aioquic.quic.packet import QuicPacketType
from aioquic.tls import SessionTicket

from quicmatrix.endpoint.tester import frames, packets
from quicmatrix.endpoint.tester.connection import EPOCHS, TesterConnection
from quicmatrix.endpoint.tester.frames import FrameType
from quicmatrix.endpoint.tester.packets import WELL_FORMED, ConnectionIdPair, Shape
from quicmatrix.endpoint.tester.steps import Steps
from quicmatrix.endpoint.tester.streams import NoStimulusError, Streams
from quicmatrix.endpoint.transport.sockets.udp import Address

SILENT_PTOS = 3
"""Probe timeouts after which an implementation that sends nothing is silent."""
LEAST_SILENCE_S = 1.0
"""And seconds, at least: an implementation may be slow, and the machine busy."""
MOST_WAIT_S = 10.0
"""Seconds for which one thing is waited for while others come."""

INITIAL, ZERO_RTT = QuicPacketType.INITIAL, QuicPacketType.ZERO_RTT
HANDSHAKE, ONE_RTT = QuicPacketType.HANDSHAKE, QuicPacketType.ONE_RTT
_NAMES = {INITIAL: "Initial", ZERO_RTT: "0-RTT", HANDSHAKE: "Handshake", ONE_RTT: "1-RTT"}

_CRYPTO_BYTES = 1000
"""Of one CRYPTO frame, so that its datagram has no more than 1200."""

Send = Callable[[Sequence[tuple[bytes, Address]], int], None]


@dataclass(frozen=True, slots=True)
class Sent:
    """A packet that a script sent."""

    type: QuicPacketType
    number: int
    datagram: bytes


class Peer(Streams):
    """A connection, as a script drives it.

    Args:
        connection: What it drives.
        send: Sends datagrams, with an ECN field.
        steps: The log.
        is_client: The tester's role.
        alpn: ``hq-interop`` or ``h3``.
    """

    def __init__(
        self,
        connection: TesterConnection,
        send: Send,
        steps: Steps,
        *,
        is_client: bool,
        alpn: str,
    ) -> None:
        super().__init__(connection, is_client=is_client, alpn=alpn)
        self.tickets: list[SessionTicket] = []
        self.tokens: list[bytes] = []
        """Of NEW_TOKEN frames."""
        self.arrivals: list[tuple[bytes, Address]] = []
        """All datagrams that came for it, in order."""
        self.codepoint = 0
        """The ECN field of what is sent."""
        self.connection_ids: set[bytes] = set()
        """That the implementation may send to."""
        self.is_held_back = False
        """Whether the connection sends nothing by itself."""
        self._send_all = send
        self._rebound: Address | None = None
        self._old_is_gone = False
        self._steps = steps
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.loses: Callable[[bytes], bool] = lambda _: False
        """Which datagrams that come are lost."""
        self.lost = 0
        """How many were."""
        self._changed = asyncio.Event()
        self._received_at = self._loop.time()

    # --- What is sent ---------------------------------------------------------------------------

    async def send(
        self,
        *these: bytes,
        kind: QuicPacketType = ONE_RTT,
        shape: Shape = WELL_FORMED,
        path: Address | None = None,
        step: str = "sent",
    ) -> Sent:
        """Send one packet with these frames, right or wrong, in a datagram of its own.

        Args:
            these: The frames.
            kind: The type of the packet.
            shape: What else it is like.
            path: Where to, and from which address; None: as all packets.
            step: What the log says it is.
        """
        sent = self.packet(*these, kind=kind, shape=shape)
        self.send_datagram(sent.datagram, path=path, step=step, sent=sent)
        await asyncio.sleep(0)
        return sent

    async def send_crypto(
        self, messages: bytes, offset: int = 0, *, kind: QuicPacketType, step: str = "sent"
    ) -> None:
        """Send TLS messages in as many packets as they need, without retransmission."""
        for at in range(0, len(messages), _CRYPTO_BYTES):
            piece = messages[at : at + _CRYPTO_BYTES]
            await self.send(frames.crypto(piece, offset + at), kind=kind, step=step)

    async def stimulus(
        self,
        *these: bytes,
        kind: QuicPacketType = ONE_RTT,
        shape: Shape = WELL_FORMED,
        path: Address | None = None,
    ) -> Sent:
        """Send the packet that the case is about."""
        return await self.send(*these, kind=kind, shape=shape, path=path, step="stimulus")

    def packet(
        self, *these: bytes, kind: QuicPacketType = ONE_RTT, shape: Shape = WELL_FORMED
    ) -> Sent:
        """A packet with these frames, which is not sent."""
        connection, payload = self.connection, b"".join(these)
        if shape.keys is None and not connection.has_sending_keys(kind):
            raise NoStimulusError(f"the handshake did not get as far as {_NAMES[kind]} keys")
        keys = shape.keys or connection.sending_keys(kind)
        number = connection.next_number() if shape.number is None else shape.number
        dcid = connection.peer_connection_id if shape.dcid is None else shape.dcid
        if kind is ONE_RTT:
            packet = packets.short_packet(keys, dcid, number, payload, shape)
        else:
            scid = connection.host_cid if shape.scid is None else shape.scid
            version = connection._version or 1  # noqa: SLF001
            packet = packets.long_packet(
                kind,
                keys,
                ConnectionIdPair(dcid, scid),
                number,
                payload,
                shape=shape,
                version=version,
            )
        return Sent(kind, number, packet)

    def send_datagram(
        self,
        datagram: bytes,
        *,
        path: Address | None = None,
        step: str = "sent",
        sent: Sent | None = None,
    ) -> None:
        """Send any bytes on the connection's path, or on another one."""
        address = path or self.path
        if sent is None:
            self._steps.add(step, f"{len(datagram)} bytes", datagram=datagram)
        else:
            self._steps.add(
                step,
                f"{len(datagram)} bytes",
                datagram=datagram,
                packet=_NAMES[sent.type],
                number=sent.number,
            )
        send = self._send if path is None else self._send_all
        send([(datagram, address)], self.codepoint)

    def mark_next_flight(self, step: str = "stimulus") -> None:
        """Log the datagrams of the connection's next flight as what the case is about."""
        self._marks_as = step

    async def handshaking(self) -> bool:
        """Wait until there are Handshake keys, and keep the handshake where it is.

        From then on nothing is sent but what the script sends, until :meth:`release`. A server's
        first flight has been sent by then.
        """
        self.is_held_back = self.is_client
        has_keys = await self.until(
            lambda: self.connection.has_sending_keys(HANDSHAKE), "Handshake keys"
        )
        self.is_held_back = True
        return has_keys

    def release(self) -> None:
        """Send what was held back; from now on nothing is."""
        self.is_held_back = False
        self.flush()

    @property
    def path(self) -> Address:
        """Where packets go."""
        address: Address = self.connection._network_paths[0].addr  # noqa: SLF001
        return address

    def issue_connection_id(self, *, retire_prior_to: int = 0, size: int = 8) -> bytes:
        """A NEW_CONNECTION_ID frame with the next sequence number; its packets come to us."""
        issued = self.connection.issue_connection_id(random_bytes(size))
        self.connection_ids.add(issued.cid)
        return frames.new_connection_id(
            issued.sequence_number,
            issued.cid,
            issued.stateless_reset_token,
            retire_prior_to=retire_prior_to,
        )

    def end(self) -> None:
        """Close the connection without an error."""
        self.connection.end(0x100 if self.alpn == "h3" else 0)
        self.flush()

    @property
    def client_hello(self) -> bytes:
        """Client: the ClientHello, as long as it is not acknowledged."""
        return self.connection.unacknowledged_crypto(INITIAL)

    def forget_flight(self) -> None:
        """Take the connection's next flight for sent: the script sends it in its own way."""
        self.connection.datagrams_to_send(now=self._loop.time())

    def rebind(self, path: Address, *, old_is_gone: bool = False) -> None:
        """Send and receive on another path, as behind a NAT that rebinds.

        If ``old_is_gone``, what still comes on the old one is not received.
        """
        self._rebound, self._old_is_gone = path, old_is_gone

    def _send(self, datagrams: Sequence[tuple[bytes, Address]], codepoint: int) -> None:
        if self._rebound is not None:
            own, path = self.path, self._rebound
            datagrams = [(data, path if to == own else to) for data, to in datagrams]
        self._send_all(datagrams, codepoint)

    # --- Waiting --------------------------------------------------------------------------------

    @property
    def is_confirmed(self) -> bool:
        """Whether the handshake is confirmed, and the implementation's Finished has come."""
        return self.connection.is_confirmed

    @property
    def is_over(self) -> bool:
        """Whether the implementation has ended the connection."""
        return self.connection.is_closed_by_peer

    async def until(self, holds: Callable[[], bool], what: str) -> bool:
        """Wait until something holds.

        Args:
            holds: Looked at whenever something came.
            what: For the log.

        Returns:
            False if the implementation ended the connection, is silent for three probe timeouts
            (and a second at least), or did other things for :data:`MOST_WAIT_S`.
        """
        began = self._loop.time()
        if holds():
            return True
        while not holds():
            patience = max(SILENT_PTOS * self.connection.probe_timeout, LEAST_SILENCE_S)
            now = self._loop.time()
            until = min(max(began, self._received_at) + patience, began + MOST_WAIT_S)
            if self.is_over or now >= until:
                why = "the connection was ended" if self.is_over else "silence"
                self._steps.add("waited", f"in vain for {what}: {why}")
                return False
            self._changed.clear()
            try:
                async with asyncio.timeout(until - now):
                    await self._changed.wait()
            except TimeoutError:
                pass
        self._steps.add("seen", what)
        return True

    @property
    def ticket(self) -> SessionTicket | None:
        """Client: the first session ticket that came; None if none did."""
        return self.tickets[0] if self.tickets else None

    async def confirmed(self) -> bool:
        """Wait until the handshake is confirmed."""
        return await self.until(lambda: self.is_confirmed, "the handshake's confirmation")

    async def withheld(self, kind: QuicPacketType = HANDSHAKE) -> bytes:
        """Wait until there are TLS messages that were to be withheld (RFC 9001, 4.1.3)."""
        await self.until(
            lambda: bool(self.connection.withheld_messages(kind)),
            f"{_NAMES[kind]} messages of ours",
        )
        return self.connection.withheld_messages(kind)

    async def acknowledged(self, sent: Sent) -> bool:
        """Wait until a packet is acknowledged."""
        return await self.until(
            lambda: self.connection.is_acknowledged_by_peer(sent.number),
            f"an acknowledgment of {_NAMES[sent.type]} {sent.number}",
        )

    async def received_by_peer(self, stream_id: int) -> bool:
        """Wait until all that was written to a stream is acknowledged."""
        return await self.until(
            lambda: not self.connection.unacknowledged(stream_id),
            f"an acknowledgment of stream {stream_id}",
        )

    async def received(self, kind: int, *, count: int = 1) -> bool:
        """Wait until so many frames of a type have come in all."""
        name = FrameType(kind).name if kind in set(FrameType) else f"frame {kind:#x}"
        return await self.until(lambda: len(self.connection.received(kind)) >= count, name)

    async def settled(self) -> bool:
        """Wait until the implementation has answered all that was sent so far."""
        return await self.acknowledged(await self.send(frames.ping()))

    async def probe(self) -> bool:
        """Whether it still answers: send a PING, and wait for its acknowledgment."""
        return await self.acknowledged(await self.send(frames.ping(), step="probe"))

    # --- The event loop -------------------------------------------------------------------------

    def receive(self, data: bytes, address: Address, codepoint: int) -> None:
        """Take in a datagram; :meth:`flush` follows."""
        self._received_at = self._loop.time()
        if self.loses(data):
            self.lost += 1
            return
        self.arrivals.append((data, address))
        if address == self._rebound:
            address = self.path
        elif self._old_is_gone:
            return
        self.connection.codepoint_received = codepoint
        self.connection.receive_datagram(data, address, now=self._loop.time())

    def flush(self) -> None:
        """Handle events, send what is to be sent, and set the timer."""
        self._handle_events()
        if self.is_held_back:
            self._changed.set()
            return
        marks_as = self._marks_as
        datagrams = self.connection.datagrams_to_send(now=self._loop.time())
        for datagram, _ in datagrams if marks_as else ():
            self._steps.add(marks_as, f"{len(datagram)} bytes", datagram=datagram)
        if datagrams:
            self._marks_as = ""
            self._send(datagrams, self.codepoint or self.connection.codepoint_to_send)
        self._handle_events()
        self._set_timer()
        self._changed.set()

    def stop(self) -> None:
        """Send nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _handle_events(self) -> None:
        while (event := self.connection.next_event()) is not None:
            match event:
                case StreamDataReceived():
                    before = self.streams.get(event.stream_id, b"")
                    self.streams[event.stream_id] = before + event.data
                    if event.end_stream:
                        self.ended.add(event.stream_id)
                case ConnectionIdIssued():
                    self.connection_ids.add(event.connection_id)

    def _set_timer(self) -> None:
        self.stop()
        due = self.connection.get_timer()
        if due is not None:
            self._timer = self._loop.call_at(due, self._timer_fired, due)

    def _timer_fired(self, due: float) -> None:
        self.connection.handle_timer(now=max(due, self._loop.time()))
        self.flush()


def random_bytes(size: int) -> bytes:
    """Bytes that nobody can have guessed."""
    return os.urandom(size)


def next_crypto(peer: Peer, message: bytes, kind: QuicPacketType = ONE_RTT) -> bytes:
    """A CRYPTO frame with the TLS message that follows ours in a type of packet."""
    return frames.crypto(message, peer.connection.crypto_offset(EPOCHS[kind]))
