"""What became of an HTTP/3 message that the case is about, and what must become of it. Pure.

A message is refused by an error of its stream, which may be one of the connection (RFC 9114, 8);
a malformed request also by a status of 4xx (RFC 9114, 4.1.2). A client that refuses an answer
whose end has come has nothing left to stop, so no packet tells: it accepted the answer only if it
stored the file and exited with 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from quicmatrix.runner.trace.model import (
    ConnectionClose,
    Packet,
    ResetStream,
    Side,
    StopSending,
    Stream,
)
from quicmatrix.testcases.conformance import h3
from quicmatrix.testcases.conformance.codes import ErrorCode, generic_for
from quicmatrix.testcases.conformance.exchange import NO_ERRORS, Answer, Exchange
from quicmatrix.testcases.conformance.expectations import min_level, requirement, shows
from quicmatrix.testcases.conformance.model import Expectation, Sentence
from quicmatrix.testcases.model import (
    Finding,
    Held,
    Inconclusive,
    NotExercised,
    Observation,
    Requirement,
    Violation,
)

Graded = tuple[Answer, tuple[Packet, ...], str]
"""How it was answered; the packets that show it, and in words."""


@dataclass(frozen=True, slots=True)
class Message:
    """A request or an answer of the tester, on the stream that the stimulus is about."""

    exchange: Exchange
    stream_id: int

    @classmethod
    def of(cls, exchange: Exchange) -> Message:
        """The message in the stimulus.

        Raises:
            Inconclusive: There is none.
        """
        numbers = {datagram.frame_number for datagram in exchange.stimuli}
        for packet in exchange.capture.packets:
            if packet.sender is exchange.tester and packet.datagram.frame_number in numbers:
                for frame in packet.frames:
                    if not isinstance(frame, Stream | ResetStream | StopSending):
                        continue
                    if frame.stream_id % 4 == 0:
                        return cls(exchange, frame.stream_id)
        raise Inconclusive("the stimulus has no part of a message, or it could not be decrypted")

    @property
    def of_server(self) -> bool:
        """Whether the implementation is the server, so that the message is a request."""
        return self.exchange.side is Side.SERVER

    @property
    def abort(self) -> tuple[Packet, ResetStream | StopSending] | None:
        """The frame with which the implementation ended the message with an error."""
        kinds = (ResetStream, StopSending) if self.of_server else (StopSending,)
        for packet in self.exchange.after:
            for frame in packet.frames:
                if (
                    isinstance(frame, kinds)
                    and frame.stream_id == self.stream_id
                    and frame.error_code not in NO_ERRORS
                ):
                    return packet, frame
        return None

    @property
    def response(self) -> tuple[Packet, ...]:
        """The packets in which a server answers the request."""
        return tuple(packet for packet in self.exchange.after if self._has_data(packet))

    @property
    def status(self) -> int | None:
        """The final status with which a server answers the request; None if there is none.

        Raises:
            Inconclusive: It cannot be read.
        """
        try:
            return h3.status(h3.stream_bytes(self.response, self.stream_id))
        except ValueError as error:
            raise Inconclusive(f"the status of the response is not known: {error}") from error

    @property
    def end_taken(self) -> tuple[Packet, ...]:
        """The packets in which a client acknowledges the end of the answer, or says it is done."""
        capture = self.exchange.capture
        ends = {
            packet.number
            for packet in capture.packets
            if packet.sender is self.exchange.tester and packet.number is not None
            for frame in packet.frames
            if isinstance(frame, Stream) and frame.stream_id == self.stream_id and frame.fin
        }
        done = tuple(
            packet
            for packet, frame in self.exchange.frames_after(ConnectionClose)
            if isinstance(frame, ConnectionClose) and frame.error_code in NO_ERRORS
        )
        return (*self.exchange.acknowledgments(ends), *done)

    @property
    def is_downloaded(self) -> bool:
        """Whether the implementation is a client, and has the file that the answer carried."""
        if self.of_server:
            return False
        record = self.exchange.seen.record
        served = {file.sha256 for file in record.www if file.size}
        return any(file.sha256 in served for file in record.downloads)

    def refusal(self, code: ErrorCode) -> Graded:
        """How the message was refused with an error that this code is for.

        Raises:
            Inconclusive: The stimulus did not arrive, or packets could not be read.
        """
        close = self.exchange.close
        if close is not None and close[1].error_code not in NO_ERRORS:
            return self.exchange.answer(code)
        if self.abort is not None:
            packet, frame = self.abort
            return _grade(frame.error_code, code), (packet,), _named(frame)
        if self.of_server and (status := self.status) is not None:
            return _of_status(status), self.response[:1], f"it answers with status {status}"
        its = self.exchange.seen.record.side(self.exchange.side)
        if self.is_downloaded and its.exit_code == 0 and (end := self.end_taken):
            return Answer.WENT_ON, end[:1], "it takes the answer, and stores the file"
        answer, packets, words = self.exchange.answer(code)
        if answer is Answer.WENT_ON:
            return Answer.SILENCE, packets, "it neither accepts the message nor says an error"
        return answer, packets, words

    def _has_data(self, packet: Packet) -> bool:
        return any(
            isinstance(frame, Stream) and frame.stream_id == self.stream_id
            for frame in packet.frames
        )


def rejects_message(code: ErrorCode) -> Expectation:
    """The implementation refuses the message, which is an error of its stream.

    That it does not accept it is the case's requirement; which code it uses is another one, a
    SHOULD.
    """

    def refused(exchange: Exchange) -> Iterator[Finding]:
        message = Message.of(exchange)
        answer, packets, words = message.refusal(code)
        if answer is Answer.WENT_ON:
            yield Violation(
                f"{words}, instead of refusing the message with {code}",
                *packets,
                exchange.stimulus,
                side=exchange.side,
                answer=answer,
            )
        else:
            yield Held(*packets, exchange.stimulus, message=words, answer=answer)

    def coded(exchange: Exchange) -> Iterator[Finding]:
        message = Message.of(exchange)
        answer, packets, words = message.refusal(code)
        if answer is Answer.WENT_ON:
            yield NotExercised("the message was not refused")
        elif answer is Answer.SILENCE and not message.of_server and message.end_taken:
            yield NotExercised("the whole answer came: there was nothing left to stop")
        elif answer in (Answer.EXACT_CODE, Answer.GENERIC_CODE, Answer.STATUS):
            yield Held(*packets, message=words, answer=answer)
        else:
            yield Violation(
                f"{words}, instead of an error of the stream with {code}",
                *packets,
                exchange.stimulus,
                side=exchange.side,
                answer=answer,
            )

    def made(sentence: Sentence) -> tuple[Requirement[Observation], ...]:
        text = f"The error code is {code}, or a generic one; or the status is 4xx."
        graded = replace(
            sentence, name=f"{sentence.name}#code", level=min_level(sentence.level), text=text
        )
        return requirement(sentence, refused), requirement(graded, coded)

    return made


def takes_message() -> Expectation:
    """The implementation takes the message, which is legal.

    A server answers it with 2xx; a client takes all of it and stores the file.
    """
    return shows(_taken)


def _taken(exchange: Exchange) -> Iterator[Finding]:
    message, stimulus = Message.of(exchange), exchange.stimulus
    close, abort = exchange.close, message.abort
    if close is not None and close[1].error_code not in NO_ERRORS:
        packet, frame = close
        words = f"it closes the connection with {frame.error_code:#x} {frame.reason}".rstrip()
        yield Violation(words, packet, stimulus)
    elif abort is not None:
        yield Violation(_named(abort[1]), abort[0], stimulus)
    elif message.of_server:
        status = message.status
        if status is not None and 200 <= status < 300:
            yield Held(*message.response[:1], stimulus, message=f"status {status}")
        else:
            words = "it does not answer" if status is None else f"it answers with status {status}"
            yield Violation(words, *message.response[:1], stimulus, side=exchange.side)
    elif (end := message.end_taken) and message.is_downloaded:
        yield Held(end[0], stimulus, message="it takes the answer")
    else:
        words = "it does not store the file" if end else "it does not take the whole answer"
        yield Violation(words, *end[:1], stimulus, side=exchange.side)


def _grade(error_code: int, code: ErrorCode) -> Answer:
    if error_code == code.value:
        return Answer.EXACT_CODE
    generic = {one.value for one in generic_for(code)}
    return Answer.GENERIC_CODE if error_code in generic else Answer.OTHER_CODE


def _of_status(status: int) -> Answer:
    if 200 <= status < 300:
        return Answer.WENT_ON
    return Answer.STATUS if 400 <= status < 500 else Answer.OTHER_CODE


def _named(frame: ResetStream | StopSending) -> str:
    kind = "RESET_STREAM" if isinstance(frame, ResetStream) else "STOP_SENDING"
    return f"{kind} with {frame.error_code:#x}"
