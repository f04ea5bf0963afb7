"""What single packets of a confirmed connection bring about, and what they do not."""

from __future__ import annotations

from pathlib import Path

import pytest
from aioquic.quic.events import DatagramFrameReceived, StreamDataReceived
from aioquic.quic.packet import QuicErrorCode, QuicFrameType
from aioquic.tls import Epoch

from quicmatrix.endpoint.transport.sockets.udp import LocalAddress, PathAddress
from tests.support.injection import (
    FROM_CLIENT,
    FROM_SERVER,
    confirmed_pair,
    deliver,
    frame,
    has_handshake_keys,
    inject,
    is_alive,
    long_packet,
    short_packet,
)
from tests.support.quic_pair import Idle, Pair, client_configuration, server_configuration

PATH_CHALLENGE = frame(0x1A, b"12345678")
PING = b"\x01"


@pytest.fixture
def pair(certs: Path) -> Pair:
    return confirmed_pair(certs, max_datagram_frame_size=1000)


def frames_sent(pair: Pair, kind: str, *, by_server: bool = True) -> list[int]:
    """Sizes of the datagrams with frames of a kind; collects from now on."""
    connection = pair.server if by_server else pair.client
    sizes: list[int] = []
    written = getattr(connection, f"_write_{kind}_frame")

    def write(*arguments: object, **named: object) -> object:
        sizes.append(1)
        return written(*arguments, **named)

    setattr(connection, f"_write_{kind}_frame", write)
    return sizes


@pytest.mark.parametrize("to_server", [True, False], ids=["server", "client"])
def test_a_challenge_is_answered_at_once_in_a_full_datagram(certs: Path, to_server: bool) -> None:
    """RFC 9000, 8.2.2."""
    pair = confirmed_pair(certs)
    link = pair.to_client if to_server else pair.to_server
    responses = frames_sent(pair, "path_response", by_server=to_server)
    before = len(link.sent)
    assert inject(pair, PATH_CHALLENGE, to_server=to_server) is None
    assert len(responses) == 1
    ((_, datagram),) = link.sent[before:]
    assert len(datagram) >= 1200
    assert is_alive(pair, to_server=to_server)


@pytest.mark.parametrize("to_server", [True, False], ids=["server", "client"])
def test_a_duplicate_is_processed_once(certs: Path, to_server: bool) -> None:
    """RFC 9000, 12.3."""
    pair = confirmed_pair(certs, max_datagram_frame_size=1000)
    sender = pair.client if to_server else pair.server
    responses = frames_sent(pair, "path_response", by_server=to_server)
    content = PATH_CHALLENGE + (frame(0x31, 3, b"abc") if to_server else PING)
    packet = short_packet(sender, content)
    deliver(pair, [packet, packet], to_server=to_server)
    deliver(pair, [packet], to_server=to_server)
    assert len(responses) == 1
    if to_server:
        assert isinstance(pair.server_app, Idle)
        datagrams = [e for e in pair.server_app.events if isinstance(e, DatagramFrameReceived)]
        assert len(datagrams) == 1


def test_an_old_packet_that_is_no_duplicate_is_processed(pair: Pair) -> None:
    packets = [short_packet(pair.client, frame(0x0E, 0, n, 1, b"a")) for n in range(40)]
    deliver(pair, reversed(packets))
    assert isinstance(pair.server_app, Idle)
    received = [e for e in pair.server_app.events if isinstance(e, StreamDataReceived)]
    assert b"".join(event.data for event in received) == b"a" * 40


def test_an_acknowledgment_is_not_acknowledged(pair: Pair) -> None:
    """RFC 9000, 13.2.1."""
    number = max(pair.server._spaces[Epoch.ONE_RTT].largest_acked_packet, 0)
    before = len(pair.to_client.sent)
    assert inject(pair, frame(0x02, number, 0, 0, 0)) is None
    pair.run_for(1.0)
    assert len(pair.to_client.sent) == before


def test_missing_packets_are_gaps(pair: Pair) -> None:
    last = pair.client._packet_number
    packets = [short_packet(pair.client, PING, number=last + n) for n in (0, 100, 50, 2)]
    pair.client._packet_number = last + 101
    deliver(pair, packets)
    ranges = list(pair.server._spaces[Epoch.ONE_RTT].ack_queue)
    assert [(r.start - last, r.stop - last) for r in ranges][-3:] == [
        (2, 3),
        (50, 51),
        (100, 101),
    ]


def test_a_handshake_packet_after_confirmation_gets_no_answer(certs: Path) -> None:
    """RFC 9001, 4.9.2."""
    pair = Pair(client_configuration(certs), server_configuration(certs))
    pair.connect()
    pair.run_until(lambda: has_handshake_keys(pair.client))
    late = long_packet(pair.client, Epoch.HANDSHAKE, PING + bytes(40))
    pair.run_until(lambda: pair.client.is_confirmed)
    pair.run_for(1.0)
    before = len(pair.to_client.sent)
    deliver(pair, [late])
    assert len(pair.to_client.sent) == before
    assert is_alive(pair)


def test_a_reset_with_an_unknown_token_is_ignored(pair: Pair) -> None:
    """RFC 9000, 10.3.1; one for a connection ID that was never used, too."""
    unused = pair.client._peer_cid_available[0].stateless_reset_token
    deliver(pair, [b"\x40" + bytes(30) + unused, b"\x40" + bytes(46)], to_server=False)
    assert is_alive(pair, to_server=False)


def test_the_reset_of_a_connection_id_in_use_ends_it_silently(pair: Pair) -> None:
    token = pair.client._peer_cid.stateless_reset_token
    before = len(pair.to_server.sent)
    deliver(pair, [b"\x40" + bytes(30) + token], to_server=False)
    assert pair.client.is_ending
    pair.run_for(1.0)
    assert len(pair.to_server.sent) == before


def test_a_good_packet_that_ends_like_a_reset_is_a_packet(pair: Pair) -> None:
    """RFC 9000, 10.3.1: what can be processed need not be looked at."""
    packet = short_packet(pair.server, PING)
    pair.client._peer_cid.stateless_reset_token = packet[-16:]
    deliver(pair, [packet], to_server=False)
    assert not pair.client.is_ending


def test_a_client_ignores_other_servers(pair: Pair) -> None:
    """RFC 9000, 9: only clients migrate."""
    packet = short_packet(pair.server, frame(0x1C, 0, 0, 0))
    other = PathAddress(("193.167.100.101", 443), LocalAddress(50000))
    pair.client.receive_datagram(packet, other, now=pair.now)
    assert not pair.client.is_ending
    pair.client.receive_datagram(packet, FROM_SERVER, now=pair.now)
    assert pair.client.is_ending


def test_a_probing_packet_moves_nothing(pair: Pair) -> None:
    """RFC 9000, 9.1: the response goes where the challenge came from, the rest stays."""
    elsewhere = PathAddress(("193.167.0.101", 50000), FROM_CLIENT.local)
    pair.server.receive_datagram(short_packet(pair.client, PATH_CHALLENGE), elsewhere, now=pair.now)
    pair.server.send_ping(uid=1)
    sent = pair.server.datagrams_to_send(now=pair.now)
    assert [(address[0], len(data) >= 1200) for data, address in sent] == [
        (FROM_CLIENT[0], False),
        (elsewhere[0], False),
    ], "3 times what came from there is too little for more"


def test_an_older_packet_does_not_move_a_connection(pair: Pair) -> None:
    """RFC 9000, 9.3: only the highest packet number counts."""
    elsewhere = PathAddress(("193.167.0.101", 50000), FROM_CLIENT.local)
    older, newer = (short_packet(pair.client, PING) for _ in range(2))
    pair.server.receive_datagram(newer, elsewhere, now=pair.now)
    assert pair.server.peer_address == elsewhere
    pair.server.receive_datagram(older, FROM_CLIENT, now=pair.now)
    assert pair.server.peer_address == elsewhere


def test_stop_sending_is_answered_with_its_code(pair: Pair) -> None:
    """RFC 9000, 3.5; and 3.3: after a reset no data follows."""
    pair.server.send_stream_data(1, bytes(100_000))
    pair.drive_server()
    reset: list[int] = []
    written = pair.server._write_reset_stream_frame

    def write(builder: object, stream: object) -> None:
        reset.append(stream.sender.get_reset_frame().error_code)  # type: ignore[attr-defined]
        written(builder, stream)  # type: ignore[arg-type]

    pair.server._write_reset_stream_frame = write  # type: ignore[method-assign]
    data = frames_sent(pair, "stream")
    assert inject(pair, frame(0x05, 1, 77)) is None
    pair.run_for(2.0)
    assert reset
    assert set(reset) == {77}
    assert not data


def test_a_close_by_the_application_is_none_of_the_handshakes(certs: Path) -> None:
    """RFC 9000, 10.2.3: what it says must not be read by others."""
    pair = Pair(client_configuration(certs), server_configuration(certs))
    pair.connect()
    pair.client.close(error_code=0x42, reason_phrase="secret")
    pair.drive_client()
    pair.run_until(lambda: pair._server is not None and pair.server.is_ending)
    ending = pair.server.ending
    assert ending is not None
    assert (ending.error_code, ending.frame_type) == (
        QuicErrorCode.APPLICATION_ERROR,
        QuicFrameType.PADDING,
    )
    assert ending.reason_phrase == ""


def test_a_client_without_an_answer_gives_up(certs: Path) -> None:
    pair = Pair(client_configuration(certs, idle_timeout=10.0), server_configuration(certs))
    pair.to_server.drops = lambda *_: True
    pair.connect()
    pair.run_until(lambda: pair.client.is_ending, limit_s=15.0)
    sizes = {len(data) for _, data in pair.to_server.sent}
    assert sizes == {1200}
    assert 8 <= len(pair.to_server.sent) <= 16


def test_a_server_sends_no_more_than_three_times_what_came(certs: Path) -> None:
    """RFC 9000, 8.1, over several probe timeouts."""
    pair = Pair(client_configuration(certs), server_configuration(certs))
    pair.connect()
    pair.run_until(lambda: pair._server is not None)
    pair.to_server.drops = lambda *_: True
    pair.run_for(8.0)
    received = len(pair.to_server.sent[0][1])
    assert sum(len(data) for _, data in pair.to_client.sent) <= 3 * received
