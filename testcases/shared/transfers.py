"""Whose it is that a transfer does not end: the sender's of lost data, or one that waits.

A stream is judged in the capture next to its sender: what was acknowledged there was delivered. All
of this applies only while the client is not done, since a connection may end with the last file.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from quicmatrix.runner.trace.model import (
    Ack,
    Capture,
    ClientHello,
    ConnectionClose,
    Crypto,
    Datagram,
    Packet,
    PacketType,
    ResetStream,
    Side,
    StopSending,
    Stream,
    Trace,
)
from quicmatrix.testcases.model import (
    Finding,
    Held,
    Inconclusive,
    Level,
    Observation,
    Violation,
    requirement,
)
from quicmatrix.testcases.shared.contract import is_done
from quicmatrix.testcases.shared.flow_control import StreamData
from quicmatrix.testcases.views.streams import Ranges, StreamType
from quicmatrix.testcases.views.view import View, arrived, complete, every, readable, sent

PATIENCE_S = 3.0
"""How long a sender may wait: three initial probe timeouts (RFC 9002, 6.2.2)."""
START_UP_S = 2.0
"""How long a client may run before it sends its first packet."""
ENOUGH_COPIES = 3
"""So many copies that arrive are no accident of the receiver's."""
MOST_COPIES = 6
"""After so many copies the time between two of them is not doubled any more."""
LEVELS = (PacketType.INITIAL, PacketType.HANDSHAKE, PacketType.ONE_RTT)
"""Packet number spaces, in the order in which a handshake reaches them."""


@requirement(Level.TEST, "RFC 9000, 13.3")
def lost_data_is_sent_again(seen: Observation) -> Iterator[Finding]:
    """While the client is not done, lost STREAM and CRYPTO data is sent until acknowledged."""
    yield from _while_not_done(seen, _lost_data(seen), *Side)


@requirement(Level.TEST, "RFC 9000, 13.2.1")
def delivered_data_is_acknowledged(seen: Observation) -> Iterator[Finding]:
    """While the client is not done, STREAM and CRYPTO data that arrives is acknowledged."""
    yield from _while_not_done(seen, _delivered_data(seen), *Side)


@requirement(Level.TEST, "RFC 9000, 4.1")
def client_raises_limits_that_stop_the_server(seen: Observation) -> Iterator[Finding]:
    """While it is not done, the client raises a flow-control limit that the server has come to."""
    yield from _while_not_done(seen, _limits_reached(seen), Side.SERVER)


@requirement(Level.TEST, "interop suite")
def server_sends_answers_to_their_end(seen: Observation) -> Iterator[Finding]:
    """While the client is not done, the server goes on with its answer to a request, to the FIN."""
    yield from _while_not_done(seen, _answers(seen), Side.SERVER)


@requirement(Level.TEST, "interop suite")
def client_is_done_when_all_is_delivered(seen: Observation) -> Iterator[Finding]:
    """The client is done with a transfer when it has acknowledged all bytes of all answers."""
    yield from _while_not_done(seen, _all_delivered(seen), Side.SERVER)


TRANSFER_ENDS = (
    delivered_data_is_acknowledged,
    lost_data_is_sent_again,
    client_raises_limits_that_stop_the_server,
    server_sends_answers_to_their_end,
    client_is_done_when_all_is_delivered,
)
"""Whose it is that a transfer does not end; at most one of them is violated for each stream."""


def _while_not_done(
    seen: Observation, findings: Iterable[Finding], *sides: Side
) -> Iterator[Finding]:
    """Those findings from what these sides sent, if the client is not done."""
    if is_done(seen.record):
        yield Held(message="the client is done")
    else:
        yield from every(findings, *(view for side in sides for view in _views(seen, side)))


def _lost_data(seen: Observation) -> Iterator[Finding]:
    for side in Side:
        for sending in _sendings(seen, side):
            for flow in sending.flows.values():
                lost = flow.unacknowledged
                if lost is None:
                    yield Held(flow.last)
                    continue
                copies = flow.copies(lost[0])
                waited_s = sending.ended_at - copies[-1].time
                if waited_s >= PATIENCE_S * 2 ** (min(len(copies), MOST_COPIES) - 1):
                    complete(*sending.views)  # another copy or an acknowledgment may be hidden
                    yield Violation(
                        f"{flow.piece(*lost)} never acknowledged, and in the last {waited_s:.1f} s "
                        "not sent again",
                        copies[-1],
                    )


def _delivered_data(seen: Observation) -> Iterator[Finding]:
    for side in Side:
        for sending in _sendings(seen, side):
            for flow in sending.flows.values():
                lost = flow.unacknowledged
                if lost is None:
                    yield Held(flow.last)
                    continue
                delivered = [one for one in flow.copies(lost[0]) if _arrives(one)]
                if len(delivered) < ENOUGH_COPIES:
                    continue
                waited_s = sending.ended_at - delivered[0].time
                if waited_s >= PATIENCE_S:
                    complete(*sending.views)  # an acknowledgment may be hidden
                    yield Violation(
                        f"{flow.piece(*lost)} delivered {len(delivered)} times, and in "
                        f"{waited_s:.1f} s never acknowledged",
                        delivered[0],
                        side=side.peer,
                    )


def _limits_reached(seen: Observation) -> Iterator[Finding]:
    for sending in _sendings(seen, Side.SERVER):
        for stream, flow in sending.answers():
            if flow.finished:
                yield Held(flow.last)
            elif limit := sending.limit_reached(stream):
                waited_s = sending.ended_at - flow.last.time
                if waited_s >= PATIENCE_S and not sending.outstanding:
                    complete(*sending.views)
                    yield Violation(
                        f"it has acknowledged all bytes up to {limit}, and does not raise it in "
                        f"{waited_s:.1f} s",
                        flow.last,
                        side=Side.CLIENT,
                    )


def _answers(seen: Observation) -> Iterator[Finding]:
    for sending in _sendings(seen, Side.SERVER):
        for stream, request in sending.requests.items():
            flow = sending.flows.get(stream)
            if reset := sending.resets.get(stream):
                yield Violation(f"it resets stream {stream}, which has a request", reset)
            elif flow and flow.finished:
                yield Held(flow.last, request)
            elif not sending.outstanding and not sending.limit_reached(stream):
                last = flow.last if flow and flow.last.time > request.time else request
                waited_s = sending.ended_at - last.time
                if waited_s >= PATIENCE_S:
                    complete(*sending.views)
                    yield Violation(
                        f"its answer on stream {stream} ends after {flow.size} bytes, "
                        f"without FIN, {waited_s:.1f} s before the end"
                        if flow
                        else f"the request on stream {stream} is not answered in {waited_s:.1f} s",
                        last,
                        side=Side.SERVER,
                    )


def _all_delivered(seen: Observation) -> Iterator[Finding]:
    answers = [
        flow
        for sending in _sendings(seen, Side.SERVER)
        for _, flow in sending.answers()
        if flow.finished
    ]
    if seen.record.www and len(answers) >= len(seen.record.www):
        last = max(answers, key=lambda flow: flow.last.time).last
        yield Violation(
            f"it has acknowledged all bytes and the FIN of {len(answers)} answers, and is not done",
            last,
            side=Side.CLIENT,
        )


@dataclass(slots=True)
class _Flow:
    """What a sender has sent of a stream; its FIN counts as one byte behind the last."""

    name: str
    carriers: list[tuple[Packet, int, int]] = field(default_factory=list)
    """The packets with a part of it, and which."""
    sent: Ranges = field(default_factory=Ranges)
    """Without the FIN."""
    acknowledged: Ranges = field(default_factory=Ranges)
    final_size: int | None = None

    @property
    def last(self) -> Packet:
        """The last packet with a part of it."""
        return self.carriers[-1][0]

    @property
    def size(self) -> int:
        """How many bytes of it were sent, from its start."""
        return max(self.sent.ends, default=0)

    @property
    def finished(self) -> bool:
        """Whether the FIN was sent, and all is acknowledged."""
        return self.final_size is not None and self.unacknowledged is None

    @property
    def unacknowledged(self) -> tuple[int, int] | None:
        """The first bytes that were sent and not acknowledged, as a half-open range."""
        end = max(end for _, _, end in self.carriers)
        start = 0
        if self.acknowledged.starts[:1] == [0]:
            start = self.acknowledged.ends[0]
        if start >= end:
            return None
        following = (*self.acknowledged.starts, end)
        return start, next(one for one in following if one > start)

    def copies(self, offset: int) -> list[Packet]:
        """The packets that carry the byte at an offset."""
        return [packet for packet, start, end in self.carriers if start <= offset < end]

    def piece(self, start: int, end: int) -> str:
        """A part of it, in words."""
        if self.final_size is not None and start == self.final_size:
            return f"the FIN of {self.name} was"
        last = end - 1 if self.final_size is None else min(end, self.final_size) - 1
        return f"bytes {start} to {last} of {self.name} were"


@dataclass(slots=True)
class _Sending:
    """All that a side sent on one connection, in the capture next to it."""

    side: Side
    views: tuple[View[Packet], View[Packet]]
    """What it sent, and what reached it."""
    ended_at: float
    """When the connection was closed, or the client ended."""
    flows: dict[int | PacketType, _Flow] = field(default_factory=dict)
    """By stream ID; CRYPTO data by packet type, as long as the peer may miss it."""
    requests: dict[int, Packet] = field(default_factory=dict)
    """For each bidirectional stream of the client the packet with its FIN."""
    resets: dict[int, Packet] = field(default_factory=dict)
    """Those that the peer did not ask for."""
    credit: StreamData | None = None
    """None if the limits are not known."""

    @property
    def outstanding(self) -> bool:
        """Whether something that it sent is not acknowledged."""
        return any(flow.unacknowledged for flow in self.flows.values())

    def answers(self) -> Iterator[tuple[int, _Flow]]:
        """What it sent on the client's bidirectional streams."""
        for stream, flow in self.flows.items():
            if isinstance(stream, int) and _is_request(stream):
                yield stream, flow

    def limit_reached(self, stream: int) -> str:
        """The limit that keeps it from sending more on a stream, in words; empty if none does.

        Raises:
            Inconclusive: The client's limits are not known.
        """
        if self.credit is None:
            raise Inconclusive("the ClientHello that sets the client's limits was not seen")
        if self.credit.ends.get(stream, 0) >= (limit := self.credit.stream_limit(stream)):
            return f"the limit of stream {stream}, {limit}"
        if self.credit.total >= self.credit.limit:
            return f"the limit of the connection, {self.credit.limit}"
        return ""


def ended_at(seen: Observation, side: Side) -> float:
    """When the client ended at the latest, in the time of the capture next to a side."""
    return max(
        seen.record.client.duration_s - START_UP_S,
        max((one.time for one in seen.trace.near(side).datagrams), default=0.0),
    )


def _views(seen: Observation, side: Side) -> tuple[View[Packet], View[Packet]]:
    """What a side sent, and what reached it undamaged."""
    trace = Trace(_authentic(seen.trace.left), _authentic(seen.trace.right))
    return readable(sent(trace, side)), readable(arrived(trace, side))


def _sendings(seen: Observation, side: Side) -> Iterator[_Sending]:
    capture = _authentic(seen.trace.near(side))
    views = _views(seen, side)
    end = ended_at(seen, side)
    connections = {one.connection: None for one in capture.packets if one.decrypted}
    for connection in connections:
        its = [one for one in capture.packets if one.connection == connection and one.decrypted]
        closed = next((one.time for one in its if _closes(one)), end)
        sending = _Sending(side, views, closed)
        account = _Account(sending)
        for packet in its:
            if packet.time > closed:
                break
            if packet.sender is side:
                account.send(packet)
            elif level := _level(packet):
                account.arrive(packet, level)
        account.close()
        yield sending


class _Account:
    """Takes in the packets of a connection, of both sides, in order."""

    def __init__(self, sending: _Sending) -> None:
        self._sending = sending
        self._acknowledged = {level: Ranges() for level in LEVELS}
        self._arriving: dict[int | PacketType, _Flow] = {}
        self._stopped: set[int] = set()
        self._reached = 0

    def send(self, packet: Packet) -> None:
        """Take in what the sender sends."""
        sending = self._sending
        if sending.credit is not None:
            deque(sending.credit.count(packet), maxlen=0)  # its violations are another check's
        for frame in packet.frames:
            if isinstance(frame, Stream | Crypto):
                _add(sending.flows, packet, frame)
            elif isinstance(frame, ResetStream) and frame.stream_id not in self._stopped:
                sending.resets.setdefault(frame.stream_id, packet)

    def arrive(self, packet: Packet, level: PacketType) -> None:
        """Take in what reaches the sender."""
        sending = self._sending
        self._reached = max(self._reached, LEVELS.index(level))
        for message in packet.tls:
            if isinstance(message, ClientHello) and sending.credit is None:
                sending.credit = StreamData(message.transport_parameters)
        if sending.credit is not None:
            sending.credit.raise_limits(packet)
        for frame in packet.frames:
            if isinstance(frame, Ack):
                for pair in frame.ranges:
                    self._acknowledged[level].add(min(pair), max(pair) - min(pair) + 1)
            elif isinstance(frame, StopSending):
                self._stopped.add(frame.stream_id)
            elif isinstance(frame, Stream) and _is_request(frame.stream_id):
                flow = _add(self._arriving, packet, frame)
                if flow.final_size is not None and flow.sent.ends == [flow.final_size]:
                    sending.requests.setdefault(frame.stream_id, packet)

    def close(self) -> None:
        """Set what is acknowledged, and remove what needs not be."""
        flows = self._sending.flows
        # Whoever has reached a level has all CRYPTO data of those before, or could not go on.
        done: list[int | PacketType] = [*LEVELS[: self._reached]]
        for key in (*done, *self._sending.resets, *self._stopped):
            flows.pop(key, None)
        for flow in flows.values():
            for packet, start, end in flow.carriers:
                level = _level(packet)
                if level and _has(self._acknowledged[level], packet.number):
                    flow.acknowledged.add(start, end - start)


def _add(flows: dict[int | PacketType, _Flow], packet: Packet, frame: Stream | Crypto) -> _Flow:
    """Take in a frame; returns the flow that it belongs to."""
    if isinstance(frame, Stream):
        flow = flows.setdefault(frame.stream_id, _Flow(f"stream {frame.stream_id}"))
    else:
        flow = flows.setdefault(packet.type, _Flow(f"the CRYPTO data in {packet.type} packets"))
    end = frame.offset + frame.length
    is_fin = isinstance(frame, Stream) and frame.fin
    if is_fin:
        flow.final_size = end
    flow.sent.add(frame.offset, frame.length)
    flow.carriers.append((packet, frame.offset, end + is_fin))
    return flow


def _level(packet: Packet) -> PacketType | None:
    """Its packet number space."""
    kind = PacketType.ONE_RTT if packet.type is PacketType.ZERO_RTT else packet.type
    return kind if kind in LEVELS else None


def _has(numbers: Ranges, number: int | None) -> bool:
    if number is None:
        return False
    at = bisect_right(numbers.starts, number) - 1
    return at >= 0 and number < numbers.ends[at]


def _is_request(stream: int) -> bool:
    return StreamType.of(stream) is StreamType.CLIENT_BIDIRECTIONAL


def _closes(packet: Packet) -> bool:
    return any(isinstance(frame, ConnectionClose) for frame in packet.frames)


def _arrives(packet: Packet) -> bool:
    """Whether the link is known to have delivered a packet, and undamaged."""
    fate = packet.datagram.fate
    return fate is not None and not fate.dropped and not fate.corrupted


def _authentic(capture: Capture) -> Capture:
    """A capture without what was damaged on the way to its side, and so was nothing to it."""

    def kept(datagram: Datagram) -> bool:
        fate = datagram.fate
        return datagram.sender is capture.side or fate is None or not fate.corrupted

    return replace(
        capture,
        datagrams=tuple(one for one in capture.datagrams if kept(one)),
        packets=tuple(one for one in capture.packets if kept(one.datagram)),
    )
