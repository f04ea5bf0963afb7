from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aioquic._buffer import Buffer
from aioquic.quic.connection import QuicConnectionState
from aioquic.quic.events import (
    ConnectionTerminated,
    DatagramFrameReceived,
    HandshakeCompleted,
    PingAcknowledged,
    StreamDataReceived,
)
from aioquic.quic.logger import QuicLoggerTrace
from aioquic.quic.packet import (
    QuicErrorCode,
    QuicPacketType,
    QuicVersionInformation,
    encode_quic_retry,
    pull_quic_transport_parameters,
    push_quic_transport_parameters,
)
from aioquic.tls import Epoch

from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.packets.acknowledgements import ACK_DELAY
from quicmatrix.endpoint.transport.streams.flow_control import MAX_STREAMS
from quicmatrix.endpoint.transport.streams.windows import INITIAL_WINDOW
from tests.support.certificates import write_certificates
from tests.support.quic_pair import (
    SERVER_ADDRESS,
    START,
    Idle,
    Link,
    Pair,
    client_configuration,
    events,
    no_loss,
    random_loss,
    server_configuration,
)
from tests.support.transfer import download

V1, V2 = 0x00000001, 0x6B3343CF
MakePair = Callable[..., Pair]


# --- Handshake ---------------------------------------------------------------------------------


def test_nothing_is_sent_before_there_is_a_path(certs: Path) -> None:
    connection = Connection(configuration=client_configuration(certs))
    assert connection.datagrams_to_send(now=START) == []
    assert not connection.can_open_stream
    assert not connection.is_ending


@pytest.mark.parametrize("extra_names", [20, 160])
def test_a_large_certificate_arrives(tmp_path: Path, extra_names: int) -> None:
    certs = write_certificates(tmp_path, extra_names=extra_names)
    assert (certs / "cert.pem").stat().st_size > 250 * extra_names
    pair = Pair(client_configuration(certs), server_configuration(certs))
    pair.complete_handshake()


def test_the_handshake_survives_a_long_round_trip(certs: Path) -> None:
    pair = Pair(
        client_configuration(certs),
        server_configuration(certs),
        to_server=Link(delay_s=0.75),
        to_client=Link(delay_s=0.75),
    )
    pair.complete_handshake(limit_s=4.0)
    hellos = [time for time, datagram in pair.to_server.sent if time < START + 1.5]
    assert len(hellos) >= 2


def test_the_handshake_survives_heavy_loss(certs: Path) -> None:
    durations = []
    for seed in range(20):
        pair = Pair(
            client_configuration(certs),
            server_configuration(certs),
            to_server=Link(drops=random_loss(0.3, 2 * seed)),
            to_client=Link(drops=random_loss(0.3, 2 * seed + 1)),
        )
        sink = download(pair, 1024)
        pair.client.keep_alive_after = 0.3
        pair.run_until(lambda sink=sink: sink.is_finished)  # type: ignore[misc]
        durations.append(pair.now - START)
    assert max(durations) < 10.0


def test_the_servers_order_of_versions_counts(certs: Path) -> None:
    """A client that lists version 1 first is moved to version 2 all the same."""
    pair = Pair(
        client_configuration(certs, supported_versions=[V1, V2], original_version=V1),
        server_configuration(certs, supported_versions=[V2, V1]),
    )
    pair.complete_handshake()
    assert pair.client._version == pair.server._version == V2


def test_version_1_stays_when_one_side_knows_no_other(certs: Path) -> None:
    for client_versions, server_versions in (([V1], [V2, V1]), ([V2, V1], [V1])):
        pair = Pair(
            client_configuration(certs, supported_versions=client_versions, original_version=V1),
            server_configuration(certs, supported_versions=server_versions),
        )
        pair.connect()
        pair.run_until(lambda pair=pair: pair.client.is_confirmed)  # type: ignore[misc]
        assert pair.client._version == pair.server._version == V1


@pytest.mark.parametrize(
    ("available", "error"),
    [
        ([V2, V1], QuicErrorCode.VERSION_NEGOTIATION_ERROR),
        ([V1], None),
        (None, None),
    ],
)
def test_an_injected_version_negotiation_is_noticed(
    certs: Path, available: list[int] | None, error: QuicErrorCode | None
) -> None:
    """RFC 9368, 4: the versions in the handshake would have led to another choice."""

    class Server(Connection):
        def _serialize_transport_parameters(self) -> bytes:
            parameters = pull_quic_transport_parameters(
                Buffer(data=super()._serialize_transport_parameters())
            )
            parameters.version_information = (
                None if available is None else QuicVersionInformation(V1, available)
            )
            buffer = Buffer(capacity=2048)
            push_quic_transport_parameters(buffer, parameters)
            return buffer.data

    pair = Pair(
        client_configuration(certs, supported_versions=[V2, V1], original_version=V1),
        server_configuration(certs, supported_versions=[V1]),
        server_type=Server,
    )
    pair.client._version_negotiated_incompatible = True  # as if it had begun with another
    pair.connect()
    pair.run_until(lambda: pair.client.is_confirmed or pair.client.is_ending)
    ending = pair.client.ending
    assert (ending.error_code if ending else None) == error


def test_the_peers_ack_delay_exponent_is_used(certs: Path) -> None:
    class Server(Connection):
        def _serialize_transport_parameters(self) -> bytes:
            self._local_ack_delay_exponent = 10
            return super()._serialize_transport_parameters()

    pair = Pair(client_configuration(certs), server_configuration(certs), server_type=Server)
    pair.complete_handshake()
    assert pair.client._remote_ack_delay_exponent == 10
    assert pair.server._remote_ack_delay_exponent == 3


def test_a_ticket_for_a_limited_amount_of_early_data_is_an_error(certs: Path) -> None:
    """RFC 9001, 4.6.1, also for a client that does not want tickets."""

    class Server(Connection):
        def _initialize(self, peer_cid: bytes) -> None:
            super()._initialize(peer_cid)
            self.tls._max_early_data = 1000

    pair = Pair(client_configuration(certs), server_configuration(certs), server_type=Server)
    pair.client = Connection(configuration=client_configuration(certs))
    pair.connect()
    pair.run_until(lambda: pair.client.is_ending, limit_s=1.0)
    assert pair.client.ending is not None
    assert pair.client.ending.error_code == QuicErrorCode.PROTOCOL_VIOLATION


def test_a_retry_changes_nothing_but_the_token_and_the_connection_id(certs: Path) -> None:
    """RFC 9000, 17.2.5.3; what was sent in 0-RTT is sent again."""
    first = Pair(client_configuration(certs), server_configuration(certs))
    first.connect()
    first.run_until(lambda: bool(first.client_tickets))
    client = Connection(
        configuration=client_configuration(certs, session_ticket=first.client_tickets[-1])
    )
    client.connect(SERVER_ADDRESS, now=START)
    client.send_stream_data(0, b"early", end_stream=True)
    hello = bytes(client._crypto_streams[Epoch.INITIAL].sender._buffer)
    before = client.datagrams_to_send(now=START)
    retry = encode_quic_retry(
        version=V1,
        source_cid=b"retrying",
        destination_cid=client.host_cid,
        original_destination_cid=client.original_destination_connection_id,
        retry_token=b"token",
    )
    client.receive_datagram(retry, SERVER_ADDRESS, now=START + 0.03)
    assert bytes(client._crypto_streams[Epoch.INITIAL].sender._buffer) == hello
    after = client.datagrams_to_send(now=START + 0.03)
    assert client._peer_token == b"token"
    assert sum(len(datagram) for datagram, _ in after) == sum(len(sent) for sent, _ in before)
    assert client._loss.bytes_in_flight <= sum(len(datagram) for datagram, _ in after)
    sent_early = client._spaces[Epoch.ONE_RTT].sent_packets.values()
    assert [packet.packet_type for packet in sent_early] == [QuicPacketType.ZERO_RTT]


# --- 0-RTT -------------------------------------------------------------------------------------


def resumed(certs: Path, *, forget: bool) -> Pair:
    """A second connection with a ticket of a first one, its requests sent in 0-RTT."""
    first = Pair(client_configuration(certs), server_configuration(certs))
    first.connect()
    first.run_until(lambda: bool(first.client_tickets))
    pair = Pair(
        client_configuration(certs, session_ticket=first.client_tickets[-1]),
        server_configuration(certs),
        tickets=None if forget else first.tickets,
    )
    pair.client.connect(SERVER_ADDRESS, now=pair.now)
    for stream in range(39):
        assert pair.client.can_open_stream
        line = b"GET /" + b"n" * 250 + b"\r\n"
        pair.client.send_stream_data(4 * stream, line, end_stream=True)
    pair.drive_client()
    return pair


def test_39_long_requests_fit_into_early_data(certs: Path) -> None:
    pair = resumed(certs, forget=False)
    pair.run_until(lambda: pair.client.is_confirmed)
    pair.run_for(1.0)
    assert pair.client.tls.early_data_accepted
    one_rtt_bytes = sum(len(sent) for _, sent in pair.to_server.sent if not sent[0] & 0x80)
    assert one_rtt_bytes < 1500
    assert len({e.stream_id for e in stream_data(pair.server_app)}) == 39


def test_rejected_early_data_is_sent_again_at_once(certs: Path) -> None:
    pair = resumed(certs, forget=True)
    pair.run_until(lambda: len(finished_streams(pair.server_app)) == 39)
    assert not pair.client.tls.early_data_accepted
    assert pair.now - START < 0.1, "three one-way trips and the time on the wire"


def stream_data(application: object) -> list[StreamDataReceived]:
    assert isinstance(application, Idle)
    return [event for event in application.events if isinstance(event, StreamDataReceived)]


def finished_streams(application: object) -> set[int]:
    return {event.stream_id for event in stream_data(application) if event.end_stream}


# --- Throughput, acknowledgements, flow control ------------------------------------------------


def test_a_transfer_fills_the_link(certs: Path) -> None:
    pair = Pair(client_configuration(certs), server_configuration(certs))
    sink = download(pair, 10 << 20)
    pair.run_until(lambda: sink.is_finished)
    one_rtt = [time for time, sent in pair.to_client.sent if not sent[0] & 0x80]
    goodput_kbps = 8 * (10 << 20) / (one_rtt[-1] - one_rtt[0]) / 1000
    assert goodput_kbps > 9200
    assert len(pair.to_server.sent) < 0.6 * len(pair.to_client.sent), "an ACK for every second"


def test_a_lone_packet_is_acknowledged_soon(pair: Pair) -> None:
    sent = pair.now
    pair.client.send_ping(uid=7)
    pair.client_app = application = Idle()
    pair.drive_client()
    pair.run_until(lambda: PingAcknowledged(uid=7) in application.events)
    assert pair.now - sent == pytest.approx(0.030 + ACK_DELAY, abs=0.001)


def test_a_gap_is_acknowledged_at_once(pair: Pair) -> None:
    pair.to_server.drops = lambda number, _: number == count + 1
    count = len(pair.to_server.sent)
    for uid in (7, 8):
        pair.client.send_ping(uid=uid)
        pair.drive_client()
    before = len(pair.to_client.sent)
    pair.run_for(0.0155)  # one way, and less than the ACK delay
    assert len(pair.to_client.sent) == before + 1


def test_limits_follow_the_reader(certs: Path) -> None:
    pair = Pair(client_configuration(certs), server_configuration(certs))
    sink = download(pair, 5 << 20)
    pair.run_until(lambda: sink.is_finished)
    limit = pair.client._local_max_data
    assert sink.received == 5 << 20
    assert sink.received <= limit.value <= sink.received + INITIAL_WINDOW


def test_nothing_beyond_the_window_is_taken_in_for_a_reader_that_stopped(certs: Path) -> None:
    class Unread(Connection):
        def next_event(self) -> None:
            return None

    pair = Pair(client_configuration(certs), server_configuration(certs), client_type=Unread)
    download(pair, 5 << 20)
    pair.run_for(10.0)
    arrived = sum(
        len(event.data) for event in pair.client._events if isinstance(event, StreamDataReceived)
    )
    assert arrived == pair.client._local_max_data.value == INITIAL_WINDOW
    assert pair.server.unacknowledged(0) > 0


def test_a_client_that_is_out_of_streams_says_so_until_it_is_heard(pair: Pair) -> None:
    """RFC 9000, 13.3: STREAMS_BLOCKED is sent again when it is lost."""
    heard: list[int] = []

    class Trace(QuicLoggerTrace):
        def encode_streams_blocked_frame(self, is_unidirectional: bool, limit: int) -> Any:
            heard.append(limit)
            return super().encode_streams_blocked_frame(is_unidirectional, limit)

    pair.server._quic_logger = Trace(is_client=False, odcid=b"")
    for number in range(MAX_STREAMS + 1):
        pair.client.send_stream_data(4 * number, b"x")
    pair.to_server.drops = lambda *_: True
    pair.drive_client()
    pair.to_server.drops = no_loss
    pair.run_for(5.0)
    assert heard
    assert set(heard) == {MAX_STREAMS}


def test_streams_may_be_opened_as_others_end(certs: Path) -> None:
    class Echo(Idle):
        def event_received(self, event: object) -> None:
            if isinstance(event, StreamDataReceived) and event.end_stream:
                pair.server.send_stream_data(event.stream_id, bytes(32), end_stream=True)

    class Opener(Idle):
        answers = 0
        left = 1999
        most_open = 0

        def event_received(self, event: object) -> None:
            if isinstance(event, StreamDataReceived) and event.end_stream:
                self.answers += 1

        def pump(self) -> None:
            while self.left and pair.client.can_open_stream:
                self.left -= 1
                stream_id = pair.client.get_next_available_stream_id()
                pair.client.send_stream_data(stream_id, b"x", end_stream=True)
            self.most_open = max(self.most_open, 1999 - self.left - self.answers)

    pair = Pair(client_configuration(certs), server_configuration(certs))
    pair.new_server_app = lambda _: Echo()
    pair.client_app = opener = Opener()
    pair.connect()
    pair.run_until(lambda: opener.answers == 1999, limit_s=5.0)
    assert opener.most_open <= MAX_STREAMS
    assert pair.client._remote_max_streams_bidi >= 1999
    pair.run_for(1.0)
    assert pair.server._local_max_streams_bidi.value == 1999 + MAX_STREAMS


# --- Key updates -------------------------------------------------------------------------------


def test_a_key_update_loses_no_packet_that_is_in_flight(certs: Path) -> None:
    pair = Pair(client_configuration(certs), server_configuration(certs))
    sink = download(pair, 500_000)
    pair.run_until(lambda: pair.client.is_confirmed)
    lost: list[object] = []
    pair.server._loss._cc.on_packets_lost = lambda **what: lost.append(what)  # type: ignore[method-assign]
    pair.run_until(lambda: sink.received > 50_000)
    pair.to_client.queue = 10_000
    pair.client.request_key_update()
    pair.drive_client()
    in_flight = pair.server._loss.bytes_in_flight
    pair.run_until(lambda: sink.is_finished)
    assert in_flight > 20_000
    assert not lost
    for connection in (pair.client, pair.server):
        assert connection._cryptos[Epoch.ONE_RTT].recv.key_phase == 1
        assert connection._cryptos[Epoch.ONE_RTT].send.key_phase == 1


def test_old_keys_are_forgotten_and_further_updates_work(pair: Pair) -> None:
    for phase in (1, 0, 1):
        pair.client.request_key_update()
        pair.client.send_ping(uid=phase)
        pair.drive_client()
        pair.run_for(0.1)
        assert pair.server._cryptos[Epoch.ONE_RTT].recv.key_phase == phase
    pair.run_for(1.0)
    for _ in range(2):
        pair.client.send_ping(uid=9)
        pair.server.send_ping(uid=9)
        pair.drive_client()
        pair.drive_server()
        pair.run_for(1.0)
    for connection in (pair.client, pair.server):
        assert vars(connection._cryptos[Epoch.ONE_RTT])["previous"] is None


# --- Silence, and the end ----------------------------------------------------------------------


def test_a_waiting_client_shows_a_server_where_it_is(certs: Path) -> None:
    """The NAT rebinds while all that is in flight is lost: only a PING can help."""
    pair = Pair(client_configuration(certs), server_configuration(certs))
    sink = download(pair, 1 << 20)
    pair.client.keep_alive_after = 0.3
    pair.run_until(lambda: sink.received > 200_000)
    pair.client_address = ("193.167.0.100", 50001)
    pair._arrivals.clear()
    pair.run_until(lambda: sink.is_finished, limit_s=5.0)
    assert sink.received == 1 << 20
    assert pair.server.peer_address == pair.client_address


def test_a_client_that_waits_for_nothing_is_silent(pair: Pair) -> None:
    before = len(pair.to_server.sent)
    pair.run_for(5.0)
    assert len(pair.to_server.sent) == before
    pair.client.keep_alive_after = 0.3
    pair.run_for(3.0)
    assert len(pair.to_server.sent) == pytest.approx(before + 9, abs=1)


def test_data_follows_the_first_sign_of_life_after_an_outage(certs: Path) -> None:
    pair = Pair(client_configuration(certs), server_configuration(certs))
    sink = download(pair, 1 << 20)
    pair.client.keep_alive_after = 0.3
    pair.run_until(lambda: sink.received > 200_000)
    pair.to_client.drops = pair.to_server.drops = lambda *_: True
    pair.run_for(4.0)
    pair.to_client.drops = pair.to_server.drops = no_loss
    received = sink.received
    pair.run_until(lambda: sink.received > received, limit_s=0.8)
    pair.run_until(lambda: sink.is_finished)
    assert sink.received == 1 << 20


def test_a_close_keeps_to_the_limit_for_addresses_that_are_not_validated(certs: Path) -> None:
    pair = Pair(client_configuration(certs), server_configuration(certs))
    pair.connect()
    pair.run_until(lambda: bool(pair.to_client.sent))
    path = pair.server._network_paths[0]
    path.bytes_sent = 3 * path.bytes_received
    sent = len(pair.to_client.sent)
    pair.server.close(error_code=0)
    pair.drive_server()
    assert len(pair.to_client.sent) == sent
    pair.server.receive_datagram(bytes(1200), path.addr, now=pair.now)
    pair.drive_server()
    assert len(pair.to_client.sent) == sent + 1, "as it may now"


def test_a_late_packet_is_answered_with_the_close_again(pair: Pair) -> None:
    pair.client.close(error_code=0)
    pair.to_server.drops = lambda *_: True
    pair.drive_client()
    closes = len(pair.to_server.sent)
    pair.to_server.drops = no_loss
    for uid in range(4):
        pair.server.send_ping(uid=uid)
        pair.drive_server()
    pair.run_until(lambda: pair.server.is_ending, limit_s=0.1)
    pair.run_for(0.02)
    assert len(pair.to_server.sent) - closes == 3, "for the first, second and fourth"
    assert {sent for _, sent in pair.to_server.sent[closes - 1 :]} == {
        pair.to_server.sent[closes - 1][1]
    }
    ending = pair.server.ending
    assert ending == ConnectionTerminated(error_code=0, frame_type=None, reason_phrase="")


def test_a_connection_knows_what_it_is(certs: Path) -> None:
    pair = Pair(client_configuration(certs), server_configuration(certs))
    assert not pair.client.is_started
    pair.connect()
    pair.run_until(lambda: pair.client.is_acknowledged)
    assert pair.client.is_started
    assert isinstance(pair.client_app, Idle)
    assert any(isinstance(event, HandshakeCompleted) for event in pair.client_app.events)
    assert pair.client.congestion_window >= 12_000
    assert not pair.client.can_send_on(0)
    pair.client.send_stream_data(0, b"abc")
    assert pair.client.can_send_on(0)
    assert pair.client.unacknowledged(0) == 3
    pair.client.send_stream_data(0, b"", end_stream=True)
    assert not pair.client.can_send_on(0)
    pair.client.close()
    assert pair.client.is_ending
    pair.drive_client()
    assert pair.client._state is QuicConnectionState.CLOSING
    pair.run_for(5.0)
    assert list(events(pair.client)) == []
    assert pair.client._state is QuicConnectionState.TERMINATED


def test_a_datagram_frame_has_to_fit(certs: Path) -> None:
    """RFC 9221, 3: what the peer announced holds, and what a packet can carry."""
    for announced, largest in ((None, 0), (500, 497), (65535, 1170)):
        pair = Pair(
            client_configuration(certs, max_datagram_frame_size=65535),
            server_configuration(certs, max_datagram_frame_size=announced),
        )
        pair.new_server_app = lambda _: Idle()
        pair.connect()
        pair.run_until(lambda pair=pair: pair.client.is_confirmed)  # type: ignore[misc]
        client = pair.client
        assert client.largest_datagram_frame == largest
        with pytest.raises(ValueError, match="at most"):
            client.send_datagram_frame(bytes(largest + 1))
        if largest:
            client.send_datagram_frame(bytes(largest))
            pair.drive_client()
            pair.run_for(0.1)
            assert isinstance(pair.server_app, Idle)
            received = [e for e in pair.server_app.events if isinstance(e, DatagramFrameReceived)]
            assert [len(event.data) for event in received] == [largest]


def test_a_datagram_frame_that_fits_no_more_holds_up_no_other(certs: Path) -> None:
    pair = Pair(
        client_configuration(certs, max_datagram_frame_size=65535),
        server_configuration(certs, max_datagram_frame_size=65535),
    )
    pair.new_server_app = lambda _: Idle()
    pair.complete_handshake()
    client = pair.client
    client._use_size(1472)
    client.send_datagram_frame(bytes(1400))
    client.send_datagram_frame(b"small")
    client.restart_path_mtu()
    pair.drive_client()
    pair.run_for(0.1)
    assert isinstance(pair.server_app, Idle)
    received = [e.data for e in pair.server_app.events if isinstance(e, DatagramFrameReceived)]
    assert received == [b"small"]
