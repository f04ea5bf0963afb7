"""From an attempt at a measurement to its sample and its time series. Pure.

The series is seen from the client's side and counts from the moment when the server's first 1-RTT
packet arrived there: what came in, and what the link and the other traffic on it did meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from quicmatrix.runner.model.attempt import AttemptRecord
from quicmatrix.runner.model.measurement import Sample, TimeSeries
from quicmatrix.runner.network.impairments.fate import Direction
from quicmatrix.runner.network.recording.link_log import Delivered, LinkEntry, LinkLog
from quicmatrix.runner.trace.model import Ack, ClientHello, Packet, PacketType, Side, Trace
from quicmatrix.testcases.model import Inconclusive, Observation, TestCase

STEP_MS = 100
"""How much time each point of a series stands for."""
BUSY_P99_MS = 1.0
"""Later than this, the machine and not the link decides: at 10 Mbps, a packet's own time."""
IDLE_SHARE = 0.15
"""With less of its CPU time idle, the machine makes endpoints wait. Two measurements at a time on
two cores left 27 %."""
_UDP = 17
_TCP = 6


@dataclass(frozen=True, slots=True)
class Measured:
    """What there is to tell of one attempt at a measurement."""

    sample: Sample | None
    """None if it makes none."""
    series: TimeSeries | None
    problem: str = ""
    """Why there is no sample; empty if there is one."""


def measure(seen: Observation, test: TestCase, link_log: LinkLog | None) -> Measured:
    """What an attempt that passed gives to its measurement.

    Args:
        seen: What was recorded of it.
        test: A measurement.
        link_log: What the link did; None if that is not known.
    """
    assert test.metric is not None
    record, trace = seen.record, seen.trace
    arrivals = [
        packet
        for packet in trace.left.packets
        if packet.sender is Side.SERVER and packet.type is PacketType.ONE_RTT
    ]
    try:
        kbps = test.metric(trace)
    except Inconclusive as doubt:
        return Measured(None, None, str(doubt))
    window = _window(arrivals, link_log) if link_log and arrivals else None
    sample = Sample(
        round(kbps, 3), _tcp_share(record, window) if window else None, doubts(record, link_log)
    )
    return Measured(sample, _series(trace, arrivals, window) if arrivals else None)


def doubts(record: AttemptRecord, link_log: LinkLog | None = None) -> str:
    """Why the machine may have decided the metric; empty if it did not."""
    p99 = record.link.lateness_ms.p99
    busy = [f"machine too busy: p99 lateness {p99:.1f} ms"] if p99 > BUSY_P99_MS else []
    if record.idle_share is not None and record.idle_share < IDLE_SHARE:
        busy.append(f"machine too busy: {100 * record.idle_share:.0f} % of its CPU time was idle")
    cut = link_log.truncated if link_log else ""
    return "; ".join(busy + ([f"link log: {cut}"] if cut else []))


# --- What the link did meanwhile ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Window:
    """The link's entries towards the client during the transfer, on the log's own clock."""

    begin_ns: int
    end_ns: int
    entries: tuple[LinkEntry, ...]

    def delivered(self, protocol: int) -> Iterator[tuple[int, int]]:
        """When packets came out, since the window began, and the bytes that each had."""
        for entry in self.entries:
            if entry.protocol == protocol and isinstance(entry.fate, Delivered):
                at_ns = entry.fate.time_ns
                if self.begin_ns <= at_ns <= self.end_ns:
                    yield at_ns - self.begin_ns, entry.ip_length

    def offered(self) -> Iterator[tuple[int, LinkEntry]]:
        """When packets were offered to the link, since the window began."""
        for entry in self.entries:
            if self.begin_ns <= entry.offered_ns <= self.end_ns:
                yield entry.offered_ns - self.begin_ns, entry


def _window(arrivals: Sequence[Packet], log: LinkLog) -> _Window | None:
    """The transfer in the log. Captures and log share no clock, but datagrams' numbers."""
    entries = tuple(entry for entry in log.entries if entry.direction is Direction.TO_CLIENT)
    times = {
        entry.number: entry.fate.time_ns
        for entry in entries
        if entry.number is not None
        and isinstance(entry.fate, Delivered)
        and not entry.fate.duplicate
    }
    ends = (arrivals[0].datagram.fate, arrivals[-1].datagram.fate)
    found = [times[end.number] for end in ends if end is not None and end.number in times]
    return _Window(found[0], found[1], entries) if len(found) == 2 else None


def _tcp_share(record: AttemptRecord, window: _Window) -> float | None:
    if record.link.cross_traffic is None:
        return None
    quic, tcp = (sum(size for _, size in window.delivered(kind)) for kind in (_UDP, _TCP))
    return round(tcp / (quic + tcp), 4) if quic + tcp else None


# --- The time series -------------------------------------------------------------------------


def _series(trace: Trace, arrivals: Sequence[Packet], window: _Window | None) -> TimeSeries:
    begin = arrivals[0].time
    steps = _step(arrivals[-1].time - begin) + 1
    datagrams = {packet.datagram.frame_number: packet.datagram for packet in arrivals}
    received = ((one.time - begin, one.size) for one in datagrams.values())
    series = TimeSeries(
        STEP_MS,
        _sums(((_step(at), size) for at, size in received), steps),
        _at_step_ends(_smoothed_rtts(trace), steps),
    )
    if window is None:
        return series
    queue = [0] * steps
    drops = [0] * steps
    for at_ns, entry in window.offered():
        step = min(_step(at_ns / 1e9), steps - 1)
        queue[step] = max(queue[step], entry.waiting)
        # What the middlebox drops by chance is the scenario's, not the queue's.
        drops[step] += not isinstance(entry.fate, Delivered) and entry.fate.reason == "queue full"
    tcp = ((_step(at_ns / 1e9), size) for at_ns, size in window.delivered(_TCP))
    return TimeSeries(
        STEP_MS,
        series.quic_bytes,
        series.smoothed_rtt_ms,
        _sums(tcp, steps),
        tuple(queue),
        tuple(drops),
    )


def _step(seconds: float) -> int:
    return int(seconds * 1000 // STEP_MS)


def _sums(amounts: Iterable[tuple[int, int]], steps: int) -> tuple[int, ...]:
    sums = [0] * steps
    for step, amount in amounts:
        sums[min(step, steps - 1)] += amount
    return tuple(sums)


def _smoothed_rtts(trace: Trace) -> Iterator[tuple[float, float]]:
    """The server's smoothed RTT in ms after each sample, in seconds since its first 1-RTT packet.

    RFC 9002, 5.1 and 5.3, from the capture next to the server: a sample is the time from a packet
    to the first ACK that has it as its largest, less the delay that the client says it took.
    """
    exponent = _ack_delay_exponent(trace)
    sent: dict[int, float] = {}
    begin: float | None = None
    minimum = smoothed = 0.0
    largest = -1
    for packet in trace.right.packets:
        if packet.type is not PacketType.ONE_RTT or packet.number is None:
            continue
        if packet.sender is Side.SERVER:
            begin = packet.time if begin is None else begin
            sent[packet.number] = packet.time
            continue
        for frame in packet.frames:
            if not isinstance(frame, Ack) or frame.largest <= largest or begin is None:
                continue
            largest = frame.largest
            if largest not in sent:
                continue
            rtt = (packet.time - sent[largest]) * 1000
            minimum = min(minimum or rtt, rtt)
            delay = (frame.delay << exponent) / 1000
            adjusted = rtt - delay if rtt - delay >= minimum else rtt
            smoothed = smoothed * 7 / 8 + adjusted / 8 if smoothed else adjusted
            yield packet.time - begin, smoothed


def _ack_delay_exponent(trace: Trace) -> int:
    """Of the client: in its ClientHello's transport parameters; 3 unless said."""
    for packet in trace.right.packets:
        for message in packet.tls if packet.sender is Side.CLIENT else ():
            if isinstance(message, ClientHello):
                exponent = message.transport_parameters.ack_delay_exponent
                # RFC 9000, 18.2: values above 20 are invalid.
                return 3 if exponent is None else min(exponent, 20)
    return 3


def _at_step_ends(samples: Iterable[tuple[float, float]], steps: int) -> tuple[float | None, ...]:
    """The last of the values in each step, or before it."""
    values: list[float | None] = [None] * steps
    for at, value in samples:
        step = _step(at)
        if 0 <= step < steps:
            values[step] = round(value, 2)
    for step in range(1, steps):
        if values[step] is None:
            values[step] = values[step - 1]
    return tuple(values)
