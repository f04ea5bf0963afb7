from __future__ import annotations

from pathlib import Path

import pytest
from aioquic._buffer import Buffer
from aioquic.quic.packet import pull_quic_transport_parameters, push_quic_transport_parameters

from quicmatrix.endpoint.transport.connection import Connection
from tests.support.quic_pair import Link, Pair, client_configuration, no_loss, server_configuration
from tests.support.transfer import download


@pytest.mark.parametrize(
    ("mtu", "size"), [(1500, 1472), (1499, 1392), (1420, 1392), (1400, 1280), (1300, 1200)]
)
def test_the_largest_size_that_passes_is_used(certs: Path, mtu: int, size: int) -> None:
    pair = Pair(client_configuration(certs), server_configuration(certs), to_client=Link(mtu=mtu))
    sink = download(pair, 1_000_000)
    pair.run_until(lambda: sink.is_finished)
    assert pair.server.datagram_size == size
    full = [datagram for _, datagram in pair.to_client.sent if len(datagram) == size]
    assert len(full) > 300


def test_a_lost_probe_is_no_sign_of_congestion(certs: Path) -> None:
    pair = Pair(client_configuration(certs), server_configuration(certs))
    pair.to_client.queue = 10_000
    pair.to_client.drops = lambda _, datagram: len(datagram) > 1200
    sink = download(pair, 1_000_000)
    pair.run_until(lambda: sink.is_finished)
    assert pair.to_client.dropped == 9, "three sizes, three probes each"
    assert vars(pair.server._loss._cc)["_congestion_recovery_start_time"] == 0.0


def test_a_client_that_sends_little_does_not_probe(certs: Path) -> None:
    pair = Pair(client_configuration(certs), server_configuration(certs))
    sink = download(pair, 500_000)
    pair.run_until(lambda: sink.is_finished)
    assert max(len(datagram) for _, datagram in pair.to_server.sent) == 1200


def test_nothing_is_probed_if_it_is_switched_off(certs: Path) -> None:
    class Small(Connection):
        def __init__(self, **arguments: object) -> None:
            super().__init__(**arguments)  # type: ignore[arg-type]
            self.searches_path_mtu = False

    pair = Pair(client_configuration(certs), server_configuration(certs), server_type=Small)
    sink = download(pair, 500_000)
    pair.run_until(lambda: sink.is_finished)
    assert max(len(datagram) for _, datagram in pair.to_client.sent) == 1200


@pytest.mark.parametrize("after", [200_000, 500_000, 900_000, 1_300_000])
def test_a_black_hole_is_left_and_searched_anew(certs: Path, after: int) -> None:
    """Also where small packets go on being acknowledged, so that no probe timeouts add up."""
    pair = Pair(client_configuration(certs), server_configuration(certs))
    sink = download(pair, 2_000_000)
    pair.run_until(lambda: sink.received > after)
    assert pair.server.datagram_size == 1472
    pair.to_client.mtu = 1400
    pair.client.keep_alive_after = 0.3
    pair.run_until(lambda: sink.is_finished, limit_s=5)
    assert pair.server.datagram_size == 1280


def test_the_peers_limit_holds(certs: Path) -> None:
    class Modest(Connection):
        def _serialize_transport_parameters(self) -> bytes:
            parameters = pull_quic_transport_parameters(
                Buffer(data=super()._serialize_transport_parameters())
            )
            parameters.max_udp_payload_size = 1300
            buffer = Buffer(capacity=2048)
            push_quic_transport_parameters(buffer, parameters)
            return buffer.data

    pair = Pair(client_configuration(certs), server_configuration(certs), client_type=Modest)
    sink = download(pair, 500_000)
    pair.run_until(lambda: sink.is_finished)
    assert pair.server.datagram_size == 1300
    assert max(len(datagram) for _, datagram in pair.to_client.sent) == 1300


def test_an_outage_is_survived(certs: Path) -> None:
    pair = Pair(client_configuration(certs), server_configuration(certs))
    sink = download(pair, 10 << 20)
    pair.client.keep_alive_after = 0.3
    pair.run_for(5.0)
    pair.to_client.drops = pair.to_server.drops = lambda *_: True
    pair.run_for(2.0)
    pair.to_client.drops = pair.to_server.drops = no_loss
    pair.run_until(lambda: sink.is_finished, limit_s=10.0)
    assert pair.server.datagram_size == 1472
