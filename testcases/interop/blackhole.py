"""blackhole: the network is gone for two seconds in the middle of a transfer."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import PacketType, Side, Stream, Trace
from quicmatrix.testcases.model import MIB, Level, TestCase, Violation, requirement
from quicmatrix.testcases.shared.fates import fate
from quicmatrix.testcases.shared.handshakes import one_handshake
from quicmatrix.testcases.shared.versions import server_initials_are_version_1
from quicmatrix.testcases.shared.view import complete, exists, frames, sent

OUTAGE = "blackhole"
"""Why our middlebox drops datagrams in this scenario."""


@requirement(Level.TEST, "interop suite")
def outage_falls_into_the_transfer(trace: Trace) -> Iterator[Violation]:
    """The outage takes datagrams of the server, and stream data comes through before and after."""
    packets = sent(trace, Side.SERVER)
    fates = {
        datagram.frame_number: fate(datagram)
        for datagram in trace.near(Side.SERVER).datagrams
        if datagram.sender is Side.SERVER
    }
    taken = [number for number, what in fates.items() if what.dropped == OUTAGE]
    if not taken:
        complete(packets)
        yield Violation("the outage takes no datagram of the server", side=None)
        return
    data = frames(sent(trace, Side.SERVER, PacketType.ONE_RTT), Stream)
    through = [
        packet.datagram.frame_number
        for packet, _ in data
        if not fates[packet.datagram.frame_number].dropped
    ]
    yield from exists(
        (number for number in through if number < taken[0]),
        Violation("no stream data comes through before the outage", side=None),
        data,
    )
    yield from exists(
        (number for number in through if number > taken[-1]),
        Violation("no stream data comes through after the outage", side=None),
        data,
    )


BLACKHOLE = TestCase(
    name="blackhole",
    letter="B",
    summary="A transfer completes although the network is gone for 2 seconds.",
    client="transfer",
    server="transfer",
    scenario="blackhole --delay=15ms --bandwidth=10Mbps --queue=25 --on=5s --off=2s",
    files=(10 * MIB,),
    requirements=(one_handshake, server_initials_are_version_1, outage_falls_into_the_transfer),
)
