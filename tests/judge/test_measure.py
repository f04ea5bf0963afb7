from __future__ import annotations

from dataclasses import replace

import pytest

from quicmatrix.runner.judge.measure import BUSY_P99_MS, IDLE_SHARE, measure
from quicmatrix.runner.model.attempt import AttemptRecord, LinkRecord, SideRecord
from quicmatrix.runner.model.measurement import Sample
from quicmatrix.runner.network.cross_traffic.goodput import CrossTraffic
from quicmatrix.runner.network.recording.lateness import LatenessSummary
from quicmatrix.runner.trace.model import (
    Ack,
    Capture,
    ClientHello,
    Packet,
    Side,
    Trace,
    TransportParameters,
)
from quicmatrix.testcases.measurements.rate import goodput_of
from quicmatrix.testcases.model import Observation, TestCase
from tests.support.transfers import link_log, transfer

CASE = TestCase("g", "G", "It works.", "g", "g", (), metric=goodput_of(125_000))
RECORD = AttemptRecord(
    client_name="c",
    server_name="s",
    test="g",
    scenario="",
    seed=1,
    repetition=1,
    started_at=0.0,
    duration_s=1.0,
    server_ready=True,
    client=SideRecord(),
    server=SideRecord(),
    link=LinkRecord(),
)
BESIDE_TCP = replace(RECORD, link=LinkRecord(cross_traffic=CrossTraffic(0.0, 20.0, 1, (1,))))


def test_a_sample_and_its_time_series() -> None:
    found = measure(Observation(transfer(101, 0.01), RECORD), CASE, link_log(101, 0.01))
    assert found.sample == Sample(1000.0)  # 1 Mbit in 1 s
    series = found.series
    assert series is not None
    assert len(series.quic_bytes) == 11
    assert sum(series.quic_bytes) == 101_000
    assert series.smoothed_rtt_ms[0] == pytest.approx(30)
    assert series.smoothed_rtt_ms[-1] == pytest.approx(30)
    assert max(series.queue) == 6
    assert sum(series.tcp_bytes) == sum(series.drops) == 0


def test_the_tcp_flow_s_share_is_that_of_the_transfer_s_time() -> None:
    log = link_log(101, 0.01, tcp_every_s=0.01)
    found = measure(Observation(transfer(101, 0.01), BESIDE_TCP), CASE, log)
    assert found.sample is not None
    assert found.sample.tcp_share == pytest.approx(0.5, abs=0.01)
    assert found.series is not None
    assert sum(found.series.tcp_bytes) == pytest.approx(101 * 1028, abs=2 * 1028)


def test_what_the_queue_has_no_place_for_is_counted_when_it_happens() -> None:
    log = link_log(101, 0.01, drops_at=(0.25, 0.26, 0.71))
    series = measure(Observation(transfer(101, 0.01), RECORD), CASE, log).series
    assert series is not None
    # The link is offered a packet one delay before it comes out.
    assert series.drops == (0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0)
    assert max(series.queue) == 25


def test_without_a_link_log_there_is_a_metric_all_the_same() -> None:
    found = measure(Observation(transfer(101, 0.01), BESIDE_TCP), CASE, None)
    assert found.sample == Sample(1000.0)
    assert found.series is not None
    assert found.series.queue == found.series.tcp_bytes == ()


def test_a_busy_machine_is_a_reason_to_doubt() -> None:
    def said(p99: float) -> str:
        link = LinkRecord(lateness_ms=LatenessSummary(100, 0.1, 0.1, p99, 9.0))
        found = measure(Observation(transfer(101, 0.01), replace(RECORD, link=link)), CASE, None)
        assert found.sample is not None
        return found.sample.doubt

    assert said(4.04) == "machine too busy: p99 lateness 4.0 ms"
    assert said(BUSY_P99_MS) == ""


def test_so_is_a_machine_that_is_never_idle() -> None:
    def said(idle_share: float | None) -> str:
        record = replace(RECORD, idle_share=idle_share)
        found = measure(Observation(transfer(101, 0.01), record), CASE, None)
        assert found.sample is not None
        return found.sample.doubt

    assert said(0.02) == "machine too busy: 2 % of its CPU time was idle"
    assert said(IDLE_SHARE) == said(None) == ""


def test_what_cannot_be_determined_makes_no_sample() -> None:
    empty = Trace(Capture(Side.CLIENT), Capture(Side.SERVER))
    found = measure(Observation(empty, RECORD), CASE, None)
    assert found.sample is None
    assert found.series is None
    assert found.problem == "the left capture is empty"


def test_the_rtt_is_smoothed_and_less_the_delay_that_the_client_declares() -> None:
    # The first ACK takes 30 ms; of the 50 ms of all others, the client says, 19.2 are its own.
    def slower(one: Packet) -> Packet:
        if one.sender is Side.SERVER or one.number == 0:
            return one
        (ack,) = one.frames
        assert isinstance(ack, Ack)
        later = replace(one.datagram, time=one.time + 0.02)
        return replace(one, datagram=later, frames=(replace(ack, delay=1200),))

    def last_rtt(exponent: int | None) -> float:
        seen = transfer(101, 0.01)
        packets = sorted(map(slower, seen.right.packets), key=lambda one: one.time)
        at = next(at for at, one in enumerate(packets) if one.sender is Side.CLIENT)
        parameters = TransportParameters(ack_delay_exponent=exponent)
        hello = ClientHello((), transport_parameters=parameters)
        packets[at] = replace(packets[at], tls=(hello,))
        right = replace(seen.right, packets=tuple(packets))
        series = measure(Observation(replace(seen, right=right), RECORD), CASE, None).series
        assert series is not None
        rtt = series.smoothed_rtt_ms[-1]
        assert rtt is not None
        return rtt

    assert last_rtt(4) == pytest.approx(30.8, abs=0.1)  # 1200 << 4 microseconds are the 19.2 ms
    assert last_rtt(None) == pytest.approx(40.4, abs=0.1)  # 1200 << 3 are only 9.6
