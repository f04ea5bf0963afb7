"""retry: the server validates the client's address with a Retry packet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from quicmatrix.runner.trace.model import Crypto, PacketType, Path, Side, Trace
from quicmatrix.testcases.model import (
    KIB,
    Finding,
    Held,
    Level,
    Observation,
    TestCase,
    Violation,
    requirement,
)
from quicmatrix.testcases.shared.closing import no_side_closes_with_an_error
from quicmatrix.testcases.shared.connection_ids import server_keeps_its_source_connection_id
from quicmatrix.testcases.shared.contract import ATTEMPT_IS_MADE, CLIENT_IS_DONE
from quicmatrix.testcases.shared.handshakes import one_handshake
from quicmatrix.testcases.shared.transfers import TRANSFER_ENDS
from quicmatrix.testcases.shared.versions import server_initials_are_version_1
from quicmatrix.testcases.views.crypto import CryptoBytes, with_bytes
from quicmatrix.testcases.views.differences import first_difference
from quicmatrix.testcases.views.retries import exchanges
from quicmatrix.testcases.views.view import (
    View,
    arrived,
    complete,
    decrypted,
    every,
    exists,
    frames,
    never,
    readable,
    sent,
)


@requirement(Level.TEST, "interop suite", compat=True)
def server_sends_a_retry_with_a_token(seen: Observation) -> Iterator[Finding]:
    """The server sends a Retry packet, and none without a token."""
    retries = sent(seen.trace, Side.SERVER, PacketType.RETRY)
    yield from exists(
        retries, Violation("the server sends no Retry packet", side=Side.SERVER), retries
    )
    yield from never(
        Violation("the Retry packet has no token", retry) for retry in retries if not retry.token
    )


@requirement(Level.TEST, "interop suite", compat=True)
def client_sends_a_retry_token(seen: Observation) -> Iterator[Finding]:
    """An Initial packet of the client carries the token of a Retry packet."""
    retries = arrived(seen.trace, Side.CLIENT, PacketType.RETRY)
    initials = sent(seen.trace, Side.CLIENT, PacketType.INITIAL)
    tokens = {retry.token for retry in retries} - {b""}
    other = next((one for one in initials if one.token), None)
    where = ""
    if tokens and other:
        # Only the last Retry can have been meant where there are several.
        where = f": {first_difference(retries.items[-1].token, other.token)}"
    yield from exists(
        (packet for packet in initials if packet.token in tokens),
        Violation(
            f"no Initial packet of the client carries the token of a Retry{where}",
            *retries,
            side=Side.CLIENT if tokens else Side.SERVER,
        ),
        retries,
        initials,
    )


@requirement(Level.MUST, "RFC 9000, 17.2.5.3", compat=True)
def client_does_not_reset_the_packet_number(seen: Observation) -> Iterator[Finding]:
    """The client does not reset the packet number after a Retry."""
    attempts = exchanges(seen.trace, Side.CLIENT)
    numbered = decrypted(sent(seen.trace, Side.CLIENT, PacketType.INITIAL))

    def findings() -> Iterator[Finding]:
        for attempt in attempts:
            numbers = {one.number: one for one in attempt.before if one.number is not None}
            for packet in attempt.after:
                if packet.number is None or not numbers:
                    continue
                if packet.number > (last := max(numbers)):
                    yield Held(packet, numbers[last])
                else:
                    yield Violation(
                        f"packet number {packet.number} follows {last}", packet, numbers[last]
                    )

    yield from every(findings(), attempts, numbered)


@requirement(Level.MUST, "RFC 9000, 8.1.2")
def client_repeats_the_token(seen: Observation) -> Iterator[Finding]:
    """The client repeats the Retry's token in all Initial packets it sends afterwards."""
    attempts = exchanges(seen.trace, Side.CLIENT)
    complete(attempts)  # a hidden Retry may have brought the token
    for attempt in attempts:
        for packet in attempt.after:
            if packet.token == attempt.retry.token:
                yield Held(packet, attempt.retry)
            else:
                where = first_difference(attempt.retry.token, packet.token)
                yield Violation(f"the token is not the Retry's: {where}", packet, attempt.retry)


@requirement(Level.MUST, "RFC 9000, 17.2.5.1")
def client_uses_the_retrys_connection_id(seen: Observation) -> Iterator[Finding]:
    """The client sends to the Retry's Source Connection ID, until the server chooses another."""
    attempts = exchanges(seen.trace, Side.CLIENT)
    complete(attempts)  # a hidden Initial may have brought the connection ID
    chosen: dict[tuple[Path, bytes | None], int] = {}
    for answer in arrived(seen.trace, Side.CLIENT, PacketType.INITIAL):
        chosen.setdefault((answer.path, answer.scid), answer.datagram.frame_number)
    for attempt in attempts:
        for packet in attempt.after:
            place = packet.datagram.frame_number
            if packet.dcid == attempt.retry.scid:
                yield Held(packet, attempt.retry)
            elif chosen.get((packet.path, packet.dcid), place) >= place:
                yield Violation(
                    f"the Destination Connection ID is {packet.dcid.hex() or 'empty'}",
                    packet,
                    attempt.retry,
                )


@requirement(Level.MUST, "RFC 9000, 17.2.5.2")
def client_keeps_its_connection_id(seen: Observation) -> Iterator[Finding]:
    """The client does not change its Source Connection ID after a Retry."""
    attempts = exchanges(seen.trace, Side.CLIENT)
    yield from every(
        (
            Held(packet, attempt.retry)
            if packet.scid == attempt.retry.dcid
            else Violation("the Source Connection ID is another one", packet, attempt.retry)
            for attempt in attempts
            for packet in attempt.after
        ),
        attempts,
    )


@requirement(Level.MUST, "RFC 9000, 17.2.5.3")
def client_sends_the_same_client_hello(seen: Observation) -> Iterator[Finding]:
    """The client sends the same cryptographic handshake message before and after a Retry."""
    attempts = exchanges(seen.trace, Side.CLIENT)
    initials = readable(sent(seen.trace, Side.CLIENT, PacketType.INITIAL))

    def findings() -> Iterator[Finding]:
        for attempt in attempts:
            hello = CryptoBytes()
            for _, frame in with_bytes(frames(View(attempt.before), Crypto)):
                hello.add(frame)
            for packet, frame in with_bytes(frames(View(attempt.after), Crypto)):
                if where := hello.contradiction(frame):
                    message = f"the ClientHello has changed: {where}"
                    yield Violation(message, packet, attempt.before[0])
                elif hello.overlaps(frame):
                    yield Held(packet, attempt.before[0])

    yield from every(findings(), attempts, initials)


@requirement(Level.MUST, "RFC 9001, 5.2")
def client_derives_its_keys_from_the_retrys_connection_id(seen: Observation) -> Iterator[Finding]:
    """The client's Initial keys after a Retry derive from the Retry's Source Connection ID."""
    yield from _keys_after_retry(seen.trace, Side.CLIENT)


@requirement(Level.MUST, "RFC 9001, 5.2")
def server_derives_its_keys_from_the_retrys_connection_id(seen: Observation) -> Iterator[Finding]:
    """The server's Initial keys after a Retry derive from the Retry's Source Connection ID."""
    yield from _keys_after_retry(seen.trace, Side.SERVER)


@requirement(Level.MUST, "RFC 9000, 17.2.5.1")
def server_chooses_a_new_connection_id(seen: Observation) -> Iterator[Finding]:
    """The Retry's Source Connection ID differs from what the client sent its Initial to."""
    attempts = exchanges(seen.trace, Side.SERVER)
    yield from every(
        (
            Held(retry, packet)
            if retry.scid != packet.dcid
            else Violation("both connection IDs are the same", retry, packet)
            for attempt in attempts
            for retry in attempt.retries
            for packet in attempt.before[:1]
        ),
        attempts,
    )


@requirement(Level.MUST, "RFC 9000, 17.2.5.1")
def server_sends_one_retry_for_one_datagram(seen: Observation) -> Iterator[Finding]:
    """The server sends no more than one Retry packet in response to one datagram."""
    complete(sent(seen.trace, Side.SERVER), arrived(seen.trace, Side.SERVER))
    asked: dict[Path, set[int]] = {}
    answers: Counter[Path] = Counter()
    for packet in seen.trace.near(Side.SERVER).packets:
        requests = asked.setdefault(packet.path, set())
        if packet.sender is Side.CLIENT:
            requests.add(packet.datagram.frame_number)
        elif packet.type is PacketType.RETRY:
            answers[packet.path] += 1
            if answers[packet.path] <= len(requests):
                yield Held(packet)
            else:
                yield Violation(
                    f"it is Retry number {answers[packet.path]} after {len(requests)} datagrams",
                    packet,
                )


@requirement(Level.MUST, "RFC 9001, 5.8")
def retry_integrity_tag_is_right(seen: Observation) -> Iterator[Finding]:
    """The Retry packet carries the integrity tag of its contents."""
    retries = sent(seen.trace, Side.SERVER, PacketType.RETRY)
    unknown = [retry for retry in retries if retry.retry_integrity_valid is None]
    verified = View(
        retries.items,
        retries.gap
        or (f"the integrity tag of {unknown[0]} could not be checked" if unknown else ""),
    )
    yield from never(
        (
            Violation("the Retry Integrity Tag is wrong", retry)
            for retry in verified
            if retry.retry_integrity_valid is False
        ),
        verified,
    )


def _keys_after_retry(trace: Trace, side: Side) -> Iterator[Finding]:
    attempts = exchanges(trace, side)
    initials = decrypted(sent(trace, side, PacketType.INITIAL))

    def findings() -> Iterator[Finding]:
        for attempt in attempts:
            start = attempt.after[0].datagram.frame_number if attempt.after else None
            for packet in initials:
                own = packet.connection == attempt.retry.connection
                if start is None or packet.datagram.frame_number < start or not own:
                    continue
                if packet.keys_cid == attempt.retry.scid:
                    yield Held(packet, attempt.retry)
                else:
                    cid = "unknown" if packet.keys_cid is None else packet.keys_cid.hex()
                    yield Violation(f"its keys derive from {cid}", packet, attempt.retry)

    yield from every(findings(), attempts, initials)


RETRY = TestCase(
    name="retry",
    letter="S",
    summary="The server sends a Retry, and the client completes the handshake with its token.",
    client="retry",
    server="retry",
    files=(10 * KIB,),
    requirements=(
        *ATTEMPT_IS_MADE,
        server_keeps_its_source_connection_id,
        server_initials_are_version_1,
        retry_integrity_tag_is_right,
        server_chooses_a_new_connection_id,
        server_sends_one_retry_for_one_datagram,
        client_does_not_reset_the_packet_number,
        client_repeats_the_token,
        client_uses_the_retrys_connection_id,
        client_keeps_its_connection_id,
        client_sends_the_same_client_hello,
        client_derives_its_keys_from_the_retrys_connection_id,
        server_derives_its_keys_from_the_retrys_connection_id,
        one_handshake,
        *TRANSFER_ENDS,
        no_side_closes_with_an_error,
        server_sends_a_retry_with_a_token,
        client_sends_a_retry_token,
        *CLIENT_IS_DONE,
    ),
)
