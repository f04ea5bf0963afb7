from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aioquic import tls
from aioquic._buffer import Buffer
from aioquic.quic.connection import QuicNetworkPath
from aioquic.quic.packet import QuicFrameType, pull_quic_transport_parameters
from aioquic.quic.packet_builder import QuicPacketBuilder

from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.sockets.udp import LocalAddress, PathAddress
from tests.support.injection import FROM_CLIENT, confirmed_pair, frame, short_packet
from tests.support.quic_pair import (
    CLIENT_ADDRESS,
    SERVER_ADDRESS,
    Link,
    Pair,
    client_configuration,
    server_configuration,
)
from tests.support.transfer import Sink, download

PREFERRED = ("193.167.100.100", 4443)


class Recording(Connection):
    """Remembers the frames that it writes for paths, with the path they are for."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.first_frames: dict[object, list[int]] = {}

    def _flush_builder(
        self,
        builder: QuicPacketBuilder,
        network_path: QuicNetworkPath,
        peer_cid: bytes,
        now: float,
    ) -> list[tuple[bytes, Any]]:
        types = self.first_frames.setdefault(network_path.addr, [])
        packet = builder._packet
        if packet is not None and not builder.packet_is_empty and not types:
            start = builder._packet_start + builder._header_size
            types.append(builder._buffer.data_slice(start, start + 1)[0])
        return super()._flush_builder(builder, network_path, peer_cid, now)


def transfer(certs: Path, size: int = 2_000_000) -> tuple[Pair, Sink]:
    pair = Pair(
        client_configuration(certs),
        server_configuration(certs),
        server_type=Recording,
    )
    pair.client.keep_alive_after = 0.3
    return pair, download(pair, size)


@pytest.mark.parametrize("address", [("193.167.0.100", 50001), ("193.167.0.101", 50000)])
def test_a_new_path_begins_with_a_challenge_and_works(
    certs: Path, address: tuple[str, int]
) -> None:
    pair, sink = transfer(certs)
    pair.run_until(lambda: sink.received > 500_000)
    pair.client_address = address
    pair.run_until(lambda: sink.is_finished, limit_s=10)
    server = pair.server
    assert isinstance(server, Recording)
    assert server.first_frames[address] == [QuicFrameType.PATH_CHALLENGE]
    assert server.peer_address == address


def test_the_path_that_a_client_seems_to_have_left_is_validated_too(certs: Path) -> None:
    """RFC 9000, 9.3.3; 9.5: with another connection ID. Its loss is no sign of congestion."""
    pair, sink = transfer(certs)
    pair.run_until(lambda: sink.received > 500_000)
    server, old, own = pair.server, pair.client_address, pair.server._peer_cid.cid
    pair.client_address = ("193.167.0.100", 50001)
    pair.run_until(lambda: server.peer_address == pair.client_address, limit_s=1)
    path = next(path for path in server._network_paths if path.addr == old)
    assert len(path.local_challenges) == 1
    assert path.peer_cid is not None
    assert path.peer_cid.cid != own
    sent = server._spaces[tls.Epoch.ONE_RTT].sent_packets.values()
    assert [packet.sent_bytes for packet in sent if not packet.in_flight][:1] == [1200]
    pair.run_until(lambda: sink.is_finished, limit_s=10)
    pair.run_for(1.0)
    assert server._loss.bytes_in_flight == 0


def test_a_challenge_does_not_wait_for_a_full_congestion_window(certs: Path) -> None:
    pair, sink = transfer(certs)
    pair.run_until(lambda: sink.received > 500_000)
    server = pair.server
    server._loss._cc.congestion_window = server._loss.bytes_in_flight // 2
    pair.client_address = ("193.167.0.100", 50001)
    before = len(pair.to_client.sent)
    pair.client.send_ping(uid=0)
    pair.drive_client()
    pair.run_until(lambda: server.peer_address == pair.client_address, limit_s=1)
    assert len(pair.to_client.sent) > before
    assert server._network_paths[0].local_challenge_sent


def test_congestion_control_begins_anew_at_another_host(certs: Path) -> None:
    pair, sink = transfer(certs)
    pair.run_until(lambda: sink.received > 500_000)
    before = pair.server._loss._cc
    assert pair.server.congestion_window > 20_000
    pair.client_address = ("193.167.0.101", 50000)
    pair.run_until(lambda: pair.server._loss._cc is not before, limit_s=1)
    assert pair.server.congestion_window < 20_000
    assert pair.server._loss.bytes_in_flight < 20_000
    assert pair.server.datagram_size == 1200
    pair.run_until(lambda: sink.is_finished, limit_s=10)
    pair.run_for(1.0)
    assert pair.server._loss.bytes_in_flight == 0


def test_congestion_control_goes_on_at_another_port(certs: Path) -> None:
    pair, sink = transfer(certs)
    pair.run_until(lambda: sink.received > 500_000)
    before = pair.server._loss._cc
    pair.client_address = ("193.167.0.100", 50001)
    pair.run_until(lambda: sink.is_finished, limit_s=10)
    assert pair.server._loss._cc is before
    assert pair.server.datagram_size == 1472


def test_a_preferred_address_is_offered(certs: Path) -> None:
    server = Connection(
        configuration=server_configuration(certs), original_destination_connection_id=b"original"
    )
    server.prefer(PREFERRED, ("fd00::1", 4443))
    server._version = 1
    parameters = pull_quic_transport_parameters(
        Buffer(data=server._serialize_transport_parameters())
    )
    offered = parameters.preferred_address
    assert offered is not None
    assert (offered.ipv4_address, offered.ipv6_address) == (PREFERRED, ("fd00::1", 4443))
    assert offered.connection_id == server._host_cids[1].cid
    assert server._host_cids[1].sequence_number == 1


def test_a_client_moves_to_the_preferred_address(certs: Path) -> None:
    class Preferring(Connection):
        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            self.prefer(PREFERRED, None)

    pair = Pair(client_configuration(certs), server_configuration(certs), server_type=Preferring)
    sink = download(pair, 1_000_000)
    pair.run_until(lambda: sink.is_finished, limit_s=10)
    assert pair.client.peer_address == PREFERRED
    assert pair.client._peer_cid.sequence_number == 1
    server_address = pair.server.peer_address
    assert isinstance(server_address, PathAddress)
    assert server_address.local.port == 4443


OTHER_FAMILY = ("fd00:cafe:cafe:100::100", 4443)


@pytest.mark.parametrize(
    ("ipv4", "ipv6", "has_route", "ends_at"),
    [
        (None, OTHER_FAMILY, True, OTHER_FAMILY),
        (None, OTHER_FAMILY, False, SERVER_ADDRESS),
        (PREFERRED, OTHER_FAMILY, True, PREFERRED),
        (SERVER_ADDRESS, OTHER_FAMILY, True, SERVER_ADDRESS),
        (None, ("::1", 4443), True, SERVER_ADDRESS),
        (None, ("ff02::1", 4443), True, SERVER_ADDRESS),
        (None, ("::ffff:193.167.100.100", 4443), True, SERVER_ADDRESS),
        (None, (OTHER_FAMILY[0], 0), True, SERVER_ADDRESS),
    ],
)
def test_a_preferred_address_of_the_other_family_is_taken_if_there_is_no_other(
    certs: Path,
    ipv4: tuple[str, int] | None,
    ipv6: tuple[str, int],
    has_route: bool,
    ends_at: tuple[str, int],
) -> None:
    """RFC 9000, 9.6.1; and 21.5.6 of those that could be a request forgery."""

    class Preferring(Connection):
        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            self.prefer(ipv4, ipv6)

    pair = Pair(client_configuration(certs), server_configuration(certs), server_type=Preferring)
    opened: list[tuple[str, int]] = []

    def open_path(address: tuple[str, int]) -> tuple[str, int] | None:
        opened.append(address)
        return address if has_route else None

    pair.client.open_path = open_path
    sink = download(pair, 300_000)
    pair.run_until(lambda: sink.is_finished, limit_s=10)
    assert pair.client.peer_address == ends_at
    assert bool(opened) is (ends_at == OTHER_FAMILY or not has_route)


def test_a_client_migrates_and_uses_a_new_connection_id(certs: Path) -> None:
    pair, sink = transfer(certs)
    pair.run_until(lambda: sink.received > 500_000)
    before = pair.client._peer_cid.cid
    new_home = PathAddress(SERVER_ADDRESS, LocalAddress(50002))
    assert pair.client.migrate(new_home)
    pair.client_address = (CLIENT_ADDRESS[0], 50002)
    pair.drive_client()
    pair.run_until(lambda: sink.is_finished, limit_s=10)
    assert pair.client._peer_cid.cid != before
    assert pair.client._network_paths[0].is_validated
    assert pair.client._network_paths[0].addr == new_home
    assert pair.server.peer_address == pair.client_address


def test_a_client_returns_from_where_it_cannot_be(certs: Path) -> None:
    pair, sink = transfer(certs)
    pair.run_until(lambda: sink.received > 500_000)
    assert pair.client.migrate(PathAddress(SERVER_ADDRESS, LocalAddress(50002)))
    pair.to_server = Link(drops=lambda *_: True)
    pair.drive_client()
    pair.run_for(2.0)
    pair.to_server = Link()
    pair.run_until(lambda: sink.is_finished, limit_s=20)
    assert pair.client._network_paths[0].addr == SERVER_ADDRESS


def test_nobody_migrates_before_the_handshake_is_confirmed(certs: Path) -> None:
    client = Connection(configuration=client_configuration(certs))
    assert not client.migrate(PathAddress(SERVER_ADDRESS, LocalAddress(50002)))


# --- A path whose first PATH_CHALLENGE was small (RFC 9000, 8.2.1) --------------------------------

ELSEWHERE = PathAddress((CLIENT_ADDRESS[0], 50001), FROM_CLIENT.local)


class Rebound:
    """A server whose client sends a small packet from another port, as a NAT may have it."""

    def __init__(self, certs: Path) -> None:
        self.pair = confirmed_pair(certs)
        self.server = self.pair.server
        self.receive(b"\x01")

    def receive(self, payload: bytes) -> list[bytes]:
        """What the server sends at once in answer to a packet from there."""
        packet = short_packet(self.pair.client, payload)
        self.server.receive_datagram(packet, ELSEWHERE, now=self.pair.now)
        return self.sent()

    def sent(self) -> list[bytes]:
        return [data for data, _ in self.server.datagrams_to_send(now=self.pair.now)]

    @property
    def response(self) -> bytes:
        return frame(0x1B, self.server._network_paths[0].local_challenges[-1])


def test_a_small_challenge_is_followed_by_one_of_1200_bytes(certs: Path) -> None:
    rebound = Rebound(certs)
    first = rebound.response
    assert rebound.server._network_paths[0].bytes_sent < 200
    assert not rebound.server.is_path_small, "it is not even validated"
    sent = rebound.receive(first)
    assert max(map(len, sent)) == 1200
    assert rebound.response != first
    assert rebound.server.is_path_small
    assert rebound.receive(rebound.response) is not None
    assert not rebound.server.is_path_small
    assert not rebound.server._network_paths[0].local_challenges


def test_until_it_is_answered_no_datagram_is_larger(certs: Path) -> None:
    rebound = Rebound(certs)
    rebound.receive(rebound.response)
    rebound.server.send_stream_data(1, bytes(100_000))
    sizes = set(map(len, rebound.sent()))
    assert max(sizes) == 1200
    response = rebound.response
    rebound.receive(response)
    assert 1472 in set(map(len, rebound.sent())) or rebound.server._probe_is_out


def test_a_second_challenge_that_is_lost_is_sent_again(certs: Path) -> None:
    rebound = Rebound(certs)
    rebound.receive(rebound.response)
    lost = rebound.response
    rebound.pair.to_client.drops = lambda *_: True
    rebound.pair.run_for(2.0)
    assert rebound.response != lost
    assert rebound.server.is_path_small


def test_a_challenge_of_1200_bytes_needs_no_second(certs: Path) -> None:
    pair = confirmed_pair(certs)
    packet = short_packet(pair.client, b"\x01".ljust(1150, b"\0"))
    pair.server.receive_datagram(packet, ELSEWHERE, now=pair.now)
    pair.server.datagrams_to_send(now=pair.now)
    (challenge,) = pair.server._network_paths[0].local_challenges
    response = short_packet(pair.client, frame(0x1B, challenge))
    pair.server.receive_datagram(response, ELSEWHERE, now=pair.now)
    pair.server.datagrams_to_send(now=pair.now)
    assert not pair.server.is_path_small
    assert not pair.server._network_paths[0].local_challenges
