from __future__ import annotations

from pathlib import Path

import pytest
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketSpace
from aioquic.tls import Epoch

from quicmatrix.endpoint.transport.connection import Connection
from tests.support.certificates import write_certificates
from tests.support.injection import FROM_SERVER, confirmed_pair, short_packet
from tests.support.quic_pair import START, Link, Pair, client_configuration, server_configuration


def times(link: Link, since: float) -> list[float]:
    return [time for time, _ in link.sent if time > since]


def test_a_probe_timeout_sends_two_datagrams_and_doubles(certs: Path) -> None:
    """RFC 9002, 6.2.4: at most two; and 6.2.1."""
    pair = confirmed_pair(certs)
    pair.to_server.drops = lambda *_: True
    pair.client.send_ping(uid=0)
    pair.drive_client()
    begin = pair.now
    timeout = pair.client.probe_timeout
    pair.run_for(8 * timeout)
    sent = times(pair.to_server, begin)
    assert len(sent) == 6
    assert sent[0::2] == sent[1::2], "in pairs"
    gaps = [sent[0] - begin, sent[2] - sent[0], sent[4] - sent[2]]
    assert gaps == pytest.approx([timeout, 2 * timeout, 4 * timeout], rel=0.01)


def test_a_probe_carries_the_data_that_may_be_lost(certs: Path) -> None:
    """RFC 9002, 6.2.4: either of the two is enough."""
    for survivor in (1, 2):
        pair = confirmed_pair(certs)
        pair.to_server.drops = lambda *_: True
        pair.client.send_stream_data(0, b"request")
        pair.drive_client()
        begun = len(pair.to_server.sent)
        alone = begun + survivor
        pair.to_server.drops = lambda number, _, alone=alone: number != alone  # type: ignore[misc]
        pair.run_for(0.3)
        assert len(pair.to_server.sent) >= begun + 2
        assert pair.server._streams[0].receiver.starting_offset() == len(b"request")


def test_a_large_flight_is_not_sent_twice(tmp_path: Path) -> None:
    """All outstanding handshake data is a probe already."""
    certs = write_certificates(tmp_path, extra_names=160)
    pair = Pair(client_configuration(certs), server_configuration(certs))
    pair.complete_handshake(limit_s=2.0)
    numbers = [data for _, data in pair.to_client.sent if data[0] & 0x80]
    assert sum(map(len, numbers)) < 2 * 48_000


def test_a_blocked_server_is_reached_soon(certs: Path) -> None:
    """RFC 9002, 6.2.2.1: six datagrams of the client are lost, as in amplificationlimit."""
    pair = Pair(
        client_configuration(certs),
        server_configuration(certs),
        to_server=Link(drops=lambda number, _: 2 <= number <= 7),
    )
    pair.complete_handshake(limit_s=10.0)
    assert pair.now - START < 0.5, "with one datagram for each timeout it is 1.5 s"
    assert pair.client._spaces[Epoch.HANDSHAKE].discarded


def acknowledging(connection: Connection) -> list[QuicPacketSpace]:
    """The packet number spaces that it writes ACK frames for, from now on."""
    spaces: list[QuicPacketSpace] = []
    written = connection._write_ack_frame

    def write(builder: QuicPacketBuilder, space: QuicPacketSpace, now: float) -> None:
        spaces.append(space)
        written(builder, space, now)

    connection._write_ack_frame = write  # type: ignore[method-assign]
    return spaces


def test_a_probe_of_the_handshake_acknowledges_again(certs: Path) -> None:
    """The first ACK may be lost with the data; without one the server sends its flight again."""
    pair = Pair(client_configuration(certs), server_configuration(certs))
    pair.to_server.drops = lambda number, _: number > 1
    pair.connect()
    pair.run_until(lambda: pair.client._handshake_complete)
    pair.run_until(lambda: len(pair.to_server.sent) > 2)
    pair._arrivals.clear()
    sent = len(pair.to_server.sent)
    spaces = acknowledging(pair.client)
    pair._server = None  # so that nothing else arrives
    pair.run_until(lambda: len(pair.to_server.sent) > sent + 1)
    assert spaces.count(pair.client._spaces[Epoch.HANDSHAKE]) == 2, "one in each of the two"


def test_a_probe_has_the_ack_that_is_not_due_yet(certs: Path) -> None:
    pair = confirmed_pair(certs)
    pair.to_server.drops = lambda *_: True
    pair.client.send_ping(uid=0)
    pair.drive_client()
    timer = pair.client.get_timer()
    assert timer is not None
    pair.now = timer - 0.001
    packet = short_packet(pair.server, b"\x01")
    pair.client.receive_datagram(packet, FROM_SERVER, now=pair.now)
    spaces = acknowledging(pair.client)
    pair.run_until(lambda: pair.client._loss._pto_count > 0)
    assert spaces == [pair.client._spaces[Epoch.ONE_RTT]] * 2


def test_what_the_peer_knows_to_be_acknowledged_is_not_acknowledged_again(certs: Path) -> None:
    pair = confirmed_pair(certs)
    queue = pair.client._spaces[Epoch.ONE_RTT].ack_queue
    queue.subtract(0, queue.bounds().stop)
    pair.to_server.drops = lambda *_: True
    pair.client.send_ping(uid=0)
    pair.drive_client()
    spaces = acknowledging(pair.client)
    pair.run_until(lambda: pair.client._loss._pto_count > 0)
    assert not spaces
