"""amplificationlimit: a server with a long certificate chain, and a client it hears little of."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import Crypto, PacketType, Side, Trace
from quicmatrix.testcases.model import KIB, Level, TestCase, Violation, requirement
from quicmatrix.testcases.shared.amplification import (
    server_keeps_to_the_amplification_limit,
    server_stays_below_fourfold_amplification,
)
from quicmatrix.testcases.shared.handshakes import one_handshake
from quicmatrix.testcases.shared.versions import server_initials_are_version_1
from quicmatrix.testcases.shared.view import complete, frames, sent

CHAIN = 7500
"""Bytes of Handshake CRYPTO data with which a server shows that it uses the chain it was given."""


@requirement(Level.TEST, "interop suite", compat=True)
def server_sends_the_whole_chain(trace: Trace) -> Iterator[Violation]:
    """The server sends 7500 bytes or more in Handshake CRYPTO frames: the chain it was given."""
    data = frames(sent(trace, Side.SERVER, PacketType.HANDSHAKE), Crypto)
    end = max((frame.offset + frame.length for _, frame in data), default=0)
    if end < CHAIN:
        complete(data)
        yield Violation(
            f"it sends {end} bytes", *(packet for packet, _ in data.items[-1:]), side=Side.SERVER
        )


AMPLIFICATIONLIMIT = TestCase(
    name="amplificationlimit",
    letter="A",
    summary="The server waits for the client at the anti-amplification limit.",
    client="transfer",
    server="transfer",
    # The ClientHello comes through, but none of what would let the server send more.
    scenario=("droplist --delay=15ms --bandwidth=10Mbps --queue=25 --drops_to_server=2,3,4,5,6,7"),
    files=(5 * KIB,),
    certificates=9,
    filler_names=20,
    requirements=(
        one_handshake,
        server_initials_are_version_1,
        server_sends_the_whole_chain,
        server_stays_below_fourfold_amplification,
        server_keeps_to_the_amplification_limit,
    ),
)
