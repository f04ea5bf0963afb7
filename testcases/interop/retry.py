"""retry: the server validates the client's address with a Retry packet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from quicmatrix.runner.trace.model import Crypto, PacketType, Path, Side, Trace
from quicmatrix.testcases.model import KIB, Level, TestCase, Violation, requirement
from quicmatrix.testcases.shared.crypto import CryptoBytes, with_bytes
from quicmatrix.testcases.shared.handshakes import one_handshake
from quicmatrix.testcases.shared.retries import exchanges
from quicmatrix.testcases.shared.versions import server_initials_are_version_1
from quicmatrix.testcases.shared.view import (
    View,
    arrived,
    complete,
    decrypted,
    exists,
    frames,
    never,
    readable,
    sent,
)


@requirement(Level.TEST, "interop suite", compat=True)
def server_sends_a_retry_with_a_token(trace: Trace) -> Iterator[Violation]:
    """The server sends a Retry packet, and none without a token."""
    retries = sent(trace, Side.SERVER, PacketType.RETRY)
    yield from exists(
        retries, Violation("the server sends no Retry packet", side=Side.SERVER), retries
    )
    yield from never(
        Violation("the Retry packet has no token", retry) for retry in retries if not retry.token
    )


@requirement(Level.TEST, "interop suite", compat=True)
def client_sends_a_retry_token(trace: Trace) -> Iterator[Violation]:
    """An Initial packet of the client carries the token of a Retry packet."""
    retries = arrived(trace, Side.CLIENT, PacketType.RETRY)
    initials = sent(trace, Side.CLIENT, PacketType.INITIAL)
    tokens = {retry.token for retry in retries} - {b""}
    yield from exists(
        (packet for packet in initials if packet.token in tokens),
        Violation(
            "no Initial packet of the client carries the token of a Retry",
            *retries,
            side=Side.CLIENT if tokens else Side.SERVER,
        ),
        retries,
        initials,
    )


@requirement(Level.MUST, "RFC 9000, 17.2.5.3", compat=True)
def client_does_not_reset_the_packet_number(trace: Trace) -> Iterator[Violation]:
    """The client does not reset the packet number after a Retry."""
    attempts = exchanges(trace, Side.CLIENT)
    numbered = decrypted(sent(trace, Side.CLIENT, PacketType.INITIAL))

    def breaches() -> Iterator[Violation]:
        for attempt in attempts:
            numbers = {one.number: one for one in attempt.before if one.number is not None}
            last = max(numbers, default=-1)
            for packet in attempt.after:
                if packet.number is not None and packet.number <= last:
                    yield Violation(
                        f"packet number {packet.number} follows {last}", packet, numbers[last]
                    )

    yield from never(breaches(), attempts, numbered)


@requirement(Level.MUST, "RFC 9000, 8.1.2")
def client_repeats_the_token(trace: Trace) -> Iterator[Violation]:
    """The client repeats the Retry's token in all Initial packets it sends afterwards."""
    attempts = exchanges(trace, Side.CLIENT)
    complete(attempts)  # a hidden Retry may have brought the token
    for attempt in attempts:
        for packet in attempt.after:
            if packet.token != attempt.retry.token:
                yield Violation("the token is not the Retry's", packet, attempt.retry)


@requirement(Level.MUST, "RFC 9000, 17.2.5.1")
def client_uses_the_retrys_connection_id(trace: Trace) -> Iterator[Violation]:
    """The client sends to the Retry's Source Connection ID, until the server chooses another."""
    attempts = exchanges(trace, Side.CLIENT)
    complete(attempts)  # a hidden Initial may have brought the connection ID
    chosen: dict[tuple[Path, bytes | None], int] = {}
    for answer in arrived(trace, Side.CLIENT, PacketType.INITIAL):
        chosen.setdefault((answer.path, answer.scid), answer.datagram.frame_number)
    for attempt in attempts:
        for packet in attempt.after:
            place = packet.datagram.frame_number
            if (
                packet.dcid != attempt.retry.scid
                and chosen.get((packet.path, packet.dcid), place) >= place
            ):
                yield Violation(
                    f"the Destination Connection ID is {packet.dcid.hex() or 'empty'}",
                    packet,
                    attempt.retry,
                )


@requirement(Level.MUST, "RFC 9000, 17.2.5.2")
def client_keeps_its_connection_id(trace: Trace) -> Iterator[Violation]:
    """The client does not change its Source Connection ID after a Retry."""
    attempts = exchanges(trace, Side.CLIENT)
    yield from never(
        (
            Violation("the Source Connection ID is another one", packet, attempt.retry)
            for attempt in attempts
            for packet in attempt.after
            if packet.scid != attempt.retry.dcid
        ),
        attempts,
    )


@requirement(Level.MUST, "RFC 9000, 17.2.5.3")
def client_sends_the_same_client_hello(trace: Trace) -> Iterator[Violation]:
    """The client sends the same cryptographic handshake message before and after a Retry."""
    attempts = exchanges(trace, Side.CLIENT)
    initials = readable(sent(trace, Side.CLIENT, PacketType.INITIAL))

    def breaches() -> Iterator[Violation]:
        for attempt in attempts:
            hello = CryptoBytes()
            for _, frame in with_bytes(frames(View(attempt.before), Crypto)):
                hello.add(frame)
            for packet, frame in with_bytes(frames(View(attempt.after), Crypto)):
                if hello.contradicts(frame):
                    yield Violation("the ClientHello has changed", packet, attempt.before[0])

    yield from never(breaches(), attempts, initials)


@requirement(Level.MUST, "RFC 9000, 17.2.5.1")
def server_chooses_a_new_connection_id(trace: Trace) -> Iterator[Violation]:
    """The Retry's Source Connection ID differs from what the client sent its Initial to."""
    attempts = exchanges(trace, Side.SERVER)
    yield from never(
        (
            Violation("both connection IDs are the same", retry, packet)
            for attempt in attempts
            for retry in attempt.retries
            for packet in attempt.before[:1]
            if retry.scid == packet.dcid
        ),
        attempts,
    )


@requirement(Level.MUST, "RFC 9000, 17.2.5.1")
def server_sends_one_retry_for_one_datagram(trace: Trace) -> Iterator[Violation]:
    """The server sends no more than one Retry packet in response to one datagram."""
    complete(sent(trace, Side.SERVER), arrived(trace, Side.SERVER))
    asked: dict[Path, set[int]] = {}
    answers: Counter[Path] = Counter()
    for packet in trace.near(Side.SERVER).packets:
        requests = asked.setdefault(packet.path, set())
        if packet.sender is Side.CLIENT:
            requests.add(packet.datagram.frame_number)
        elif packet.type is PacketType.RETRY:
            answers[packet.path] += 1
            if answers[packet.path] > len(requests):
                yield Violation(
                    f"it is Retry number {answers[packet.path]} after {len(requests)} datagrams",
                    packet,
                )


@requirement(Level.MUST, "RFC 9001, 5.8")
def retry_integrity_tag_is_right(trace: Trace) -> Iterator[Violation]:
    """The Retry packet carries the integrity tag of its contents."""
    retries = sent(trace, Side.SERVER, PacketType.RETRY)
    unknown = [retry for retry in retries if retry.retry_integrity_valid is None]
    verified = View(
        retries.items,
        retries.gap or (f"the integrity tag of {unknown[0]} could not be told" if unknown else ""),
    )
    yield from never(
        (
            Violation("the Retry Integrity Tag is wrong", retry)
            for retry in verified
            if retry.retry_integrity_valid is False
        ),
        verified,
    )


RETRY = TestCase(
    name="retry",
    letter="S",
    summary="The server sends a Retry, and the client completes the handshake with its token.",
    client="retry",
    server="retry",
    files=(10 * KIB,),
    requirements=(
        one_handshake,
        server_initials_are_version_1,
        server_sends_a_retry_with_a_token,
        client_sends_a_retry_token,
        client_does_not_reset_the_packet_number,
        client_repeats_the_token,
        client_uses_the_retrys_connection_id,
        client_keeps_its_connection_id,
        client_sends_the_same_client_hello,
        server_chooses_a_new_connection_id,
        server_sends_one_retry_for_one_datagram,
        retry_integrity_tag_is_right,
    ),
)
