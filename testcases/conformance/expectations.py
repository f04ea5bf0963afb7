"""What must follow from a stimulus, as requirements on what was observed. Pure.

A case violates its requirement if three things are so: its control passed in the same run (the
runner sees to that), the stimulus is in the capture, and the implementation did what it must not.
What is no violation is still graded: :class:`quicmatrix.testcases.conformance.exchange.Answer`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from quicmatrix.runner.model.attempt import Ending
from quicmatrix.runner.trace.model import (
    ClientHello,
    ConnectionClose,
    EncryptedExtensions,
    PacketType,
    Side,
    Stream,
    TransportParameters,
)
from quicmatrix.testcases.conformance.codes import ErrorCode
from quicmatrix.testcases.conformance.exchange import NO_ERRORS, Answer, Exchange, messages
from quicmatrix.testcases.conformance.model import Expectation, Sentence
from quicmatrix.testcases.model import (
    Finding,
    Held,
    Inconclusive,
    Level,
    NotExercised,
    Observation,
    Requirement,
    Violation,
)

ExchangeCheck = Callable[[Exchange], Iterator[Finding]]


def closes(code: ErrorCode, *also: ErrorCode, discards: bool = False) -> Expectation:
    """The implementation closes the connection with an error.

    That it does not go on is the case's requirement; which code it uses is another one, a SHOULD,
    since a generic code may stand for any (RFC 9000, 11; RFC 9114, 8).

    Args:
        code: The code that the RFC names.
        also: Others that it allows.
        discards: Whether it may discard the packet instead; then it must not acknowledge it.
    """

    def refused(exchange: Exchange) -> Iterator[Finding]:
        answer, packets, words = exchange.answer(code, *also)
        if answer is Answer.WENT_ON:
            if discards and not (packets := exchange.stimulus_acknowledged):
                yield Held(exchange.stimulus, message="it discards the packet", answer="discarded")
                return
            yield Violation(
                f"{words}, instead of closing the connection with {code}",
                *packets[-1:],
                exchange.stimulus,
                side=exchange.side,
                answer=answer,
            )
        else:
            yield Held(*packets, exchange.stimulus, message=words, answer=answer)

    def coded(exchange: Exchange) -> Iterator[Finding]:
        answer, packets, words = exchange.answer(code, *also)
        if answer is Answer.WENT_ON:
            yield NotExercised("the connection was not closed")
        elif answer in (Answer.EXACT_CODE, Answer.GENERIC_CODE):
            yield Held(*packets, message=words, answer=answer)
        else:
            yield Violation(
                f"{words}, instead of CONNECTION_CLOSE with {code}",
                *packets,
                exchange.stimulus,
                side=exchange.side,
                answer=answer,
            )

    def made(sentence: Sentence) -> tuple[Requirement[Observation], ...]:
        text = f"The error code is {code}, or a generic one."
        graded = replace(
            sentence, name=f"{sentence.name}#code", level=min_level(sentence.level), text=text
        )
        return requirement(sentence, refused), requirement(graded, coded)

    return made


def refuses_close(code: ErrorCode, *, discards: bool = False) -> Expectation:
    """The implementation closes the connection with an error, for a CONNECTION_CLOSE of ours.

    If it ends without an error, it has taken the CONNECTION_CLOSE as if it were right.

    Args:
        code: The code that the RFC names.
        discards: As that of :func:`closes`.
    """

    def check(exchange: Exchange) -> Iterator[Finding]:
        answer, packets, words = exchange.answer(code)
        is_discarded = answer is Answer.WENT_ON and not exchange.stimulus_acknowledged
        is_error = exchange.close is not None and exchange.close[1].error_code not in NO_ERRORS
        if is_error or (discards and is_discarded):
            yield Held(*packets, exchange.stimulus, message=words, answer=answer)
        else:
            yield Violation(
                f"{words}, instead of closing the connection with {code}",
                *packets,
                exchange.stimulus,
                side=exchange.side,
                answer=answer,
            )

    return shows(check)


def discards() -> Expectation:
    """The implementation ignores the packet: no acknowledgment, and the connection goes on."""

    def check(exchange: Exchange) -> Iterator[Finding]:
        yield from _goes_on(exchange)
        for packet in exchange.stimulus_acknowledged[:1]:
            yield Violation("it acknowledges the packet", packet, exchange.stimulus)

    return shows(check)


def ends_without_error() -> Expectation:
    """The connection goes on, or its end is no error: a client may be done."""

    def check(exchange: Exchange) -> Iterator[Finding]:
        close = exchange.close
        if close is not None and close[1].error_code in NO_ERRORS:
            yield Held(close[0], exchange.stimulus, message="it closes without an error")
        else:
            yield from _goes_on(exchange)

    return shows(check)


def acknowledges() -> Expectation:
    """The implementation acknowledges each packet with the stimulus."""

    def check(exchange: Exchange) -> Iterator[Finding]:
        stimulus = exchange.stimulus
        for step in exchange.steps("stimulus"):
            if step.number is None:
                continue
            packet = next(exchange.acknowledgments({step.number}), None)
            if packet is not None:
                yield Held(packet, stimulus)
            else:
                words = f"it does not acknowledge {step.packet} {step.number}"
                yield Violation(words, stimulus, side=exchange.side)

    return shows(check)


def goes_on() -> Expectation:
    """The implementation takes what is legal: the connection goes on."""
    return shows(_goes_on)


def drains() -> Expectation:
    """The implementation ends the connection: it sends nothing but one CONNECTION_CLOSE.

    A stateless reset is of no connection: it is legal once the draining period is over.
    """

    def check(exchange: Exchange) -> Iterator[Finding]:
        closing = [
            packet
            for packet in exchange.after
            if any(isinstance(frame, ConnectionClose) for frame in packet.frames)
        ]
        datagrams = dict.fromkeys(packet.datagram for packet in closing)
        other = [
            packet
            for packet in exchange.after
            if packet.datagram not in datagrams and packet.type is not PacketType.STATELESS_RESET
        ]
        for packet in other[:1]:
            words = f"it sends {packet.type} without CONNECTION_CLOSE"
            yield Violation(words, packet, exchange.stimulus)
        for datagram in tuple(datagrams)[1:2]:
            yield Violation("it sends CONNECTION_CLOSE again", datagram, exchange.stimulus)
        yield Held(exchange.stimulus, *closing, message="it sends nothing else")

    return shows(check)


def transfers() -> Expectation:
    """The implementation takes what is legal: it goes on, and transfers the file.

    A server has the end of an answer among what follows; a client is done.
    """

    def check(exchange: Exchange) -> Iterator[Finding]:
        yield from _goes_on(exchange)
        if exchange.side is Side.CLIENT:
            yield from client_is_done(exchange)
        elif not any(
            isinstance(frame, Stream) and frame.fin for _, frame in exchange.frames_after(Stream)
        ):
            yield Violation("it sends no file", exchange.stimulus, side=exchange.side)

    return shows(check)


def keeps(*requirements: Requirement[Observation], needs: PacketType | None = None) -> Expectation:
    """It keeps requirements that are made of every capture.

    Args:
        requirements: Those of test cases, or of what endpoints send of themselves.
        needs: A type of packet without which, after the stimulus, nothing can be told.
    """

    def check(exchange: Exchange) -> Iterator[Finding]:
        after = exchange.after
        if needs is not None and not any(packet.type is needs for packet in after):
            raise Inconclusive(f"no {needs} packet followed the stimulus")
        for requirement in requirements:
            yield from requirement(exchange.seen)

    return shows(check)


def shows(check: ExchangeCheck) -> Expectation:
    """Whatever a function over the exchange finds."""
    return lambda sentence: (requirement(sentence, check),)


def where_announced(parameter: str, expected: Expectation) -> Expectation:
    """What is expected of an implementation that has a transport parameter's extension.

    It has if it announces the parameter itself. One that refuses the handshake before it could
    announce anything is judged, too.
    """

    def applies(exchange: Exchange) -> bool:
        announced = _announced(exchange)
        return not announced or any(getattr(params, parameter) for params in announced)

    return where(applies, f"it does not announce {parameter}", expected)


def where(applies: Callable[[Exchange], bool], if_not: str, expected: Expectation) -> Expectation:
    """What is expected if something is so; else nothing is exercised, for the reason given."""

    def guarded(one: Requirement[Observation]) -> Requirement[Observation]:
        def check(seen: Observation) -> Iterator[Finding]:
            exchange = Exchange.of(seen)
            if not exchange.steps("skipped") and not applies(exchange):
                yield NotExercised(if_not)
            else:
                yield from one.check(seen)

        return replace(one, check=check)

    return lambda sentence: tuple(guarded(one) for one in expected(sentence))


def _announced(exchange: Exchange) -> list[TransportParameters]:
    capture = exchange.capture
    if exchange.side is Side.SERVER:
        return [one.transport_parameters for _, one in messages(capture, EncryptedExtensions)]
    return [one.transport_parameters for _, one in messages(capture, ClientHello)]


def client_is_done(exchange: Exchange) -> Iterator[Finding]:
    """The client has ended the connection without an error, or is gone, before the tester ended it.

    A client that waits for more acknowledges the last PING.
    """
    for packet in exchange.before_end:
        for frame in packet.frames:
            if isinstance(frame, ConnectionClose):
                if frame.error_code in NO_ERRORS:
                    yield Held(packet, exchange.stimulus, message="it is done")
                else:
                    words = f"it closes with {frame.error_code:#x}"
                    yield Violation(words, packet, exchange.stimulus)
                return
    probes = exchange.steps("probe")
    last = {step.number for step in probes[-1:] if step.number is not None}
    its = exchange.seen.record.client
    if its.ending is Ending.EXITED and not any(exchange.acknowledgments(last)):
        yield Held(exchange.stimulus, message="it is gone")
    else:
        words = "it waits for more, though it has got everything"
        yield Violation(words, exchange.stimulus, side=exchange.side)


def all_of(*expectations: Expectation) -> Expectation:
    """What several expect, as one requirement."""

    def made(sentence: Sentence) -> tuple[Requirement[Observation], ...]:
        parts = [expectation(sentence)[0] for expectation in expectations]

        def check(seen: Observation) -> Iterator[Finding]:
            for part in parts:
                yield from part.check(seen)

        return (replace(parts[0], check=check),)

    return made


def min_level(level: Level) -> Level:
    """A SHOULD of what is a MUST; what is less than that stays what it is."""
    return Level.SHOULD if level is Level.MUST else level


def _goes_on(exchange: Exchange) -> Iterator[Finding]:
    stimulus = exchange.stimulus
    if exchange.close is not None:
        packet, close = exchange.close
        yield Violation(
            f"it closes the connection with {close.error_code:#x} {close.reason}".rstrip(),
            packet,
            stimulus,
        )
        return
    if answered := exchange.probes_answered:
        yield Held(answered[0], stimulus, message="it goes on", answer=Answer.WENT_ON)
    else:
        yield Violation(
            "it does not acknowledge the PING that was sent afterwards",
            stimulus,
            side=exchange.side,
            answer=Answer.SILENCE,
        )


def requirement(sentence: Sentence, check: ExchangeCheck) -> Requirement[Observation]:
    """A requirement on what the exchange shows, which is not exercised where it does not apply."""
    return Requirement(
        sentence.name,
        sentence.level,
        sentence.citation,
        sentence.text,
        compat=False,
        check=lambda seen: _applied(check, Exchange.of(seen)),
    )


def _applied(check: ExchangeCheck, exchange: Exchange) -> Iterator[Finding]:
    """What a check finds, unless the tester found that the case does not apply."""
    if skipped := exchange.steps("skipped"):
        yield NotExercised(skipped[0].text)
    else:
        yield from check(exchange)
