"""The handshake: Retry, version negotiation, 0-RTT, and flights of any length."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aioquic import tls
from aioquic._buffer import Buffer
from aioquic.buffer import UINT_VAR_MAX
from aioquic.quic.connection import (
    QuicConnectionError,
    QuicConnectionState,
    QuicReceiveContext,
    is_version_compatible,
)
from aioquic.quic.events import ConnectionTerminated
from aioquic.quic.packet import (
    QuicErrorCode,
    QuicFrameType,
    QuicHeader,
    QuicPacketType,
    QuicProtocolVersion,
)
from cryptography.hazmat.primitives.serialization import Encoding

from quicmatrix.endpoint.transport.crypto import tls as own_tls
from quicmatrix.endpoint.transport.crypto.keys import UpdatingCryptoPair
from quicmatrix.endpoint.transport.crypto.transport_parameters import TransportParameters

UNEXPECTED_MESSAGE = QuicErrorCode.CRYPTO_ERROR + tls.AlertDescription.unexpected_message
_LIMITS = (
    "_remote_max_data",
    "_remote_max_stream_data_bidi_local",
    "_remote_max_stream_data_bidi_remote",
    "_remote_max_stream_data_uni",
    "_remote_max_streams_bidi",
    "_remote_max_streams_uni",
)
LONGEST_NAME = 255
"""RFC 1035, 2.3.4."""
FLIGHT_BYTES = 16 * 1024
"""Of a flight of handshake messages, beside a certificate chain or a session ticket."""


class Handshake(TransportParameters):
    """A connection with aioquic's handshake corrected."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the base class's
        super().__init__(**arguments)
        self._client_hello = b""
        self._original_version: int | None = None
        self._rejected_early_data: frozenset[int] = frozenset()
        """Packet numbers, none of which can be acknowledged (RFC 9001, 4.6.2)."""
        self.versions_offered: tuple[int, ...] = ()
        """What the server's Version Negotiation packet listed, once there was one."""

    def _connect(self, now: float) -> None:
        """Begin the handshake: the first time, and after a Retry or a Version Negotiation.

        After a Retry the client sends the same cryptographic handshake message (RFC 9000,
        17.2.5.3); aioquic makes up a new one. It also forgets what it has sent in 0-RTT. With a
        server name that no host can have it raises an error of the encoder.
        """
        fault = _fault_of_name(self._configuration.server_name or "")
        if fault:
            self._close_event = ConnectionTerminated(
                error_code=QuicErrorCode.INTERNAL_ERROR,
                frame_type=QuicFrameType.PADDING,
                reason_phrase=fault,
            )
            self._close_end()
            return
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
        self._original_version = self._version
        self.tls = own_tls.Context(self.tls)
        self.tls.original_version = self._version
        # aioquic's CRYPTO_BUFFER_SIZE overflows with a chain or a ticket of 16 kB.
        for epoch, size in (
            (tls.Epoch.INITIAL, _ticket_bytes(self.tls)),
            (tls.Epoch.HANDSHAKE, _chain_bytes(self.tls)),
        ):
            self._crypto_buffers[epoch] = Buffer(capacity=FLIGHT_BYTES + size)
        self._cryptos[tls.Epoch.ONE_RTT] = UpdatingCryptoPair(self._cryptos[tls.Epoch.ONE_RTT])

    def _handle_crypto_frame(
        self, context: QuicReceiveContext, frame_type: int, buf: Buffer
    ) -> None:
        """Take in TLS data, at the level that TLS reads and as much as there is room for.

        aioquic buffers half a megabyte at each level for anybody, and gives TLS the data of any
        level, be it Certificate or Finished in an Initial packet (RFC 9001, 4.1.3).
        """
        was_complete = self._handshake_complete
        at = buf.tell()
        offset, length = buf.pull_uint_var(), buf.pull_uint_var()
        end = offset + length
        receiver, reads = self._crypto_streams[context.epoch].receiver, self._reads
        if context.epoch is not reads and end > receiver.highest_offset:
            is_key_update = (
                offset == receiver.highest_offset
                and buf.pull_uint8() == tls.HandshakeType.KEY_UPDATE
            )
            raise QuicConnectionError(
                error_code=UNEXPECTED_MESSAGE  # RFC 9001, 6
                if is_key_update
                else QuicErrorCode.PROTOCOL_VIOLATION,
                frame_type=frame_type,
                reason_phrase="new CRYPTO data at an encryption level that TLS has left",
            )
        buf.seek(at)
        ahead = end - receiver.starting_offset()
        # What is beyond all offsets, aioquic refuses as such.
        if own_tls.most_bytes(context.epoch) < ahead and end <= UINT_VAR_MAX:
            raise QuicConnectionError(
                error_code=QuicErrorCode.CRYPTO_BUFFER_EXCEEDED,
                frame_type=frame_type,
                reason_phrase=f"CRYPTO data up to {end} while some before it is missing",
            )
        super()._handle_crypto_frame(context, frame_type, buf)
        assert isinstance(self.tls, own_tls.Context)
        if self.tls.is_retried:
            self._retry_handled(context.version)
        if self._reads is not reads and receiver.highest_offset > receiver.starting_offset():
            raise QuicConnectionError(
                error_code=QuicErrorCode.PROTOCOL_VIOLATION,
                frame_type=frame_type,
                reason_phrase="CRYPTO data that TLS has not consumed when its keys changed",
            )
        if self._is_client and self._handshake_complete and not was_complete:
            self._resend_rejected_early_data(context.time)

    @property
    def _reads(self) -> tls.Epoch:
        assert isinstance(self.tls, own_tls.Context)
        return self.tls.reads

    def _resend_rejected_early_data(self, now: float) -> None:
        """Send at once, in 1-RTT, what the server ignored; aioquic waits until it seems lost.

        Streams begin anew, within the limits of this connection: those remembered from the first
        no longer hold (RFC 9000, 7.4.1; RFC 9001, 4.6.2).
        """
        space = self._spaces[tls.Epoch.ONE_RTT]
        rejected = [
            packet
            for packet in space.sent_packets.values()
            if packet.packet_type is QuicPacketType.ZERO_RTT
        ]
        if self.tls.early_data_accepted or not rejected:
            return
        self._rejected_early_data = frozenset(packet.packet_number for packet in rejected)
        self._remote_max_data_used = 0
        for stream in self._streams.values():
            assert stream.stream_id is not None
            stream.sender.highest_offset = 0
            if stream.stream_id & 2:
                stream.max_stream_data_remote = self._remote_max_stream_data_uni
                most, blocked = self._remote_max_streams_uni, self._streams_blocked_uni
            else:
                stream.max_stream_data_remote = self._remote_max_stream_data_bidi_remote
                most, blocked = self._remote_max_streams_bidi, self._streams_blocked_bidi
            if stream.stream_id // 4 >= most and not stream.is_blocked:
                stream.is_blocked = True
                blocked.append(stream)
                self._streams_blocked_pending = True
        self._loss._on_packets_lost(  # noqa: SLF001
            congestion_event=False, now=now, packets=rejected, space=space
        )

    def _retry_handled(self, packet_version: int | None) -> None:
        """After a HelloRetryRequest, settle the version: it is that of the packets it comes in.

        A CRYPTO frame in the original version says that it stays (RFC 9369, 4.1), and aioquic
        reads the client's versions only when it makes a ServerHello.
        """
        assert isinstance(self.tls, own_tls.Context)
        early = self._cryptos[tls.Epoch.ZERO_RTT].send
        if early.is_valid():
            early.teardown()  # the server has not taken any of it (RFC 8446, 4.1.4)
        if self._version_negotiated_compatible:
            return
        if self._is_client:
            self._version = packet_version
            self._version_negotiated_compatible = True
            self._use_negotiated_version()
        else:
            self._parse_transport_parameters(self.tls.retried_parameters)

    def _parse_transport_parameters(self, data: bytes, from_session_ticket: bool = False) -> None:
        if not self._is_client:
            # Of the client's first flight; a second ClientHello, which says the same (RFC 8446,
            # 4.1.2), comes in packets of the negotiated version.
            self._crypto_packet_version = self._original_version
        elif not from_session_ticket:
            # What is left out is 0, not what was remembered (RFC 9000, 7.4.1 and 18.2).
            for limit in _LIMITS:
                setattr(self, limit, 0)
        super()._parse_transport_parameters(data, from_session_ticket)
        if from_session_ticket:
            return
        if self._is_client:
            self._refuse_downgrade()
        elif not self._version_negotiated_compatible:
            self._negotiate_version()

    def _refuse_downgrade(self) -> None:
        """After Version Negotiation, check that it was the server's (RFC 9368, 4).

        A server of version 1 need not send version_information (RFC 9368, 8).
        """
        if not self._version_negotiated_incompatible:
            return
        information = self._remote_version_information
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

    def _negotiate_version(self) -> None:
        """Choose, in our order, a version that the client has (RFC 9368, 2.3).

        aioquic's server takes the first that it knows of the client's.
        """
        assert self._version is not None
        information = self._remote_version_information
        available = [] if information is None else information.available_versions
        for version in self._configuration.supported_versions:
            if version == self._version:
                break
            if version in available and is_version_compatible(self._version, version):
                self._version = version
                self._cryptos[tls.Epoch.INITIAL] = self._cryptos_initial[version]
                parameters = self._serialize_transport_parameters()
                self.tls.handshake_extensions = [
                    (tls.ExtensionType.QUIC_TRANSPORT_PARAMETERS, parameters)
                ]
                break
        self._version_negotiated_compatible = True

    def _receive_version_negotiation_packet(self, header: QuicHeader, now: float) -> None:
        """Take note of what the server speaks, if the packet answers ours (RFC 9000, 17.2.1).

        aioquic does not look at the Source Connection ID, and takes anybody's.
        """
        offered = header.supported_versions
        if header.source_cid != self._peer_cid.cid or self._version in offered:
            return
        if not self._is_client or self._state is not QuicConnectionState.FIRSTFLIGHT:
            return
        if self._version_negotiated_incompatible:
            return
        self.versions_offered = tuple(offered)
        if set(self._configuration.supported_versions).isdisjoint(offered):
            # RFC 9000, 6.2: give up. An outcome for the caller, and for aioquic an error to log.
            self._close_event = ConnectionTerminated(
                error_code=QuicErrorCode.VERSION_NEGOTIATION_ERROR,
                frame_type=QuicFrameType.PADDING,
                reason_phrase="no version in common",
            )
            self._close_end()
            return
        super()._receive_version_negotiation_packet(header, now)

    def _update_traffic_key(
        self,
        direction: tls.Direction,
        epoch: tls.Epoch,
        cipher_suite: tls.CipherSuite,
        secret: bytes,
    ) -> None:
        """Use new keys of the negotiated version; for 0-RTT, of the original one (RFC 9369, 4.1).

        aioquic's server expects 0-RTT packets in the negotiated version, in which no client sends.
        """
        negotiated = self._version
        if epoch is tls.Epoch.ZERO_RTT:
            self._version = self._original_version
            super()._update_traffic_key(direction, epoch, cipher_suite, secret)
            self._version = negotiated
            return
        super()._update_traffic_key(direction, epoch, cipher_suite, secret)
        if self._is_client and not self._spaces[tls.Epoch.INITIAL].discarded:
            self._use_negotiated_version()

    def _use_negotiated_version(self) -> None:
        """Client: protect Initial packets with the keys of the version that they are of.

        aioquic's client writes the negotiated version into its Initial packets and protects them
        with the keys of the original one: no server can decrypt them (RFC 9369, 4.1). It goes on
        with 0-RTT in the negotiated version, which must not be.
        """
        assert self._version is not None
        self._cryptos[tls.Epoch.INITIAL] = self._cryptos_initial[self._version]
        early = self._cryptos[tls.Epoch.ZERO_RTT].send
        if self._version != self._original_version and early.is_valid():
            early.teardown()


def _fault_of_name(name: str) -> str:
    """Why a name cannot be in a ClientHello; empty if it can."""
    if not name.isascii():
        return "the server name is not ASCII"
    if len(name) > LONGEST_NAME:
        return f"the server name has {len(name)} bytes, {LONGEST_NAME} at most"
    return ""


def _ticket_bytes(context: tls.Context) -> int:
    return 0 if context.session_ticket is None else len(context.session_ticket.ticket)


def _chain_bytes(context: tls.Context) -> int:
    if context.certificate is None:
        return 0
    chain = (context.certificate, *context.certificate_chain)
    return sum(len(certificate.public_bytes(Encoding.DER)) for certificate in chain)
