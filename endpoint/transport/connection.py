"""Our QUIC connection: aioquic's, without its faults.

aioquic calls its own methods by name, so each change is one override, and each override says
what aioquic does instead. Like its base class this does no I/O and takes time as an argument.
"""

from __future__ import annotations

from collections.abc import Iterable

from aioquic import tls
from aioquic._buffer import Buffer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import (
    CONNECTION_LIMIT_FRAME_CAPACITY,
    END_STATES,
    MAX_STREAM_DATA_FRAME_CAPACITY,
    Limit,
    NetworkAddress,
    QuicConnection,
    QuicConnectionError,
    QuicConnectionState,
    QuicReceiveContext,
    QuicTokenHandler,
)
from aioquic.quic.events import ConnectionTerminated, StreamDataReceived
from aioquic.quic.packet import (
    QuicErrorCode,
    QuicFrameType,
    QuicPacketType,
    QuicProtocolVersion,
    QuicTransportParameters,
    pull_quic_transport_parameters,
)
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketSpace
from aioquic.quic.stream import QuicStream

from endpoint.transport.keys import UpdatingCryptoPair
from endpoint.transport.windows import ReceiveWindow

MAX_STREAMS = 100
"""Streams of each direction that the peer may have open at a time."""
ACK_DELAY = 0.005
"""How long a lone packet waits for its ACK; well below the max_ack_delay of 25 ms we announce."""
ACK_EVERY = 2
"""RFC 9000, 13.2.2: an ACK for at least every second ack-eliciting packet."""
PATIENT_PROBES = 2
"""Unanswered probes in a row after which any packet of the peer brings on the next one."""
FLIGHT_CAPACITY = 256 * 1024
"""Bytes of handshake messages that one flight may have: certificate chains can be long."""

Datagrams = list[tuple[bytes, NetworkAddress]]


class Connection(QuicConnection):
    """A connection; arguments are those of the base class."""

    keep_alive_after: float | None = None
    """Seconds of silence after which a PING is sent, as long as the handshake is confirmed.

    Set it while an answer is awaited. When a NAT rebinds at a time when nothing is in flight
    from us, only a packet of ours can tell the peer where we are (RFC 9000, 9.3).
    """

    def __init__(
        self,
        *,
        configuration: QuicConfiguration,
        original_destination_connection_id: bytes | None = None,
        retry_source_connection_id: bytes | None = None,
        session_ticket_fetcher: tls.SessionTicketFetcher | None = None,
        session_ticket_handler: tls.SessionTicketHandler | None = None,
        token_handler: QuicTokenHandler | None = None,
    ) -> None:
        super().__init__(
            configuration=configuration,
            original_destination_connection_id=original_destination_connection_id,
            retry_source_connection_id=retry_source_connection_id,
            session_ticket_fetcher=session_ticket_fetcher,
            session_ticket_handler=session_ticket_handler,
            token_handler=token_handler,
        )
        self._ack_delay = ACK_DELAY
        for limit in (self._local_max_streams_bidi, self._local_max_streams_uni):
            limit.value = limit.sent = MAX_STREAMS
        self._client_hello = b""
        self._close_datagrams: Datagrams = []
        self._close_repeats = False
        self._late_datagrams = 0
        self._now = 0.0
        self._silent_since = 0.0
        self._unacknowledged_packets = 0
        self._window = ReceiveWindow(configuration.max_data)

    # --- What applications ask ------------------------------------------------------------------

    @property
    def is_started(self) -> bool:
        """Whether anything from the peer could be decrypted so far."""
        return self._state is not QuicConnectionState.FIRSTFLIGHT

    @property
    def is_confirmed(self) -> bool:
        """Whether the handshake is confirmed (RFC 9001, 4.1.2)."""
        return self._handshake_confirmed

    @property
    def is_acknowledged(self) -> bool:
        """Whether the peer acknowledged a 1-RTT packet, so that keys may be updated."""
        space = self._spaces.get(tls.Epoch.ONE_RTT)
        return space is not None and space.largest_acked_packet > 0

    @property
    def is_ending(self) -> bool:
        """Whether it is closed, by whichever side, or about to be."""
        return self._close_event is not None or self._state in END_STATES

    @property
    def ending(self) -> ConnectionTerminated | None:
        """Why it is ending; None as long as it is not."""
        return self._close_event

    @property
    def can_open_stream(self) -> bool:
        """Whether the peer's limit lets us open another bidirectional stream now."""
        return self._local_next_stream_id_bidi // 4 < self._remote_max_streams_bidi

    @property
    def probe_timeout(self) -> float:
        """The current PTO, in seconds."""
        return self._loss.get_probe_timeout()

    def unacknowledged(self, stream_id: int) -> int:
        """Bytes written to a stream that the peer has not acknowledged, sent or not."""
        stream = self._streams.get(stream_id)
        if stream is None:
            return 0
        return stream.sender._buffer_stop - stream.sender._buffer_start  # noqa: SLF001

    def can_send_on(self, stream_id: int) -> bool:
        """Whether data may still be written to a stream that we answer on or opened."""
        stream = self._streams.get(stream_id)
        if stream is None or self.is_ending:
            return False
        sender = stream.sender
        return sender._reset_error_code is None and sender._buffer_fin is None  # noqa: SLF001

    def end_trace(self) -> None:
        """Log nothing any more: whatever happens from now on is of no interest."""
        trace, self._quic_logger = self._quic_logger, None
        if trace is not None and self._configuration.quic_logger is not None:
            self._configuration.quic_logger.end_trace(trace)

    @property
    def congestion_window(self) -> int:
        """Bytes that may be in flight."""
        return self._loss.congestion_window

    # --- Datagrams and time ---------------------------------------------------------------------

    def receive_datagram(self, data: bytes, addr: NetworkAddress, now: float) -> None:
        """Take in a datagram; call :meth:`datagrams_to_send` when no more of them are waiting."""
        self._now = self._silent_since = now
        if self._state is QuicConnectionState.CLOSING:
            self._answer_late_datagram()
            return
        before = self._largest_received
        super().receive_datagram(data, addr, now)
        after = self._largest_received
        if after != before + 1 or self._unacknowledged_packets >= ACK_EVERY:
            self._acknowledge_by(now)
        if self._unacknowledged_packets and self._loss._pto_count >= PATIENT_PROBES:  # noqa: SLF001
            self._probe_living_peer(now)
        keys = self._cryptos.get(tls.Epoch.ONE_RTT)
        if isinstance(keys, UpdatingCryptoPair):
            keys.retire(now, self.probe_timeout)

    def datagrams_to_send(self, now: float) -> Datagrams:
        """Datagrams, each with where to; aioquic fails before there is a path, we have none."""
        self._now = now
        if self._close_repeats:
            self._close_repeats = False
            return self._close_datagrams
        if not self._network_paths:
            return []
        self._let_due_ack_pass(now)
        is_closing = self._close_pending
        datagrams = super().datagrams_to_send(now)
        if is_closing:
            self._close_datagrams = datagrams
        return datagrams

    def get_timer(self) -> float | None:
        """When to call :meth:`handle_timer`; None if never, which aioquic cannot say at first."""
        if self._close_at is None:
            return None
        timer = super().get_timer()
        keep_alive = self._keep_alive_at()
        if timer is None or keep_alive is None:
            return timer
        return min(timer, keep_alive)

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        super().handle_timer(now)
        keep_alive = self._keep_alive_at()
        if keep_alive is not None and now >= keep_alive:
            self._silent_since = now
            self.send_ping(uid=0)

    def _keep_alive_at(self) -> float | None:
        if self.keep_alive_after is None or not self._handshake_confirmed or self.is_ending:
            return None
        return self._silent_since + max(self.keep_alive_after, self.probe_timeout)

    def _probe_living_peer(self, now: float) -> None:
        """Send the oldest unacknowledged data along with the ACK that the peer is about to get.

        After some lost probes in a row the next one can be seconds away (RFC 9002, 6.2.1), while
        the peer's own packets show that the path works again. aioquic goes on waiting. A probe
        for each packet of a peer that wants an ACK adds no datagrams, only their content.
        """
        if self._handshake_confirmed and not self._probe_pending:
            self._loss.reschedule_data(now=now)

    def _answer_late_datagram(self) -> None:
        """Repeat CONNECTION_CLOSE, ever more rarely (RFC 9000, 10.2.1); aioquic stays silent."""
        self._late_datagrams += 1
        if self._late_datagrams & (self._late_datagrams - 1) == 0:
            self._close_repeats = True

    # --- Acknowledgements (RFC 9000, 13.2): aioquic waits 1 ms, whatever came -------------------

    @property
    def _largest_received(self) -> int:
        space = self._spaces.get(tls.Epoch.ONE_RTT)
        return -1 if space is None else space.largest_received_packet

    def _acknowledge_by(self, time: float) -> None:
        space = self._spaces.get(tls.Epoch.ONE_RTT)
        if space is not None and space.ack_at is not None:
            space.ack_at = min(space.ack_at, time)

    def _let_due_ack_pass(self, now: float) -> None:
        # aioquic exempts an ACK from pacing only if it is overdue, not when it is just due.
        space = self._spaces.get(tls.Epoch.ONE_RTT)
        if space is not None and space.ack_at == now:
            space.ack_at -= 1e-6

    def _payload_received(
        self, context: QuicReceiveContext, plain: bytes, crypto_frame_required: bool = False
    ) -> tuple[bool, bool]:
        is_ack_eliciting, is_probing = super()._payload_received(
            context, plain, crypto_frame_required
        )
        if is_ack_eliciting and context.epoch in (tls.Epoch.ONE_RTT, tls.Epoch.ZERO_RTT):
            self._unacknowledged_packets += 1
        return is_ack_eliciting, is_probing

    def _write_ack_frame(
        self, builder: QuicPacketBuilder, space: QuicPacketSpace, now: float
    ) -> None:
        super()._write_ack_frame(builder, space, now)
        if space.is_application_data:
            self._unacknowledged_packets = 0

    # --- Handshake ------------------------------------------------------------------------------

    def _connect(self, now: float) -> None:
        """Begin the handshake: the first time, and after a Retry or a Version Negotiation.

        After a Retry the client sends the same cryptographic handshake message (RFC 9000,
        17.2.5.3); aioquic makes up a new one. It also forgets what it has sent in 0-RTT.
        """
        for space in self._loss.spaces:
            self._loss._on_packets_lost(  # noqa: SLF001
                congestion_event=False,
                now=now,
                packets=list(space.sent_packets.values()),
                space=space,
            )
        if self._client_hello and self._retry_count:
            context, early = self.tls, self._cryptos[tls.Epoch.ZERO_RTT]
            self._close_at = now + self._idle_timeout()
            self._initialize(self._peer_cid.cid)
            self.tls, self._cryptos[tls.Epoch.ZERO_RTT] = context, early
            self._crypto_streams[tls.Epoch.INITIAL].sender.write(self._client_hello)
        else:
            super()._connect(now)
            sender = self._crypto_streams[tls.Epoch.INITIAL].sender
            self._client_hello = bytes(sender._buffer)  # noqa: SLF001

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        if not self._is_client:
            # A chain of 16 kB would overflow aioquic's CRYPTO_BUFFER_SIZE.
            self._crypto_buffers[tls.Epoch.HANDSHAKE] = Buffer(capacity=FLIGHT_CAPACITY)
        self._cryptos[tls.Epoch.ONE_RTT] = UpdatingCryptoPair(self._cryptos[tls.Epoch.ONE_RTT])

    def _handle_crypto_frame(
        self, context: QuicReceiveContext, frame_type: int, buf: Buffer
    ) -> None:
        was_complete = self._handshake_complete
        super()._handle_crypto_frame(context, frame_type, buf)
        if self._is_client and self._handshake_complete and not was_complete:
            self._resend_rejected_early_data(context.time)

    def _resend_rejected_early_data(self, now: float) -> None:
        """Send at once, in 1-RTT, what the server ignored; aioquic waits until it seems lost.

        Limits remembered from the first connection no longer hold (RFC 9001, 4.6.2).
        """
        space = self._spaces[tls.Epoch.ONE_RTT]
        rejected = [
            packet
            for packet in space.sent_packets.values()
            if packet.packet_type is QuicPacketType.ZERO_RTT
        ]
        if self.tls.early_data_accepted or not rejected:
            return
        for stream in self._streams.values():
            stream.max_stream_data_remote = (
                self._remote_max_stream_data_uni
                if stream.stream_id is not None and stream.stream_id & 2
                else self._remote_max_stream_data_bidi_remote
            )
        self._loss._on_packets_lost(  # noqa: SLF001
            congestion_event=False, now=now, packets=rejected, space=space
        )

    def _parse_transport_parameters(self, data: bytes, from_session_ticket: bool = False) -> None:
        super()._parse_transport_parameters(data, from_session_ticket)
        if from_session_ticket:
            return
        parameters = pull_quic_transport_parameters(Buffer(data=data))
        if parameters.ack_delay_exponent is not None:
            # aioquic assigns its own attribute to itself.
            self._remote_ack_delay_exponent = parameters.ack_delay_exponent
        if self._is_client:
            self._refuse_downgrade(parameters)
        else:
            self._prefer_own_versions()

    def _refuse_downgrade(self, parameters: QuicTransportParameters) -> None:
        """After Version Negotiation, check that it was the server's (RFC 9368, 4).

        A server of version 1 need not send version_information (RFC 9368, 8).
        """
        if not self._version_negotiated_incompatible:
            return
        information = parameters.version_information
        available: Iterable[int] = (
            (QuicProtocolVersion.VERSION_1,)
            if information is None
            else information.available_versions
        )
        own = self._configuration.supported_versions
        if next((version for version in own if version in available), None) != self._version:
            raise QuicConnectionError(
                error_code=QuicErrorCode.VERSION_NEGOTIATION_ERROR,
                frame_type=QuicFrameType.CRYPTO,
                reason_phrase="the server's versions contradict its Version Negotiation packet",
            )

    def _prefer_own_versions(self) -> None:
        """Put the client's versions in our order: aioquic's server picks the first it knows."""
        information = self._remote_version_information
        if information is not None:
            own = self._configuration.supported_versions
            information.available_versions.sort(
                key=lambda version: own.index(version) if version in own else len(own)
            )

    # --- Flow control (RFC 9000, 4): aioquic's windows double, whoever reads --------------------

    def _write_connection_limits(
        self,
        builder: QuicPacketBuilder,
        space: QuicPacketSpace,  # noqa: ARG002 - the base class's signature
    ) -> None:
        data = self._local_max_data
        if data.value - data.used <= self._window.size // 2:
            data.value = self._window.connection_limit(
                read=data.used - self._unread(),
                limit=data.value,
                now=self._now,
                round_trip=self._loss._rtt_smoothed,  # noqa: SLF001
            )
        if data.value != data.sent:
            self._write_limit(builder, data)
        for limit in (self._local_max_streams_bidi, self._local_max_streams_uni):
            # As aioquic does: only once it grants more than the peer has left.
            if limit.value != limit.sent and limit.sent - limit.used < limit.value - limit.sent:
                self._write_limit(builder, limit)

    def _unread(self) -> int:
        """Bytes that arrived and that the application has not seen."""
        out_of_order = sum(
            stream.receiver.highest_offset - stream.receiver.starting_offset()
            for stream in self._streams.values()
            if not stream.receiver.is_finished
        )
        return out_of_order + sum(
            len(event.data) for event in self._events if isinstance(event, StreamDataReceived)
        )

    def _write_limit(self, builder: QuicPacketBuilder, limit: Limit) -> None:
        frame = builder.start_frame(
            limit.frame_type,
            capacity=CONNECTION_LIMIT_FRAME_CAPACITY,
            handler=self._on_connection_limit_delivery,
            handler_args=(limit,),
        )
        frame.push_uint_var(limit.value)
        limit.sent = limit.value
        if self._quic_logger is not None and builder.quic_logger_frames is not None:
            builder.quic_logger_frames.append(
                self._quic_logger.encode_connection_limit_frame(
                    frame_type=limit.frame_type, maximum=limit.value
                )
            )

    def _write_stream_limits(
        self,
        builder: QuicPacketBuilder,
        space: QuicPacketSpace,  # noqa: ARG002 - the base class's signature
        stream: QuicStream,
    ) -> None:
        if not stream.max_stream_data_local or stream.receiver.is_finished:
            return
        stream.max_stream_data_local = self._window.stream_limit(
            read=stream.receiver.starting_offset(), limit=stream.max_stream_data_local
        )
        if stream.max_stream_data_local_sent == stream.max_stream_data_local:
            return
        frame = builder.start_frame(
            QuicFrameType.MAX_STREAM_DATA,
            capacity=MAX_STREAM_DATA_FRAME_CAPACITY,
            handler=self._on_max_stream_data_delivery,
            handler_args=(stream,),
        )
        assert stream.stream_id is not None
        frame.push_uint_var(stream.stream_id)
        frame.push_uint_var(stream.max_stream_data_local)
        stream.max_stream_data_local_sent = stream.max_stream_data_local
        if self._quic_logger is not None and builder.quic_logger_frames is not None:
            builder.quic_logger_frames.append(
                self._quic_logger.encode_max_stream_data_frame(
                    maximum=stream.max_stream_data_local, stream_id=stream.stream_id
                )
            )
