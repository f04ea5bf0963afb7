"""The short way of 1-RTT packets leads where aioquic's leads, at the same time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from aioquic.quic.connection import NetworkAddress, QuicConnection, QuicNetworkPath
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketSpace
from aioquic.quic.stream import QuicStream

from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.packets.ecn import Codepoint
from tests.support.injection import FROM_CLIENT, FROM_SERVER, confirmed_pair, short_packet
from tests.support.quic_pair import (
    Link,
    Pair,
    client_configuration,
    random_loss,
    server_configuration,
)
from tests.support.transfer import Sink, Source

SIZE = 400_000


class LongWay(Connection):
    """All packets are aioquic's to build and to take in."""

    def _receive_short(self, data: bytes, addr: NetworkAddress, now: float) -> bool:
        return False

    def _write_application(
        self, builder: QuicPacketBuilder, network_path: QuicNetworkPath, now: float
    ) -> None:
        QuicConnection._write_application(self, builder, network_path, now)

    def _write_stream_frame(
        self,
        builder: QuicPacketBuilder,
        space: QuicPacketSpace,
        stream: QuicStream,
        max_offset: int,
    ) -> int:
        return QuicConnection._write_stream_frame(self, builder, space, stream, max_offset)


def nothing(_pair: Pair) -> None:
    pass


def losses(pair: Pair) -> None:
    pair.to_client.drops = random_loss(0.05, 1)
    pair.to_server.drops = random_loss(0.05, 2)


def congestion(pair: Pair) -> None:
    pair.to_client.remark = lambda number, codepoint: (
        Codepoint.CE if number % 40 == 0 else codepoint
    )


def key_update(pair: Pair) -> None:
    pair.client.request_key_update()


def another_port(pair: Pair) -> None:
    pair.client_address = (pair.client_address[0], 50001)


def second_stream(pair: Pair) -> None:
    pair.server.send_stream_data(1, bytes(50_000), end_stream=True)


def small_windows(pair: Pair) -> None:
    pair.client._window.size = 20_000


def traffic(
    certs: Path, way: type[Connection], happens: Callable[[Pair], None]
) -> tuple[list[int], list[float]]:
    """Sizes and times of all datagrams of a download, in which something happens at once."""
    pair = Pair(
        client_configuration(certs),
        server_configuration(certs),
        # So fast that the size of a signature, which varies, has no influence.
        to_server=Link(bandwidth_bps=1e15),
        to_client=Link(bandwidth_bps=1e15),
        client_type=way,
        server_type=way,
    )
    pair.client_app = sink = Sink()
    pair.complete_handshake()
    pair.run_for(1.0)
    pair.server_app = Source(pair.server, SIZE)
    begun = pair.now
    for link in (pair.to_server, pair.to_client):
        link.bandwidth_bps = 10e6
        link.sent.clear()
    happens(pair)
    pair.client.send_stream_data(0, b"x", end_stream=True)
    pair.drive_client()
    pair.run_until(lambda: sink.is_finished and sink.received >= SIZE, limit_s=20)
    pair.run_for(1.0)
    sent = [*pair.to_client.sent, *pair.to_server.sent]
    return [len(datagram) for _, datagram in sent], [at - begun for at, _ in sent]


@pytest.mark.parametrize(
    "happens",
    [
        nothing,
        losses,
        congestion,
        key_update,
        another_port,
        second_stream,
        small_windows,
    ],
)
def test_both_ways_are_the_same_on_the_wire(certs: Path, happens: Callable[[Pair], None]) -> None:
    sizes, times = traffic(certs, Connection, happens)
    sizes_of_aioquic, times_of_aioquic = traffic(certs, LongWay, happens)
    assert len(sizes) > SIZE / 1472
    assert sizes == sizes_of_aioquic
    assert times == pytest.approx(times_of_aioquic, abs=1e-6)


def test_the_short_way_is_taken(certs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long_way: list[bytes] = []
    receive_datagram = QuicConnection.receive_datagram

    def received(self: QuicConnection, data: bytes, addr: NetworkAddress, now: float) -> None:
        long_way.append(data)
        receive_datagram(self, data, addr, now)

    monkeypatch.setattr(QuicConnection, "receive_datagram", received)
    sizes, _ = traffic(certs, Connection, nothing)
    assert len(sizes) > 100
    assert len(long_way) < 12, "the handshake's, and those before it is confirmed"


@pytest.mark.parametrize("to_server", [True, False])
def test_duplicates_and_damaged_packets_count_for_nothing(certs: Path, to_server: bool) -> None:
    pair = confirmed_pair(certs)
    sender, receiver, path = (
        (pair.client, pair.server, FROM_CLIENT)
        if to_server
        else (pair.server, pair.client, FROM_SERVER)
    )
    packet = short_packet(sender, b"\x01")
    receiver.receive_datagram(packet, path, now=pair.now)
    counted = receiver._packets_received
    space = receiver._application_space
    largest = space.largest_received_packet
    for again in (packet, packet[:-1] + bytes([packet[-1] ^ 1]), packet[:20]):
        receiver.receive_datagram(again, path, now=pair.now)
    assert receiver._packets_received == counted
    assert space.largest_received_packet == largest
    assert not receiver.is_ending
