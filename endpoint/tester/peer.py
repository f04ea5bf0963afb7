"""One connection of the tester with the implementation under test, for scripts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from aioquic import tls
from aioquic.quic.events import ConnectionIdIssued, StreamDataReceived
from aioquic.quic.packet import QuicPacketType
from aioquic.tls import SessionTicket

from quicmatrix.endpoint.tester import frames, http3, packets
from quicmatrix.endpoint.tester.connection import EPOCHS, TesterConnection
from quicmatrix.endpoint.tester.frames import FrameType
from quicmatrix.endpoint.tester.packets import WELL_FORMED, ConnectionIdPair, Shape
from quicmatrix.endpoint.tester.steps import Steps
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


class Rest(Enum):
    """What is missing of an HTTP/3 answer."""

    ALL = "header and content"
    CONTENT = "content"
    END = "only the end of the stream"


class Peer:
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
        self.connection = connection
        self.is_client = is_client
        self.alpn = alpn
        self.streams: dict[int, bytes] = {}
        """What came on each stream."""
        self.ended: set[int] = set()
        """The streams of which everything came."""
        self.answered: set[int] = set()
        """The requests that were answered."""
        self.rests: dict[int, Rest] = {}
        """What is missing of answers that a script has begun."""
        self.control = -1
        """Our control stream; -1 if there is none."""
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
        self._steps = steps
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.loses: Callable[[bytes], bool] = lambda _: False
        """Which datagrams that come are lost."""
        self.lost = 0
        """How many were."""
        self._changed = asyncio.Event()
        self._received_at = self._loop.time()
        self._marks_as = ""

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
        return self.connection.unacknowledged_crypto(tls.Epoch.INITIAL)

    def forget_flight(self) -> None:
        """Take the connection's next flight for sent: the script sends it in its own way."""
        self.connection.datagrams_to_send(now=self._loop.time())

    def rebind(self, path: Address) -> None:
        """Send and receive on another path, which the connection does not notice.

        As behind a NAT that rebinds.
        """
        self._rebound = path

    def _send(self, datagrams: Sequence[tuple[bytes, Address]], codepoint: int) -> None:
        if self._rebound is not None:
            own, path = self.path, self._rebound
            datagrams = [(data, path if to == own else to) for data, to in datagrams]
        self._send_all(datagrams, codepoint)

    # --- Streams --------------------------------------------------------------------------------

    def new_stream(self, *, unidirectional: bool = False) -> int:
        """A stream that we open; nothing is sent on it."""
        return self.connection.open_stream(unidirectional=unidirectional)

    def stream_id(self, number: int, *, ours: bool, unidirectional: bool = False) -> int:
        """The ID of the n-th stream of a kind, from 0 (RFC 9000, 2.1), whether or not it exists."""
        by_server = ours is not self.is_client
        return number * 4 + 2 * unidirectional + by_server

    def sending_stream(self) -> int:
        """A stream on which we may send, and have sent nothing; there always is one.

        A new one; if the client allows none, that of its request, which is not answered then.
        """
        for is_uni in (False,) if self.is_client else (True, False):
            if self.connection.streams_allowed(unidirectional=is_uni):
                return self.new_stream(unidirectional=is_uni)
        stream_id = self.stream_id(0, ours=False)
        self.answered.add(stream_id)
        return stream_id

    def write(self, stream_id: int, data: bytes, *, fin: bool = False) -> None:
        """Write to a stream as an endpoint does, with retransmission."""
        self.connection.send_stream_data(stream_id, data, fin)
        self.flush()

    def write_stimulus(self, stream_id: int, data: bytes, *, fin: bool = False) -> None:
        """Write to a stream what the case is about.

        Raises:
            NoStimulusError: The implementation's limits do not permit it.
        """
        self.flush()
        self.mark_next_flight()
        self.write(stream_id, data, fin=fin)
        if self._marks_as:
            self._marks_as = ""
            raise NoStimulusError(f"its limits do not permit data on stream {stream_id}")

    def open(self, *data: bytes) -> int:
        """Open a unidirectional stream that begins with this. Returns its ID."""
        stream_id = self.new_stream(unidirectional=True)
        self.write(stream_id, b"".join(data))
        return stream_id

    def open_stimulus(self, *data: bytes, fin: bool = False) -> int:
        """Open a unidirectional stream that the case is about. Returns its ID."""
        stream_id = self.new_stream(unidirectional=True)
        self.write_stimulus(stream_id, b"".join(data), fin=fin)
        return stream_id

    def message_stimulus(self, data: bytes, *, fin: bool = False, rest: Rest = Rest.ALL) -> int:
        """Begin a message with what the case is about. Returns its stream.

        It is a request on a new stream, or the answer to the first request that has none.

        Args:
            data: The beginning of the message.
            fin: Whether it is all of it.
            rest: Server: what follows when the implementation was seen to go on.

        Raises:
            NoStimulusError: The client sent no request.
        """
        if not self.is_client and not self.requests:
            raise NoStimulusError("the client sent no request")
        stream_id = self.new_stream() if self.is_client else next(iter(self.requests))
        if fin:
            self.answered.add(stream_id)
        self.rests[stream_id] = rest
        self.write_stimulus(stream_id, data, fin=fin)
        return stream_id

    def needs_messages(self, count: int) -> None:
        """Make sure that so many messages can be under way at once.

        Raises:
            NoStimulusError: The server permits less requests, or the client sent less.
        """
        if self.is_client:
            connection = self.connection
            used = connection.get_next_available_stream_id() // 4
            possible = connection._remote_max_streams_bidi - used  # noqa: SLF001
        else:
            possible = len(self.requests)
        if possible < count:
            raise NoStimulusError(f"{count} messages are needed, and {possible} possible")

    @property
    def settings(self) -> dict[int, int] | None:
        """The implementation's SETTINGS; None if they have not come (RFC 9114, 7.2.4)."""
        return self._control_of_peer[1]

    @property
    def control_of_peer(self) -> int:
        """The implementation's control stream; -1 if it is not known."""
        return self._control_of_peer[0]

    @property
    def _control_of_peer(self) -> tuple[int, dict[int, int] | None]:
        theirs = self.stream_id(0, ours=False, unidirectional=True)
        for stream_id, data in self.streams.items():
            if stream_id % 4 == theirs and (found := http3.settings_in(data)) is not None:
                return stream_id, found
        return -1, None

    async def setting(self, identifier: int, default: int = 0) -> int:
        """Wait for a setting of the implementation.

        Raises:
            NoStimulusError: Its SETTINGS do not come.
        """
        await self.until(lambda: self.settings is not None, "SETTINGS")
        if self.settings is None:
            raise NoStimulusError("it sends no SETTINGS")
        return self.settings.get(identifier, default)

    def request(self, path: str) -> int:
        """Ask for a file; the tester is the client. Returns the stream's ID."""
        stream_id = self.new_stream()
        if self.alpn == "h3":
            self.write(stream_id, http3.headers(http3.request_fields(path)), fin=True)
        else:
            self.write(stream_id, f"GET {path}\r\n".encode(), fin=True)
        return stream_id

    @property
    def requests(self) -> dict[int, str]:
        """The path of each request that came and was not answered; the tester is the server."""
        return {
            stream_id: path
            for stream_id in sorted(self.ended - self.answered)
            if stream_id % 4 == 0 and (path := self._requested(stream_id))
        }

    def respond(self, stream_id: int, body: bytes) -> None:
        """Answer a request as a server does."""
        self.answered.add(stream_id)
        rest = self.rests.get(stream_id, Rest.ALL)
        if self.alpn == "h3":
            header = http3.headers(http3.response_fields(len(body)))
            content = http3.frame(http3.H3Frame.DATA, body)
            body = {Rest.ALL: header + content, Rest.CONTENT: content, Rest.END: b""}[rest]
        self.write(stream_id, body, fin=True)

    def _requested(self, stream_id: int) -> str:
        data = self.streams[stream_id]
        if self.alpn == "h3":
            return http3.requested_path(data)
        return data.removeprefix(b"GET ").strip().decode(errors="replace")

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


class NoStimulusError(Exception):
    """The implementation did nothing that the stimulus could be sent after."""


def random_bytes(size: int) -> bytes:
    """Bytes that nobody can have guessed."""
    return os.urandom(size)


def next_crypto(peer: Peer, message: bytes, kind: QuicPacketType = ONE_RTT) -> bytes:
    """A CRYPTO frame with the TLS message that follows ours in a type of packet."""
    return frames.crypto(message, peer.connection.crypto_offset(EPOCHS[kind]))
