"""amplificationlimit: a server with a long chain, and a client whose datagrams are lost."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import Crypto, PacketType, Side
from quicmatrix.testcases.model import (
    KIB,
    Finding,
    Level,
    NotExercised,
    Observation,
    TestCase,
    Violation,
    requirement,
)
from quicmatrix.testcases.shared.amplification import (
    server_keeps_to_the_amplification_limit,
    server_stays_below_fourfold_amplification,
)
from quicmatrix.testcases.shared.closing import no_side_closes_with_an_error
from quicmatrix.testcases.shared.connection_ids import server_keeps_its_source_connection_id
from quicmatrix.testcases.shared.contract import ATTEMPT_IS_MADE, CLIENT_IS_DONE
from quicmatrix.testcases.shared.handshakes import one_handshake
from quicmatrix.testcases.shared.loss import dropped
from quicmatrix.testcases.shared.transfers import TRANSFER_ENDS
from quicmatrix.testcases.shared.versions import server_initials_are_version_1
from quicmatrix.testcases.views.datagrams import AMPLIFICATION, sent_datagrams
from quicmatrix.testcases.views.view import exists, frames, sent

CHAIN = 7500
"""Bytes of Handshake CRYPTO data with which a server shows that it uses the chain it was given."""
DATAGRAM = 1200
"""Bytes of a datagram that every path carries (RFC 9000, 14)."""


@requirement(Level.TEST, "interop suite", compat=True)
def server_sends_the_whole_chain(seen: Observation) -> Iterator[Finding]:
    """The server sends 7500 bytes or more in Handshake CRYPTO frames: the chain it was given."""
    data = frames(sent(seen.trace, Side.SERVER, PacketType.HANDSHAKE), Crypto)
    ends = [(frame.offset + frame.length, packet) for packet, frame in data]
    yield from exists(
        (packet for end, packet in ends if end >= CHAIN),
        Violation(
            f"it sends {max((end for end, _ in ends), default=0)} bytes",
            *(packet for _, packet in ends[-1:]),
            side=Side.SERVER,
        ),
        data,
    )


@requirement(Level.TEST, "interop suite")
def server_reaches_the_amplification_limit(seen: Observation) -> Iterator[Finding]:
    """The server sends to the unvalidated address until no datagram of 1200 bytes may follow."""
    packets = sent(seen.trace, Side.SERVER)
    yield from exists(
        (
            one.datagram
            for one in sent_datagrams(seen.trace, Side.SERVER)
            if not one.validated and one.total + DATAGRAM > AMPLIFICATION * one.received
        ),
        NotExercised("the address is validated before"),
        packets,
    )


@requirement(Level.TEST, "interop suite")
def datagrams_of_the_client_are_dropped(seen: Observation) -> Iterator[Finding]:
    """The network drops the client's datagrams that would validate its address early."""
    drops = dropped(seen.trace, Side.CLIENT, "droplist")
    yield from exists(drops, NotExercised("no datagram of the client is dropped"), drops)


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
        *ATTEMPT_IS_MADE,
        server_keeps_its_source_connection_id,
        server_initials_are_version_1,
        one_handshake,
        *TRANSFER_ENDS,
        no_side_closes_with_an_error,
        server_sends_the_whole_chain,
        server_reaches_the_amplification_limit,
        datagrams_of_the_client_are_dropped,
        server_stays_below_fourfold_amplification,
        server_keeps_to_the_amplification_limit,
        *CLIENT_IS_DONE,
    ),
)
