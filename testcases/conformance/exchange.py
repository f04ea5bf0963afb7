"""What was observed of a case: the stimulus, and what the implementation did next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from quicmatrix.runner.model.attempt import Ending
from quicmatrix.runner.trace.model import (
    Ack,
    Capture,
    ConnectionClose,
    Datagram,
    Frame,
    Packet,
    PacketType,
    Side,
    Stream,
    TlsMessage,
)
from quicmatrix.testcases.conformance.codes import (
    H3_NO_ERROR,
    NO_ERROR,
    ErrorCode,
    generic_for,
)
from quicmatrix.testcases.model import Inconclusive, Observation, Step

T = TypeVar("T", bound=TlsMessage)
NO_ERRORS = (NO_ERROR.value, H3_NO_ERROR.value)


class Answer(StrEnum):
    """How an implementation answered an error, from the best to the worst."""

    EXACT_CODE = "exact code"
    GENERIC_CODE = "generic code"
    STATUS = "status 4xx"
    """Of HTTP: it answered a malformed request so (RFC 9114, 4.1.2)."""
    OTHER_CODE = "other code"
    STATELESS_RESET = "stateless reset"
    SILENCE = "silence"
    GONE = "gone"
    """Its process ended, and nothing was sent that says why."""
    WENT_ON = "went on"
    """It acknowledged what was sent on this connection afterwards."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """An observation of a case. All packets are those near the implementation under test."""

    seen: Observation
    tester: Side

    @classmethod
    def of(cls, seen: Observation) -> Exchange:
        """An observation with a tester in it.

        Raises:
            Inconclusive: There was none.
        """
        if seen.record.tester is None:
            raise Inconclusive("it was no attempt with a tester")
        return cls(seen, seen.record.tester)

    @property
    def side(self) -> Side:
        """The implementation under test."""
        return self.tester.peer

    @property
    def capture(self) -> Capture:
        """All that reached it, and all it sent.

        Raises:
            Inconclusive: The capture is damaged.
        """
        capture = self.seen.trace.near(self.side)
        if capture.damage:
            raise Inconclusive(f"the capture is damaged: {capture.damage}")
        return capture

    def steps(self, kind: str) -> tuple[Step, ...]:
        """The tester's steps of a kind, in order."""
        return tuple(step for step in self.seen.steps if step.kind == kind)

    def datagrams(self, kind: str) -> tuple[Datagram, ...]:
        """The datagrams of a kind of step, as they arrived."""
        wanted = {step.datagram for step in self.steps(kind)}
        return tuple(
            one
            for one in self.capture.datagrams
            if one.sender is self.tester and one.digest in wanted
        )

    @property
    def stimuli(self) -> tuple[Datagram, ...]:
        """The datagrams with the stimulus.

        Raises:
            Inconclusive: It did not arrive.
        """
        found = self.datagrams("stimulus")
        if not found:
            last = next((step.text for step in reversed(self.seen.steps) if step.text), "none")
            raise Inconclusive(f"the stimulus was not sent; the tester's last step: {last}")
        return found

    @property
    def stimulus(self) -> Datagram:
        """The first of them."""
        return self.stimuli[0]

    @property
    def stimulus_packets(self) -> tuple[Packet, ...]:
        """The packets in them, as they arrived."""
        digests = {one.digest for one in self.stimuli}
        return tuple(
            packet
            for packet in self.capture.packets
            if packet.sender is self.tester and packet.datagram.digest in digests
        )

    @property
    def after(self) -> tuple[Packet, ...]:
        """What the implementation sent after the first datagram with the stimulus arrived."""
        return self.sent_after(self.stimulus)

    def sent_after(self, datagram: Datagram) -> tuple[Packet, ...]:
        """What the implementation sent after a datagram arrived."""
        return tuple(
            packet
            for packet in self.capture.packets
            if packet.sender is self.side and packet.datagram.frame_number > datagram.frame_number
        )

    def frames_after(self, kind: type[Frame]) -> Iterator[tuple[Packet, Frame]]:
        """The frames of a kind in them."""
        for packet in self.after:
            for frame in packet.frames:
                if isinstance(frame, kind):
                    yield packet, frame

    def end_of_stream(self, stream_id: int) -> Packet | None:
        """The first packet of the implementation with the end of a stream."""
        for packet in self.capture.packets:
            for frame in packet.frames:
                if (
                    isinstance(frame, Stream)
                    and packet.sender is self.side
                    and frame.fin
                    and frame.stream_id == stream_id
                ):
                    return packet
        return None

    @property
    def before_end(self) -> tuple[Packet, ...]:
        """What the implementation sent before the tester ended the connection by itself."""
        known = {step.datagram for step in self.seen.steps if step.kind in ("stimulus", "sent")}
        sent: list[Packet] = []
        for packet in self.capture.packets:
            is_end = any(isinstance(frame, ConnectionClose) for frame in packet.frames)
            if packet.sender is self.side:
                sent.append(packet)
            elif is_end and packet.datagram.digest not in known:
                break
        return tuple(sent)

    @property
    def reset(self) -> Packet | None:
        """The first stateless reset after the stimulus, unless it answers the tester's own end."""
        after = set(self.after)
        return next(
            (
                packet
                for packet in self.before_end
                if packet.type is PacketType.STATELESS_RESET and packet in after
            ),
            None,
        )

    @property
    def close(self) -> tuple[Packet, ConnectionClose] | None:
        """The first CONNECTION_CLOSE after the stimulus.

        None too if it says NO_ERROR and follows a PING that was acknowledged: a client that has
        its file is done.
        """
        for packet in self.after:
            for frame in packet.frames:
                if isinstance(frame, ConnectionClose):
                    is_done = frame.error_code in NO_ERRORS and self.probes_answered
                    return None if is_done else (packet, frame)
        return None

    def numbers(self, kind: str) -> set[int]:
        """The packet numbers of a kind of step."""
        return {step.number for step in self.steps(kind) if step.number is not None}

    def acknowledgments(
        self, numbers: set[int], packets: Iterable[Packet] | None = None
    ) -> Iterator[Packet]:
        """The packets, after the stimulus unless given, that acknowledge packets of ours."""
        for packet in self.after if packets is None else packets:
            for frame in packet.frames:
                if isinstance(frame, Ack) and any(
                    low <= number <= high for low, high in frame.ranges for number in numbers
                ):
                    yield packet
                    break

    @property
    def probes_answered(self) -> tuple[Packet, ...]:
        """The packets that acknowledge a PING which was sent after the stimulus."""
        return tuple(self.acknowledgments(self.numbers("probe")))

    @property
    def stimulus_acknowledged(self) -> tuple[Packet, ...]:
        """The packets that acknowledge the stimulus itself."""
        return tuple(self.acknowledgments(self.numbers("stimulus")))

    def answer(self, code: ErrorCode, *also: ErrorCode) -> tuple[Answer, tuple[Packet, ...], str]:
        """How it answered an error that this code is for; the packets that show it, and in words.

        Raises:
            Inconclusive: The stimulus did not arrive, or packets could not be read.
        """
        if self.close is not None:
            packet, close = self.close
            return _grade(close, (code, *also)), (packet,), _named(close)
        if (reset := self.reset) is not None:
            return Answer.STATELESS_RESET, (reset,), "a stateless reset"
        if answered := self.probes_answered:
            words = "it goes on, and acknowledges a PING that was sent afterwards"
            return Answer.WENT_ON, answered[-1:], words
        unread = next((one for one in self.after if not one.decrypted), None)
        if unread is not None:
            raise Inconclusive(f"{unread} could not be decrypted")
        its = self.seen.record.side(self.side)
        if its.ending is Ending.EXITED:
            return Answer.GONE, (), "its process ended, and no packet says why"
        return Answer.SILENCE, (), "it sends nothing more"


def _grade(close: ConnectionClose, exact: tuple[ErrorCode, ...]) -> Answer:
    if any(one.is_of(close) for one in exact):
        return Answer.EXACT_CODE
    if any(one.is_of(close) for one in generic_for(exact[0])):
        return Answer.GENERIC_CODE
    return Answer.OTHER_CODE


def _named(close: ConnectionClose) -> str:
    kind = "of the application" if close.application else "of the transport"
    reason = f" {close.reason!r}" if close.reason else ""
    return f"CONNECTION_CLOSE {kind} with {close.error_code:#x}{reason}"


def messages(capture: Capture, kind: type[T]) -> Iterator[tuple[Packet, T]]:
    """The TLS messages of a kind in a capture, each with the packet that has its last byte."""
    for packet in capture.packets:
        for message in packet.tls:
            if isinstance(message, kind):
                yield packet, message
