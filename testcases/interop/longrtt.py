"""longrtt: the round-trip time is longer than a client's first probe timeout."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import Crypto, Packet, PacketType, Side, Trace
from quicmatrix.testcases.model import KIB, Level, TestCase, Violation, requirement
from quicmatrix.testcases.shared.handshakes import one_handshake
from quicmatrix.testcases.shared.versions import server_initials_are_version_1
from quicmatrix.testcases.shared.view import complete, readable, sent


@requirement(Level.TEST, "interop suite", compat=True)
def client_repeats_its_client_hello(trace: Trace) -> Iterator[Violation]:
    """The client sends its ClientHello at least twice."""
    initials = readable(sent(trace, Side.CLIENT, PacketType.INITIAL))
    starts = [packet for packet in initials if _starts_a_client_hello(packet)]
    if len(starts) < 2:
        complete(initials)
        yield Violation(
            f"the client sends {len(starts)} instead of 2 or more",
            *starts,
            side=Side.CLIENT,
        )


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
    requirements=(one_handshake, server_initials_are_version_1, client_repeats_its_client_hello),
)
