from __future__ import annotations

from pathlib import Path

import pytest
from aioquic.quic.recovery import QuicPacketPacer

from quicmatrix.endpoint.transport.packets.recovery import MOST_PACKETS, QUANTUM_S, QuantumPacer
from tests.support.quic_pair import (
    Link,
    Pair,
    client_configuration,
    random_loss,
    server_configuration,
)
from tests.support.transfer import download

PACKET = 1200


def sent_until(pacer: QuicPacketPacer, seconds: float) -> tuple[int, list[int]]:
    """Send whenever it may; how many packets in all, and how many at each wake-up."""
    now, bursts = 1000.0, [0]
    end = now + seconds
    pacer.update_bucket(now=now)
    while now < end:
        due = pacer.next_send_time(now)
        if due is None:
            pacer.update_after_send(now=now)
            bursts[-1] += 1
        else:
            now = due
            bursts.append(0)
    return sum(bursts), bursts


@pytest.mark.parametrize(
    ("window", "round_trip", "most"),
    [(40_000, 0.03, 8), (200_000, 0.01, 16), (400_000, 0.001, MOST_PACKETS)],
)
def test_the_rate_is_kept_and_bursts_are_bounded(window: int, round_trip: float, most: int) -> None:
    pacer = QuantumPacer(max_datagram_size=PACKET)
    pacer.update_rate(congestion_window=window, smoothed_rtt=round_trip)
    packets, bursts = sent_until(pacer, 1.0)
    theirs = QuicPacketPacer(max_datagram_size=PACKET)
    theirs.update_rate(congestion_window=window, smoothed_rtt=round_trip)
    assert 0.9 * window / round_trip / PACKET < packets <= 1.1 * sent_until(theirs, 1.0)[0]
    assert max(bursts) <= most + 1


def test_a_fast_path_wakes_up_rarely() -> None:
    """aioquic's own pacer wakes up for each packet: 33,000 times here."""
    pacer = QuantumPacer(max_datagram_size=PACKET)
    pacer.update_rate(congestion_window=40_000, smoothed_rtt=0.001)
    _, bursts = sent_until(pacer, 1.0)
    assert len(bursts) <= 2 / QUANTUM_S + 2


def test_a_first_flight_does_not_wait() -> None:
    pacer = QuantumPacer(max_datagram_size=PACKET)
    pacer.update_rate(congestion_window=12_000, smoothed_rtt=0.001)
    assert pacer.next_send_time(1000.0) is None
    pacer.update_after_send(now=1000.0)
    pacer.update_rate(congestion_window=12_000, smoothed_rtt=0.001)
    for _ in range(MOST_PACKETS):
        pacer.update_after_send(now=1000.0)
    assert pacer.next_send_time(1000.0) is not None


def test_losses_are_counted(certs: Path) -> None:
    link = Link(drops=random_loss(0.02, seed=1))
    pair = Pair(client_configuration(certs), server_configuration(certs), to_client=link)
    sink = download(pair, 500_000)
    pair.run_until(lambda: sink.is_finished)
    pair.run_for(1.0)
    assert 0 < pair.server.packets_lost <= 2 * pair.to_client.dropped
    assert pair.client.packets_lost == 0


def test_without_loss_there_is_none(certs: Path) -> None:
    link = Link(queue=10_000)
    pair = Pair(client_configuration(certs), server_configuration(certs), to_client=link)
    sink = download(pair, 500_000)
    pair.run_until(lambda: sink.is_finished)
    assert pair.server.packets_lost == 0


class Reordering(Link):
    """Every fiftieth datagram is late by 10 ms, which is some eight packets."""

    def carry(self, datagram: bytes, now: float) -> float | None:
        arrival = super().carry(datagram, now)
        if arrival is None or len(self.sent) % 50:
            return arrival
        return arrival + 0.010


def test_a_path_that_reorders_is_learnt(certs: Path) -> None:
    """With the fixed thresholds of RFC 9002 it takes three times as long."""
    link = Reordering()
    pair = Pair(client_configuration(certs), server_configuration(certs), to_client=link)
    sink = download(pair, 4_000_000)
    pair.run_until(lambda: sink.is_finished, limit_s=6)
    assert 0 < pair.server.packets_lost_spuriously < 20
