"""A connection that follows the RFCs where it is not told otherwise, and never ends by itself."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aioquic import tls
from aioquic._buffer import Buffer
from aioquic.quic.connection import (
    QuicConnectionError,
    QuicConnectionId,
    QuicReceiveContext,
)
from aioquic.quic.crypto import CryptoContext
from aioquic.quic.packet import QuicHeader, QuicPacketType, pull_ack_frame
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketSpace
from aioquic.quic.stream import QuicStream

from quicmatrix.endpoint.tester import parameters
from quicmatrix.endpoint.tester.frames import FrameType
from quicmatrix.endpoint.tester.parameters import Parameter
from quicmatrix.endpoint.tester.tls import AlteringContext
from quicmatrix.endpoint.transport.connection import Connection

EPOCHS = {
    QuicPacketType.INITIAL: tls.Epoch.INITIAL,
    QuicPacketType.ZERO_RTT: tls.Epoch.ZERO_RTT,
    QuicPacketType.HANDSHAKE: tls.Epoch.HANDSHAKE,
    QuicPacketType.ONE_RTT: tls.Epoch.ONE_RTT,
}
"""The keys of each type of packet."""
_ACKS = (FrameType.ACK, FrameType.ACK_ECN)
_CLOSES = (FrameType.CONNECTION_CLOSE, FrameType.APPLICATION_CLOSE)


@dataclass(frozen=True, slots=True)
class SeenFrame:
    """A frame that came from the implementation under test."""

    epoch: tls.Epoch
    type: int
    content: bytes
    """Without the type; of a frame that we cannot read, as much as was read."""
    time: float


class TesterConnection(Connection):
    """A connection for scripts; arguments are those of the base class.

    Whatever the peer does, it goes on: an error that we would close the connection for is kept in
    :attr:`objections`. Keys stay usable after the time when they must be discarded.
    """

    __test__ = False  # pytest: no tests in here

    alter_parameters: parameters.Alteration = staticmethod(lambda these: these)
    """What becomes of our transport parameters."""
    alter_message: Callable[[int, bytes], bytes] = staticmethod(lambda _, message: message)
    """What becomes of each TLS message of ours, given its handshake type and itself."""
    says_that_it_is_blocked = True
    """Whether it sends DATA_BLOCKED and STREAM_DATA_BLOCKED."""
    reports_ecn = True
    """Whether acknowledgments say how packets were marked (RFC 9000, 13.4.1)."""
    acknowledges = True
    """Whether ack-eliciting packets in 1-RTT are acknowledged."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the base class's
        super().__init__(**arguments)
        self.frames: list[SeenFrame] = []
        """All that were received, in order."""
        self.objections: list[str] = []
        """What an endpoint would have closed the connection for."""
        self.peer_parameters: dict[int, bytes] = {}
        """The peer's transport parameters, as they came."""
        self.withheld: dict[tls.Epoch, bytes] = {}
        """TLS messages that are not sent, of the levels that :func:`withholding` named."""
        self._kept: dict[tls.Epoch, CryptoContext] = {}
        if self._is_client and not self._peer_cid.cid:
            # aioquic takes the length of its own; RFC 9000, 7.2, wants 8 bytes at least.
            self._peer_cid.cid = os.urandom(8)
            self._original_destination_connection_id = self._peer_cid.cid
        handlers = vars(self)["_QuicConnection__frame_handlers"]
        for kind, (handler, epochs) in handlers.items():
            handlers[kind] = (self._watched(handler), epochs)

    def close(
        self, error_code: int = 0, frame_type: int | None = None, reason_phrase: str = ""
    ) -> None:
        """Take note, and go on: a tester ends no connection by itself."""
        kind = "application" if frame_type is None else "transport"
        self.objections.append(f"{kind} error {error_code:#x} {reason_phrase}")

    def end(self, error_code: int, frame_type: int | None = None) -> None:
        """Really close it (RFC 9000, 10.2)."""
        super().close(error_code, frame_type)

    @property
    def is_closed_by_peer(self) -> bool:
        """Whether a CONNECTION_CLOSE or a stateless reset came."""
        return self.is_ending or any(frame.type in _CLOSES for frame in self.frames)

    def is_acknowledged_by_peer(self, number: int) -> bool:
        """Whether one of our packets was acknowledged. Numbers are unique across spaces."""
        return any(
            number in pull_ack_frame(Buffer(data=frame.content))[0]
            for frame in self.frames
            if frame.type in _ACKS
        )

    def received(self, kind: int, epoch: tls.Epoch | None = None) -> list[SeenFrame]:
        """The frames of a type, of one encryption level or of any."""
        return [one for one in self.frames if one.type == kind and epoch in (None, one.epoch)]

    def next_number(self) -> int:
        """A packet number that was not used."""
        self._packet_number += 1
        return self._packet_number - 1

    def sending_keys(self, kind: QuicPacketType) -> CryptoContext:
        """The keys for a type of packet, also when an endpoint would have discarded them.

        Raises:
            LookupError: There are none yet.
        """
        epoch = EPOCHS[kind]
        keys = self._cryptos[epoch].send
        if keys.is_valid():
            return keys
        if epoch not in self._kept:
            raise LookupError(f"there are no keys for {kind.name} packets yet")
        return self._kept[epoch]

    def skip_numbers(self, count: int) -> None:
        """Leave packet numbers out."""
        self._packet_number += count

    def update_keys(self) -> CryptoContext:
        """Update the keys of 1-RTT packets at once (RFC 9001, 6); returns the old ones."""
        old = copy.copy(self._keys.send)
        self._keys._update_key("local_update")  # noqa: SLF001
        return old

    def has_sending_keys(self, kind: QuicPacketType) -> bool:
        """Whether there are keys, or were, for a type of packet."""
        epoch = EPOCHS[kind]
        return epoch in self._kept or (
            epoch in self._cryptos and self._cryptos[epoch].send.is_valid()
        )

    def peer_parameter(self, identifier: int, default: int = 0) -> int:
        """An integer among the peer's transport parameters; the default if it is not there."""
        value = self.peer_parameters.get(identifier)
        return default if value is None else Buffer(data=value).pull_uint_var()

    def stream_limit(self, stream_id: int) -> int:
        """Bytes that the peer takes on a stream, or would take if it were opened now."""
        if stream_id in self._streams:
            return self._streams[stream_id].max_stream_data_remote
        is_ours = bool(stream_id & 1) is not self._is_client
        if stream_id & 2:
            return self.peer_parameter(Parameter.INITIAL_MAX_STREAM_DATA_UNI)
        return self.peer_parameter(
            Parameter.INITIAL_MAX_STREAM_DATA_BIDI_REMOTE
            if is_ours
            else Parameter.INITIAL_MAX_STREAM_DATA_BIDI_LOCAL
        )

    @property
    def data_limit(self) -> int:
        """Bytes that the peer takes on all streams together."""
        return self._remote_max_data

    def streams_allowed(self, *, unidirectional: bool = False) -> int:
        """How many streams of ours the peer allows, from the first one on."""
        return self._remote_max_streams_uni if unidirectional else self._remote_max_streams_bidi

    def largest_received_in(self, kind: QuicPacketType) -> int:
        """The largest packet number that came in packets of a type."""
        return self._spaces[EPOCHS[kind]].largest_received_packet

    @property
    def largest_received_initial(self) -> int:
        """The largest packet number that came in an Initial."""
        return self._spaces[tls.Epoch.INITIAL].largest_received_packet

    @property
    def largest_received(self) -> int:
        """The largest packet number that came in 1-RTT."""
        return self._spaces[tls.Epoch.ONE_RTT].largest_received_packet

    @property
    def peer_connection_id(self) -> bytes:
        """Where our packets go."""
        return self._peer_cid.cid

    @property
    def sequence_number_in_use(self) -> int:
        """The sequence number of the connection ID that our packets go to."""
        return self._peer_cid.sequence_number or 0

    @property
    def available_connection_ids(self) -> list[QuicConnectionId]:
        """Further ones that the peer has issued, and that are not used; may be changed."""
        return self._peer_cid_available

    @property
    def issued_connection_ids(self) -> list[QuicConnectionId]:
        """Those of ours that the peer has not retired."""
        return self._host_cids

    @property
    def next_sequence_number(self) -> int:
        """Of the connection ID that is issued next."""
        return self._host_cid_seq

    def issue_connection_id(self, cid: bytes) -> QuicConnectionId:
        """Accept packets for another connection ID, with the next sequence number."""
        issued = QuicConnectionId(cid, self._host_cid_seq, os.urandom(16), was_sent=True)
        self._host_cids.append(issued)
        self._host_cid_seq += 1
        return issued

    @property
    def token(self) -> bytes:
        """Client: what our Initial packets carry, of a Retry or a NEW_TOKEN frame."""
        return self._peer_token

    def crypto_offset(self, epoch: tls.Epoch) -> int:
        """How many bytes of TLS messages we have sent at an encryption level."""
        return self._crypto_streams[epoch].sender._buffer_stop  # noqa: SLF001

    def unacknowledged_crypto(self, kind: QuicPacketType) -> bytes:
        """Our TLS messages in packets of a type, from the first unacknowledged byte."""
        return bytes(self._crypto_streams[EPOCHS[kind]].sender._buffer)  # noqa: SLF001

    def resume_with(self, suite: tls.CipherSuite) -> None:
        """Client: let the server resume the session with another suite of the same hash."""
        assert self.tls._key_schedule_psk is not None  # noqa: SLF001
        self.tls._key_schedule_psk.cipher_suite = suite  # noqa: SLF001

    def withheld_messages(self, kind: QuicPacketType) -> bytes:
        """The TLS messages of that type of packet, as they would have been sent."""
        return self.withheld[EPOCHS[kind]]

    def open_stream(self, *, unidirectional: bool = False) -> int:
        """A new stream of ours, on which nothing is sent yet."""
        stream_id = self.get_next_available_stream_id(is_unidirectional=unidirectional)
        self._get_or_create_stream_for_send(stream_id)
        return stream_id

    # --- Overrides ------------------------------------------------------------------------------

    def _write_connection_limits(self, builder: QuicPacketBuilder, space: QuicPacketSpace) -> None:
        if not self.says_that_it_is_blocked:
            self._data_blocked_at = self._remote_max_data  # as if it had been said
        super()._write_connection_limits(builder, space)

    def _write_stream_limits(
        self, builder: QuicPacketBuilder, space: QuicPacketSpace, stream: QuicStream
    ) -> None:
        if not self.says_that_it_is_blocked and stream.stream_id is not None:
            self._streams_blocked_at[stream.stream_id] = stream.max_stream_data_remote
        super()._write_stream_limits(builder, space, stream)

    def _count(self, epoch: tls.Epoch) -> None:
        if self.reports_ecn:
            super()._count(epoch)

    def _watched(self, handler: Callable[..., None]) -> Callable[..., None]:
        def handle(context: QuicReceiveContext, frame_type: int, buf: Buffer) -> None:
            at = buf.tell()
            try:
                handler(context, frame_type, buf)
            finally:
                content = buf.data_slice(at, buf.tell())
                self.frames.append(SeenFrame(context.epoch, frame_type, content, context.time))

        return handle

    def _payload_received(
        self, context: QuicReceiveContext, plain: bytes, crypto_frame_required: bool = False
    ) -> tuple[bool, bool]:
        try:
            wants_ack, is_probing = super()._payload_received(context, plain, crypto_frame_required)
        except QuicConnectionError as error:
            self.objections.append(str(error))
            return True, False
        return wants_ack and self.acknowledges, is_probing

    def _takes_greased(self, _: QuicHeader) -> bool:
        return True  # what a packet without the QUIC bit is, the capture shows

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        self.tls.__class__ = AlteringContext
        assert isinstance(self.tls, AlteringContext)
        self.tls.alter = self.alter_message
        # Whatever our transport parameters are this time, known sessions are resumed.
        self.tls.get_session_ticket_cb = self._session_ticket_fetcher

    def _serialize_transport_parameters(self) -> bytes:
        ours = parameters.parsed(super()._serialize_transport_parameters())
        return parameters.encoded(self.alter_parameters(ours))

    def _parse_transport_parameters(self, data: bytes, from_session_ticket: bool = False) -> None:
        super()._parse_transport_parameters(data, from_session_ticket)
        if not from_session_ticket:
            self.peer_parameters = dict(parameters.parsed(data))

    def _replenish_connection_ids(self) -> None:
        if self.host_cid:  # an endpoint whose connection ID is empty issues none
            super()._replenish_connection_ids()

    def _push_crypto_data(self) -> None:
        buf = self._crypto_buffers[tls.Epoch.ONE_RTT]  # not in the transcript
        if message := buf.data:
            buf.seek(0)
            buf.push_bytes(self.alter_message(message[0], message))
        for epoch in self.withheld:
            self.withheld[epoch] += self._crypto_buffers[epoch].data
            self._crypto_buffers[epoch].seek(0)
        super()._push_crypto_data()

    def _discard_epoch(self, epoch: tls.Epoch) -> None:
        if self._cryptos[epoch].send.is_valid():
            self._kept[epoch] = copy.copy(self._cryptos[epoch].send)
        super()._discard_epoch(epoch)


def withholding(*kinds: QuicPacketType) -> Callable[[TesterConnection], None]:
    """Leave it to the script to send the TLS messages that go into packets of a type."""

    def withhold(connection: TesterConnection) -> None:
        connection.withheld = {EPOCHS[kind]: b"" for kind in kinds}

    return withhold
