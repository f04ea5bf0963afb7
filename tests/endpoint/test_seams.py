"""Each private part of aioquic that the endpoint uses is there, and is what it was.

When one of these fails after an update of aioquic, look at what the override that uses it says.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable

import pytest
from aioquic import tls
from aioquic._buffer import Buffer
from aioquic._crypto import AEAD, CryptoError, HeaderProtection
from aioquic.asyncio.server import _encode_invalid_token_close
from aioquic.h3.connection import H3Connection, H3Stream
from aioquic.quic import connection as aioquic_connection
from aioquic.quic.congestion.base import QuicCongestionControl, create_congestion_control
from aioquic.quic.connection import END_STATES, Limit, QuicConnection, QuicReceiveContext
from aioquic.quic.crypto import CryptoContext, CryptoPair
from aioquic.quic.logger import QuicLogger, QuicLoggerTrace
from aioquic.quic.packet import pull_ack_frame, pull_quic_header, push_ack_frame
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketPacer, QuicPacketRecovery, QuicPacketSpace
from aioquic.quic.retry import QuicRetryTokenHandler
from aioquic.quic.stream import QuicStream, QuicStreamReceiver, QuicStreamSender
from aioquic.tls import Context, Epoch

from quicmatrix.endpoint.transport.packets.quic_bit import restored
from tests.support.quic_pair import Pair

METHODS: list[tuple[Callable[..., object], str]] = [
    (QuicConnection.receive_datagram, "self, data, addr, now"),
    (QuicConnection.datagrams_to_send, "self, now"),
    (QuicConnection.get_timer, "self"),
    (QuicConnection.handle_timer, "self, now"),
    (QuicConnection.connect, "self, addr, now"),
    (QuicConnection.request_key_update, "self"),
    (QuicConnection._connect, "self, now"),
    (QuicConnection._handle_new_connection_id_frame, "self, context, frame_type, buf"),
    (QuicConnection._handle_new_token_frame, "self, context, frame_type, buf"),
    (QuicConnection._handle_retire_connection_id_frame, "self, context, frame_type, buf"),
    (QuicConnection._handle_session_ticket, "self, session_ticket"),
    (QuicConnection._receive_retry_packet, "self, header, packet_without_tag, now"),
    (QuicConnection._retire_peer_cid, "self, connection_id"),
    (QuicConnection._idle_timeout, "self"),
    (QuicConnection._initialize, "self, peer_cid"),
    (QuicConnection._handle_crypto_frame, "self, context, frame_type, buf"),
    (QuicConnection._parse_transport_parameters, "self, data, from_session_ticket"),
    (QuicConnection._payload_received, "self, context, plain, crypto_frame_required"),
    (QuicConnection._write_handshake, "self, builder, epoch, now"),
    (
        QuicConnection._write_connection_close_frame,
        "self, builder, epoch, error_code, frame_type, reason_phrase",
    ),
    (QuicPacketBuilder._end_packet, "self"),
    (QuicPacketBuilder._flush_current_datagram, "self"),
    (CryptoPair.encrypt_packet, "self, plain_header, plain_payload, packet_number"),
    (QuicConnection._write_ack_frame, "self, builder, space, now"),
    (QuicConnection._write_connection_limits, "self, builder, space"),
    (QuicConnection._write_stream_limits, "self, builder, space, stream"),
    (QuicConnection._flush_builder, "self, builder, network_path, peer_cid, now"),
    (QuicConnection._handle_ack_frame, "self, context, frame_type, buf"),
    (QuicConnection._receive_version_negotiation_packet, "self, header, now"),
    (QuicConnection._replenish_connection_ids, "self"),
    (QuicConnection._send_probing_frames, "self, network_path, now"),
    (QuicConnection._serialize_transport_parameters, "self"),
    (QuicConnection._update_traffic_key, "self, direction, epoch, cipher_suite, secret"),
    (QuicConnection._write_path_challenge_frame, "self, builder, network_path"),
    (QuicConnection._on_path_challenge_delivery, "self, delivery, network_path"),
    (QuicConnection._handle_path_response_frame, "self, context, frame_type, buf"),
    (Context._server_handle_hello, "self, input_buf, initial_buf, handshake_buf"),
    (QuicConnection._handle_data_blocked_frame, "self, context, frame_type, buf"),
    (QuicConnection._handle_stream_data_blocked_frame, "self, context, frame_type, buf"),
    (QuicLoggerTrace.encode_data_blocked_frame, "self, limit"),
    (QuicLoggerTrace.encode_stream_data_blocked_frame, "self, limit, stream_id"),
    (H3Connection._check_control_frame_type, "self, frame_type"),
    (QuicConnection._write_new_connection_id_frame, "self, builder, connection_id"),
    (QuicConnection._write_streams_blocked_frame, "self, builder, frame_type, limit"),
    (QuicConnection._write_ping_frame, "self, builder, uids, comment"),
    (QuicConnection._on_ack_delivery, "self, delivery, space, highest_acked"),
    (QuicConnection._close_begin, "self, is_initiator, now"),
    (QuicConnection._close_end, "self"),
    (QuicConnection.change_connection_id, "self"),
    (QuicCongestionControl.on_packets_lost, "self, now, packets"),
    (QuicCongestionControl.on_packets_expired, "self, packets"),
    (QuicPacketPacer.update_rate, "self, congestion_window, smoothed_rtt"),
    (QuicConnection._add_network_path, "self, network_path"),
    (QuicConnection._find_preferred_address, "self"),
    (QuicConnection._handle_padding_frame, "self, context, frame_type, buf"),
    (QuicConnection._write_application, "self, builder, network_path, now"),
    (QuicConnection._write_handshake_done_frame, "self, builder"),
    (QuicConnection._write_stream_frame, "self, builder, space, stream, max_offset"),
    (
        QuicReceiveContext.__init__,
        "self, epoch, host_cid, network_path, quic_logger_frames, time, version",
    ),
    (AEAD._nonce, "self, packet_number"),
    (HeaderProtection._mask, "self, sample"),
    (QuicConnection._retire_peer_cid, "self, connection_id"),
    (QuicPacketPacer.next_send_time, "self, now"),
    (QuicPacketRecovery._detect_loss, "self, now, space"),
    (QuicPacketRecovery._in_persistent_congestion, "self, packets"),
    (
        QuicPacketRecovery._on_packets_lost,
        "self, congestion_event, now, packets, persistent_congestion, space",
    ),
    (QuicPacketRecovery.on_ack_received, "self, ack_rangeset, ack_delay, now, space"),
    (create_congestion_control, "name, max_datagram_size"),
    (QuicPacketRecovery.on_ack_received, "self, ack_rangeset, ack_delay, now, space"),
    (QuicLoggerTrace.encode_ack_frame, "self, ranges, delay"),
    (pull_quic_header, "buf, host_cid_length"),
    (pull_ack_frame, "buf"),
    (push_ack_frame, "buf, rangeset, delay, capacity"),
    (QuicPacketBuilder.start_packet, "self, packet_type, crypto"),
    (QuicPacketBuilder.start_frame, "self, frame_type, capacity, handler, handler_args"),
    (QuicConnection._on_connection_limit_delivery, "self, delivery, limit"),
    (QuicConnection._on_max_stream_data_delivery, "self, delivery, stream"),
    (QuicPacketRecovery.get_probe_timeout, "self, include_max_ack_delay"),
    (QuicPacketRecovery.reschedule_data, "self, now, speed_up_handshake"),
    (
        QuicPacketRecovery._on_packets_lost,
        "self, congestion_event, now, packets, persistent_congestion, space",
    ),
    (QuicStreamReceiver.starting_offset, "self"),
    (CryptoPair.decrypt_packet, "self, packet, encrypted_offset, expected_packet_number"),
    (CryptoPair._update_key, "self, trigger"),
    (CryptoContext.encrypt_packet, "self, plain_header, plain_payload, packet_number"),
    (CryptoContext.decrypt_packet, "self, packet, encrypted_offset, expected_packet_number"),
    (
        CryptoPair.__init__,
        "self, recv_setup_cb, recv_teardown_cb, send_setup_cb, send_teardown_cb",
    ),
    (QuicLogger.start_trace, "self, is_client, odcid"),
    (QuicLogger.end_trace, "self, trace"),
    (QuicLoggerTrace.log_event, "self, category, event, data"),
    (QuicLoggerTrace.encode_connection_limit_frame, "self, frame_type, maximum"),
    (QuicLoggerTrace.encode_max_stream_data_frame, "self, maximum, stream_id"),
    (
        QuicRetryTokenHandler.create_token,
        "self, address, original_destination_connection_id, retry_source_connection_id, now",
    ),
    (QuicRetryTokenHandler.validate_token, "self, address, destination_cid, token, now"),
    (_encode_invalid_token_close, "version, source_cid, destination_cid"),
]

CONNECTION_ATTRIBUTES = [
    "_ack_delay",
    "_cryptos_initial",
    "_datagrams_pending",
    "_host_cid_seq",
    "_host_cids",
    "_local_ack_delay_exponent",
    "_max_datagram_size",
    "_packet_number",
    "_peer_cid_available",
    "_peer_retire_prior_to",
    "_remote_initial_source_connection_id",
    "_remote_max_idle_timeout",
    "_remote_preferred_address",
    "_spin_bit",
    "_close_at",
    "_close_event",
    "_close_pending",
    "_configuration",
    "_crypto_buffers",
    "_crypto_streams",
    "_peer_cid",
    "_retry_count",
    "_cryptos",
    "_events",
    "_handshake_complete",
    "_handshake_confirmed",
    "_is_client",
    "_local_max_data",
    "_local_max_streams_bidi",
    "_local_max_streams_uni",
    "_local_next_stream_id_bidi",
    "_loss",
    "_network_paths",
    "_probe_pending",
    "_quic_logger",
    "_remote_ack_delay_exponent",
    "_remote_max_datagram_frame_size",
    "_remote_max_stream_data_bidi_remote",
    "_remote_max_stream_data_uni",
    "_remote_max_streams_bidi",
    "_remote_version_information",
    "_spaces",
    "_streams_blocked_bidi",
    "_streams_blocked_pending",
    "_streams_blocked_uni",
    "_state",
    "_streams",
    "_version",
    "_version_negotiated_incompatible",
    "host_cid",
    "tls",
]


@pytest.mark.parametrize(
    ("method", "parameters"), METHODS, ids=lambda x: getattr(x, "__qualname__", "")
)
def test_method_has_the_parameters_that_it_had(
    method: Callable[..., object], parameters: str
) -> None:
    assert ", ".join(inspect.signature(method).parameters) == parameters


@pytest.mark.parametrize("name", CONNECTION_ATTRIBUTES)
def test_connection_has_the_attribute(pair: Pair, name: str) -> None:
    assert hasattr(pair.client, name)
    assert hasattr(pair.server, name)


def test_parts_of_a_connection_have_their_attributes(pair: Pair) -> None:
    connection = pair.client
    assert isinstance(connection._local_max_data, Limit)
    assert {"frame_type", "sent", "used", "value"} <= set(vars(connection._local_max_data))
    space = connection._spaces[Epoch.ONE_RTT]
    assert isinstance(space, QuicPacketSpace)
    wanted = "ack_at is_application_data largest_acked_packet largest_received_packet sent_packets"
    assert set(wanted.split()) <= set(vars(space))
    assert "peer_completed_address_validation" in vars(connection._loss)
    wanted = "_cc _pacer _pto_count _rtt_initialized _rtt_min _rtt_smoothed spaces"
    assert set(wanted.split()) <= set(vars(connection._loss))
    path = connection._network_paths[0]
    wanted = "addr bytes_received bytes_sent is_validated local_challenge_sent peer_cid"
    assert set(wanted.split()) <= set(vars(path))
    assert "validation_deadline" in vars(path)
    assert "_max_datagram_size" in vars(connection._loss._pacer)
    assert "bytes_in_flight" in dir(connection._loss._cc)
    assert "stateless_reset_token" in vars(connection._peer_cid)
    assert isinstance(connection.tls, Context)
    assert connection.tls.early_data_accepted is False
    assert {"aead", "cipher_suite", "hp", "secret", "version", "key_phase"} <= set(
        vars(CryptoContext())
    )
    assert {"_setup_cb", "_teardown_cb"} <= set(vars(CryptoContext()))
    keys = connection._cryptos[Epoch.ONE_RTT]
    assert isinstance(keys.send, CryptoContext)
    assert isinstance(keys.recv, CryptoContext)
    assert set(connection._cryptos) == set(Epoch)


def test_headers_are_parsed_from_a_copy_and_packets_decrypted_from_slices() -> None:
    """What makes it possible to show aioquic another first byte than the one that came."""
    datagram = restored(b"\x01" + bytes(8), (0,))
    assert Buffer(data=datagram).pull_uint8() == 0x41
    source = inspect.getsource(QuicConnection.receive_datagram)
    assert "Buffer(data=data)" in source
    assert "data[start_off:end_off]" in source


REPEATED: list[tuple[Callable[..., object], str]] = [
    (QuicConnection.receive_datagram, "3c7f29826050cbfe"),
    (QuicPacketBuilder.start_packet, "63a59deba3617ddc"),
    (QuicPacketBuilder._end_packet, "585948d0382505b3"),
    (QuicPacketBuilder._flush_current_datagram, "e310004f68f56c55"),
    (QuicPacketPacer.update_after_send, "45868b0afc098716"),
]


@pytest.mark.parametrize(("method", "digest"), REPEATED, ids=lambda x: getattr(x, "__name__", ""))
def test_what_the_short_way_repeats_is_what_it_was(
    method: Callable[..., object], digest: str
) -> None:
    """Look at ``short_header`` when one of them has changed."""
    source = inspect.getsource(method).encode()
    assert hashlib.sha256(source).hexdigest()[:16] == digest


@pytest.mark.parametrize("algorithm", ["reno", "cubic"])
def test_congestion_control_knows_the_size_of_datagrams(algorithm: str) -> None:
    control = create_congestion_control(algorithm, max_datagram_size=1200)
    assert vars(control)["_max_datagram_size"] == 1200


def test_a_builder_pads_when_told() -> None:
    builder = QuicPacketBuilder(
        host_cid=b"", peer_cid=b"", version=1, is_client=True, max_datagram_size=1200
    )
    assert builder._datagram_needs_padding is False


def test_streams_have_their_attributes() -> None:
    stream = QuicStream(stream_id=0)
    wanted = {"max_stream_data_local", "max_stream_data_local_sent", "max_stream_data_remote"}
    assert wanted <= set(vars(stream))
    sender = QuicStreamSender(stream_id=0, writable=True)
    wanted = {"_buffer", "_buffer_start", "_buffer_stop", "_buffer_fin", "_reset_error_code"}
    assert wanted <= set(vars(sender))


def test_constants_and_types_are_there() -> None:
    assert aioquic_connection.CONNECTION_LIMIT_FRAME_CAPACITY > 0
    assert aioquic_connection.MAX_STREAM_DATA_FRAME_CAPACITY > 0
    assert len(END_STATES) == 3
    assert {"epoch", "time"} <= set(QuicReceiveContext.__dataclass_fields__)
    assert issubclass(CryptoError, Exception)
    assert Buffer(capacity=4).capacity == 4


def test_the_initializer_has_the_parameters_that_ours_repeats() -> None:
    parameters = list(inspect.signature(QuicConnection.__init__).parameters)
    assert parameters == [
        "self",
        "configuration",
        "original_destination_connection_id",
        "retry_source_connection_id",
        "session_ticket_fetcher",
        "session_ticket_handler",
        "token_handler",
    ]


# --- TLS and HTTP/3 ----------------------------------------------------------------------------

TLS_AND_H3_METHODS: list[tuple[Callable[..., object], str]] = [
    (Context.handle_message, "self, input_data, output_buf"),
    (Context._handle_reassembled_message, "self, message_type, input_buf, output_buf"),
    (Context._set_peer_certificate, "self, certificate"),
    (Context._check_certificate_verify_signature, "self, verify"),
    (Context._client_handle_certificate_verify, "self, input_buf"),
    (Context._build_session_ticket, "self, new_session_ticket, other_extensions"),
    (tls.pull_block, "buf, capacity"),
    (tls.pull_opaque, "buf, capacity"),
    (pull_quic_header, "buf, host_cid_length"),
    (H3Connection.__init__, "self, quic, enable_webtransport"),
    (H3Connection.handle_event, "self, event"),
    (H3Connection._receive_stream_data, "self, event"),
    (H3Connection._receive_stream_data_uni, "self, stream, data, stream_ended"),
    (H3Connection._receive_request_or_push_data, "self, stream, data, stream_ended"),
    (
        H3Connection._handle_request_or_push_frame,
        "self, frame_type, frame_data, stream, stream_ended",
    ),
    (H3Connection._check_request_or_push_frame_type, "self, frame_type, stream"),
    (H3Connection._check_control_frame_type, "self, frame_type"),
    (H3Connection._handle_control_frame, "self, frame_type, frame_data"),
    (H3Connection._decode_headers, "self, stream_id, frame_data"),
    (H3Connection._validate_settings, "self, settings"),
    (H3Connection._encode_headers, "self, stream_id, headers"),
    (H3Connection._init_connection, "self"),
    (H3Connection._get_local_settings, "self"),
    (H3Connection._log_stream_type, "self, stream_id, stream_type, push_id"),
]


@pytest.mark.parametrize(
    ("method", "parameters"), TLS_AND_H3_METHODS, ids=lambda x: getattr(x, "__qualname__", "")
)
def test_method_of_tls_or_h3_has_the_parameters_that_it_had(
    method: Callable[..., object], parameters: str
) -> None:
    assert ", ".join(inspect.signature(method).parameters) == parameters


def test_tls_has_its_attributes(pair: Pair) -> None:
    wanted = """
        _alpn_protocols _cipher_suites _is_client _receive_buffer _session_resumed
        _signature_algorithms alpn_negotiated certificate certificate_chain get_session_ticket_cb
        handshake_extensions legacy_session_id session_ticket state
    """
    assert set(wanted.split()) <= set(vars(Context(is_client=True)))
    assert aioquic_connection.MAX_EARLY_DATA == 0xFFFFFFFF
    receiver = pair.client._crypto_streams[Epoch.INITIAL].receiver
    assert "highest_offset" in vars(receiver)


def test_h3_has_its_attributes(pair: Pair) -> None:
    h3 = H3Connection(pair.client)
    wanted = """
        _blocked_streams _is_client _is_done _local_control_stream_id _local_decoder_stream_id
        _local_encoder_stream_id _max_push_id _max_table_capacity _peer_control_stream_id
        _peer_decoder_stream_id _peer_encoder_stream_id _stream
    """
    assert set(wanted.split()) <= set(vars(h3))
    wanted = """
        blocked buffer frame_size frame_type headers_recv_state receiving_ended sending_ended
        stream_id stream_type
    """
    assert set(wanted.split()) <= set(vars(H3Stream(0)))
