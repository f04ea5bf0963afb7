"""The QUIC connection: aioquic's, with its faults corrected.

Each change is an override of one of aioquic's methods and says what aioquic does instead. One
class holds the overrides of one mechanism; this module combines them. Like the base class they do
no I/O and take time as an argument.
"""

from __future__ import annotations

from aioquic import tls
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import (
    END_STATES,
    NetworkAddress,
    QuicConnectionState,
    QuicTokenHandler,
)
from aioquic.quic.events import ConnectionTerminated

from quicmatrix.endpoint.transport.crypto.handshake import Handshake
from quicmatrix.endpoint.transport.crypto.keys import KeyUpdates
from quicmatrix.endpoint.transport.packets.acknowledgements import Acknowledgements
from quicmatrix.endpoint.transport.packets.coalescing import Coalescing
from quicmatrix.endpoint.transport.packets.early_packets import EarlyPackets
from quicmatrix.endpoint.transport.packets.padding import Padding
from quicmatrix.endpoint.transport.packets.probes import Probes
from quicmatrix.endpoint.transport.packets.recovery import Recovery
from quicmatrix.endpoint.transport.packets.short_header import ShortHeaders
from quicmatrix.endpoint.transport.packets.spin_bit import SpinBit
from quicmatrix.endpoint.transport.paths.address_tokens import NewToken
from quicmatrix.endpoint.transport.paths.connection_ids import ConnectionIds
from quicmatrix.endpoint.transport.paths.migration import Paths
from quicmatrix.endpoint.transport.paths.path_mtu import PathMtu
from quicmatrix.endpoint.transport.paths.stateless_reset import StatelessReset
from quicmatrix.endpoint.transport.streams.flow_control import FlowControl

PATIENT_PROBES = 2
"""Unanswered probe timeouts in a row after which any packet of the peer triggers a probe."""
SHORT_PACKET_BYTES = 19
"""First byte, packet number and tag of a 1-RTT packet, as aioquic writes them."""
DATAGRAM_HEADER_BYTES = 3
"""Type and length."""

Datagrams = list[tuple[bytes, NetworkAddress]]


class Connection(
    Acknowledgements,
    ShortHeaders,
    PathMtu,
    Probes,
    KeyUpdates,
    NewToken,
    FlowControl,
    Handshake,
    ConnectionIds,
    Paths,
    Coalescing,
    EarlyPackets,
    Padding,
    Recovery,
    SpinBit,
    StatelessReset,
):
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
            # Without a handler aioquic's client does not check tickets (RFC 9001, 4.6.1).
            session_ticket_handler=session_ticket_handler
            or (_ignore_ticket if configuration.is_client else None),
            token_handler=token_handler,
        )
        self._close_datagrams: Datagrams = []
        self._close_repeats = False
        self._late_datagrams = 0
        self._packets_seen = 0
        self._kept_alive_at = 0.0

    # --- State ----------------------------------------------------------------------------------

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
        """The CONNECTION_CLOSE, timeout or reset that ends it; None while it is open."""
        return self._close_event

    @property
    def can_open_stream(self) -> bool:
        """Whether the peer's limit lets us open another bidirectional stream now."""
        return self._local_next_stream_id_bidi // 4 < self._remote_max_streams_bidi

    @property
    def most_requests(self) -> int:
        """Bidirectional streams that the peer may have opened so far, ended ones included."""
        return self._local_max_streams_bidi.value

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

    @property
    def largest_datagram_frame(self) -> int:
        """Bytes that a DATAGRAM frame may carry now (RFC 9221, 3); 0 if the peer takes none."""
        announced = self._remote_max_datagram_frame_size or 0
        room = self._max_datagram_size - len(self._peer_cid.cid) - SHORT_PACKET_BYTES
        return max(min(announced, room) - DATAGRAM_HEADER_BYTES, 0)

    def send_datagram_frame(self, data: bytes) -> None:
        """Send a DATAGRAM frame; in aioquic one that fits no packet holds up all others for ever.

        Raises:
            ValueError: It is larger than :attr:`largest_datagram_frame`.
        """
        if len(data) > self.largest_datagram_frame:
            raise ValueError(f"{len(data)} bytes, but {self.largest_datagram_frame} at most")
        super().send_datagram_frame(data)

    def restart_path_mtu(self) -> None:
        """Return to the smallest packets; waiting DATAGRAM frames that fit none are given up."""
        super().restart_path_mtu()
        largest = self.largest_datagram_frame
        waiting = [data for data in self._datagrams_pending if len(data) <= largest]
        self._datagrams_pending.clear()
        self._datagrams_pending.extend(waiting)

    def end_trace(self) -> None:
        """Stop logging this connection."""
        trace, self._quic_logger = self._quic_logger, None
        if trace is not None and self._configuration.quic_logger is not None:
            self._configuration.quic_logger.end_trace(trace)

    @property
    def congestion_window(self) -> int:
        """Bytes that may be in flight."""
        return self._loss.congestion_window

    # --- Datagrams and time ---------------------------------------------------------------------

    def datagrams_to_send(self, now: float) -> Datagrams:
        """Datagrams, each with where to; aioquic fails before there is a path, we have none."""
        if self._close_repeats:
            self._close_repeats = False
            return self._close_if_allowed()
        if not self._network_paths:
            return []
        if self._packets_received != self._packets_seen:
            self._packets_seen = self._packets_received
            if self._unacknowledged_packets and self._loss._pto_count >= PATIENT_PROBES:  # noqa: SLF001
                self._probe_on_reception(now)
        was_open = self._state not in END_STATES
        datagrams = super().datagrams_to_send(now)
        if was_open and self._state is QuicConnectionState.CLOSING:
            self._close_datagrams = datagrams
            self._network_paths[0].bytes_sent -= sum([len(data) for data, _ in datagrams])
            return self._close_if_allowed()
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
        """Handle an expired timer."""
        super().handle_timer(now)
        keep_alive = self._keep_alive_at()
        if keep_alive is not None and now >= keep_alive:
            self._kept_alive_at = now
            self.send_ping(uid=0)

    def _keep_alive_at(self) -> float | None:
        if self.keep_alive_after is None or not self._handshake_confirmed or self.is_ending:
            return None
        received_at = self._application_space.largest_received_time or 0.0
        silent_since = max(received_at, self._kept_alive_at)
        return silent_since + max(self.keep_alive_after, self.probe_timeout)

    def _probe_on_reception(self, now: float) -> None:
        """Send the oldest unacknowledged data along with the ACK that the peer is about to get.

        After some lost probes in a row the next one can be seconds away (RFC 9002, 6.2.1), while
        the peer's own packets show that the path works again. aioquic goes on waiting. A probe
        for each packet of a peer that wants an ACK adds no datagrams, only their content.
        """
        if self._handshake_confirmed and not self._probe_pending:
            self._loss.reschedule_data(now=now)

    def _close_if_allowed(self) -> Datagrams:
        """CONNECTION_CLOSE, unless it exceeds the limit of 3 times (RFC 9000, 8.1) as aioquic's."""
        path, size = self._network_paths[0], sum([len(data) for data, _ in self._close_datagrams])
        if not path.can_send(size):
            return []
        path.bytes_sent += size
        return self._close_datagrams

    def _nothing_received(self, data: bytes, now: float) -> None:
        """Repeat CONNECTION_CLOSE, ever more rarely (RFC 9000, 10.2.1); aioquic stays silent."""
        super()._nothing_received(data, now)
        if self._state is not QuicConnectionState.CLOSING:
            return
        self._network_paths[0].bytes_received += len(data)
        self._late_datagrams += 1
        if self._late_datagrams & (self._late_datagrams - 1) == 0:
            self._close_repeats = True

    def _path_is_small(self) -> None:
        super()._path_is_small()
        self.restart_path_mtu()

    def _may_probe(self) -> bool:
        return not self.is_path_small and super()._may_probe()

    def _path_changed(self, is_other_host: bool) -> None:
        super()._path_changed(is_other_host)
        if is_other_host:
            self.restart_ecn()
            self.restart_path_mtu()


def _ignore_ticket(ticket: tls.SessionTicket) -> None:
    """The ticket handler of a client that will not resume the session."""
