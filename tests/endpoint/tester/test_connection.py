"""What a tester's connection can do that no endpoint should, against our own server."""

from __future__ import annotations

from pathlib import Path

import pytest
from aioquic.quic.packet import QuicPacketType

from quicmatrix.endpoint.tester.connection import TesterConnection
from quicmatrix.endpoint.tester.frames import FrameType
from quicmatrix.endpoint.tester.parameters import Parameter
from tests.support.quic_pair import Pair, client_configuration, server_configuration

ONE_RTT, HANDSHAKE = QuicPacketType.ONE_RTT, QuicPacketType.HANDSHAKE


@pytest.fixture
def pair(certs: Path) -> Pair:
    """A tester's client, and our server."""
    pair = Pair(
        client_configuration(certs), server_configuration(certs), client_type=TesterConnection
    )
    pair.complete_handshake()
    return pair


def of_tester(pair: Pair) -> TesterConnection:
    assert isinstance(pair.client, TesterConnection)
    return pair.client


def test_limits_are_those_that_the_peer_announces(pair: Pair) -> None:
    connection = of_tester(pair)
    assert connection.data_limit == connection.peer_parameter(Parameter.INITIAL_MAX_DATA)
    assert connection.streams_allowed() == connection.peer_parameter(
        Parameter.INITIAL_MAX_STREAMS_BIDI
    )
    ours, theirs, uni = 0, 1, 2
    assert [connection.stream_limit(stream) for stream in (ours, theirs, uni)] == [
        connection.peer_parameter(identifier)
        for identifier in (
            Parameter.INITIAL_MAX_STREAM_DATA_BIDI_REMOTE,
            Parameter.INITIAL_MAX_STREAM_DATA_BIDI_LOCAL,
            Parameter.INITIAL_MAX_STREAM_DATA_UNI,
        )
    ]
    assert connection.peer_parameter(Parameter.PREFERRED_ADDRESS, 7) == 7


def test_keys_are_updated_before_they_may(pair: Pair) -> None:
    connection = of_tester(pair)
    old = connection.update_keys()
    assert connection.sending_keys(ONE_RTT).key_phase != old.key_phase
    connection.send_ping(uid=1)
    pair.drive_client()
    pair.run_for(1.0)
    assert pair.server.key_updates == 1


def test_keys_stay_usable_after_their_level_is_discarded(pair: Pair) -> None:
    assert of_tester(pair).has_sending_keys(HANDSHAKE)


def test_issued_connection_ids_count_on(pair: Pair) -> None:
    connection = of_tester(pair)
    number = connection.next_sequence_number
    issued = connection.issue_connection_id(b"12345678")
    assert issued.sequence_number == number
    assert connection.next_sequence_number == number + 1
    assert issued in connection.issued_connection_ids


def test_a_client_without_connection_id_chooses_one_for_the_server(certs: Path) -> None:
    configuration = client_configuration(certs)
    configuration.connection_id_length = 0
    pair = Pair(configuration, server_configuration(certs), client_type=TesterConnection)
    pair.complete_handshake()
    assert pair.client.host_cid == b""
    assert len(pair.client.original_destination_connection_id) == 8
    assert len(of_tester(pair).issued_connection_ids) == 1


@pytest.mark.parametrize("says", [True, False])
def test_a_blocked_connection_says_so_unless_it_is_told_not_to(certs: Path, says: bool) -> None:
    server = server_configuration(certs)
    server.max_data = server.max_stream_data = 1000
    pair = Pair(client_configuration(certs), server, client_type=TesterConnection)
    of_tester(pair).says_that_it_is_blocked = says
    pair.complete_handshake()
    seen: list[int] = []
    _watch(pair, seen)
    pair.client.send_stream_data(0, bytes(100_000))
    pair.drive_client()
    pair.run_for(1.0)
    blocked = {FrameType.DATA_BLOCKED, FrameType.STREAM_DATA_BLOCKED} & set(seen)
    assert bool(blocked) is says


def test_marks_are_not_reported_if_it_is_told_so(certs: Path) -> None:
    pair = Pair(
        client_configuration(certs), server_configuration(certs), client_type=TesterConnection
    )
    of_tester(pair).reports_ecn = False
    pair.complete_handshake()
    seen: list[int] = []
    _watch(pair, seen)
    pair.server.send_ping(uid=1)
    pair.drive_server()
    pair.run_for(1.0)
    assert FrameType.ACK in seen
    assert FrameType.ACK_ECN not in seen


def test_skipped_packet_numbers_are_never_used(pair: Pair) -> None:
    connection = of_tester(pair)
    before = connection.next_number()
    connection.skip_numbers(1000)
    assert connection.next_number() == before + 1001


def _watch(pair: Pair, seen: list[int]) -> None:
    """Note the types of all frames that the server takes in."""
    handlers = vars(pair.server)["_QuicConnection__frame_handlers"]
    for kind, (handler, epochs) in list(handlers.items()):

        def handle(
            context: object, frame_type: int, buf: object, handler: object = handler
        ) -> None:
            seen.append(frame_type)
            handler(context, frame_type, buf)  # type: ignore[operator]

        handlers[kind] = (handle, epochs)
