"""Each private part of aioquic that the endpoint uses is there, and is what it was.

When one of these fails after an update of aioquic, look at what the override that uses it says.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

import pytest
from aioquic._buffer import Buffer
from aioquic._crypto import CryptoError
from aioquic.asyncio.server import _encode_invalid_token_close
from aioquic.quic import connection as aioquic_connection
from aioquic.quic.connection import END_STATES, Limit, QuicConnection, QuicReceiveContext
from aioquic.quic.crypto import CryptoContext, CryptoPair
from aioquic.quic.logger import QuicLogger, QuicLoggerTrace
from aioquic.quic.recovery import QuicPacketRecovery, QuicPacketSpace
from aioquic.quic.retry import QuicRetryTokenHandler
from aioquic.quic.stream import QuicStream, QuicStreamReceiver, QuicStreamSender
from aioquic.tls import Context, Epoch
from certificates import write_certificates
from quic_pair import Pair, client_configuration, server_configuration

METHODS: list[tuple[Callable[..., object], str]] = [
    (QuicConnection.receive_datagram, "self, data, addr, now"),
    (QuicConnection.datagrams_to_send, "self, now"),
    (QuicConnection.get_timer, "self"),
    (QuicConnection.handle_timer, "self, now"),
    (QuicConnection._connect, "self, now"),
    (QuicConnection._idle_timeout, "self"),
    (QuicConnection._initialize, "self, peer_cid"),
    (QuicConnection._handle_crypto_frame, "self, context, frame_type, buf"),
    (QuicConnection._parse_transport_parameters, "self, data, from_session_ticket"),
    (QuicConnection._payload_received, "self, context, plain, crypto_frame_required"),
    (QuicConnection._write_ack_frame, "self, builder, space, now"),
    (QuicConnection._write_connection_limits, "self, builder, space"),
    (QuicConnection._write_stream_limits, "self, builder, space, stream"),
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
    "_remote_max_stream_data_bidi_remote",
    "_remote_max_stream_data_uni",
    "_remote_max_streams_bidi",
    "_remote_version_information",
    "_spaces",
    "_state",
    "_streams",
    "_version",
    "_version_negotiated_incompatible",
    "host_cid",
    "tls",
]


@pytest.fixture
def connected(tmp_path: Path) -> Pair:
    certs = write_certificates(tmp_path / "certs")
    pair = Pair(client_configuration(certs), server_configuration(certs))
    pair.connect()
    pair.run_until(lambda: pair.client.is_confirmed)
    return pair


@pytest.mark.parametrize(
    ("method", "parameters"), METHODS, ids=lambda x: getattr(x, "__qualname__", "")
)
def test_method_has_the_parameters_that_it_had(
    method: Callable[..., object], parameters: str
) -> None:
    assert ", ".join(inspect.signature(method).parameters) == parameters


@pytest.mark.parametrize("name", CONNECTION_ATTRIBUTES)
def test_connection_has_the_attribute(connected: Pair, name: str) -> None:
    assert hasattr(connected.client, name)
    assert hasattr(connected.server, name)


def test_parts_of_a_connection_have_their_attributes(connected: Pair) -> None:
    connection = connected.client
    assert isinstance(connection._local_max_data, Limit)
    assert {"frame_type", "sent", "used", "value"} <= set(vars(connection._local_max_data))
    space = connection._spaces[Epoch.ONE_RTT]
    assert isinstance(space, QuicPacketSpace)
    wanted = "ack_at is_application_data largest_acked_packet largest_received_packet sent_packets"
    assert set(wanted.split()) <= set(vars(space))
    assert {"_pto_count", "_rtt_smoothed"} <= set(vars(connection._loss))
    assert isinstance(connection.tls, Context)
    assert connection.tls.early_data_accepted is False
    assert {"aead", "cipher_suite", "hp", "secret", "version", "key_phase"} <= set(
        vars(CryptoContext())
    )
    assert {"_setup_cb", "_teardown_cb"} <= set(vars(CryptoContext()))


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
