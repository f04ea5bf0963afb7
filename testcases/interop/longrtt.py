"""longrtt: the round-trip time is longer than a client's first probe timeout."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import Crypto, Packet, PacketType, Side
from quicmatrix.testcases.model import (
    KIB,
    Finding,
    Held,
    Level,
    NotExercised,
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
from quicmatrix.testcases.views.view import arrived, complete, exists, readable, sent

FIRST_PROBE_TIMEOUT_S = 0.999


@requirement(Level.TEST, "interop suite", compat=True)
def client_repeats_its_client_hello(seen: Observation) -> Iterator[Finding]:
    """The client sends its ClientHello at least twice."""
    initials = readable(sent(seen.trace, Side.CLIENT, PacketType.INITIAL))
    starts = [packet for packet in initials if _starts_a_client_hello(packet)]
    yield from exists(
        starts[1:],
        Violation(
            f"the client sends {len(starts)} instead of 2 or more", *starts, side=Side.CLIENT
        ),
        initials,
    )


@requirement(Level.TEST, "interop suite")
def round_trip_outlasts_the_first_probe_timeout(seen: Observation) -> Iterator[Finding]:
    """The first packet of the server arrives more than 999 ms after the client's first departs."""
    # An initial RTT of 333 ms makes that the first probe timeout (RFC 9002, 6.2.2).
    departed = sent(seen.trace, Side.CLIENT)
    answers = arrived(seen.trace, Side.CLIENT)
    complete(departed, answers)
    for first, answer in zip(departed.items[:1], answers.items[:1], strict=False):
        round_trip_s = answer.time - first.time
        if round_trip_s > FIRST_PROBE_TIMEOUT_S:
            yield Held(first, answer)
        else:
            yield NotExercised(f"it arrives after {round_trip_s * 1000:.0f} ms")
    if not departed or not answers:
        yield NotExercised("no packet of the server arrives")


def _starts_a_client_hello(packet: Packet) -> bool:
    """Whether the first byte is in it: the whole message may need several packets."""
    return any(
        isinstance(frame, Crypto) and frame.offset == 0 and frame.length > 0
        for frame in packet.frames
    )


LONGRTT = TestCase(
    name="longrtt",
    letter="LR",
    summary="Client and server complete a handshake although the round trip takes 1.5 seconds.",
    client="handshake",
    server="handshake",
    scenario="simple-p2p --delay=750ms --bandwidth=10Mbps --queue=25",
    files=(1 * KIB,),
    requirements=(
        *ATTEMPT_IS_MADE,
        server_keeps_its_source_connection_id,
        server_initials_are_version_1,
        one_handshake,
        *TRANSFER_ENDS,
        no_side_closes_with_an_error,
        client_repeats_its_client_hello,
        round_trip_outlasts_the_first_probe_timeout,
        *CLIENT_IS_DONE,
    ),
)
