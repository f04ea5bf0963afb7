"""blackhole: the network is gone for two seconds in the middle of a transfer."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import PacketType, Side, Stream
from quicmatrix.testcases.model import (
    MIB,
    Finding,
    Held,
    Level,
    NotExercised,
    Observation,
    TestCase,
    requirement,
)
from quicmatrix.testcases.shared.closing import no_side_closes_with_an_error
from quicmatrix.testcases.shared.connection_ids import server_keeps_its_source_connection_id
from quicmatrix.testcases.shared.contract import ATTEMPT_IS_MADE, CLIENT_IS_DONE
from quicmatrix.testcases.shared.fates import fate
from quicmatrix.testcases.shared.handshakes import one_handshake
from quicmatrix.testcases.shared.loss import dropped
from quicmatrix.testcases.shared.transfers import TRANSFER_ENDS
from quicmatrix.testcases.shared.versions import server_initials_are_version_1
from quicmatrix.testcases.views.view import complete, frames, sent

OUTAGE = "blackhole"
"""Why our middlebox drops datagrams in this scenario."""


@requirement(Level.TEST, "interop suite")
def outage_falls_into_the_transfer(seen: Observation) -> Iterator[Finding]:
    """The outage drops datagrams of the server, and stream data comes through before and after."""
    drops = dropped(seen.trace, Side.SERVER, OUTAGE)
    if not drops:
        complete(drops)
        yield NotExercised("the outage drops no datagram of the server")
        return
    data = frames(sent(seen.trace, Side.SERVER, PacketType.ONE_RTT), Stream)
    through = [packet for packet, _ in data if not fate(packet.datagram).dropped]
    begin, end = drops.items[0].frame_number, drops.items[-1].frame_number
    before = [packet for packet in through if packet.datagram.frame_number < begin]
    after = [packet for packet in through if packet.datagram.frame_number > end]
    if before and after:
        yield from map(Held, (*before, *after))
        return
    complete(data)
    when = "after" if before else "before"
    yield NotExercised(f"no stream data comes through {when} the outage")


BLACKHOLE = TestCase(
    name="blackhole",
    letter="B",
    summary="A transfer completes although the network is gone for 2 seconds.",
    client="transfer",
    server="transfer",
    scenario="blackhole --delay=15ms --bandwidth=10Mbps --queue=25 --on=5s --off=2s",
    files=(10 * MIB,),
    requirements=(
        *ATTEMPT_IS_MADE,
        server_keeps_its_source_connection_id,
        server_initials_are_version_1,
        one_handshake,
        *TRANSFER_ENDS,
        no_side_closes_with_an_error,
        outage_falls_into_the_transfer,
        *CLIENT_IS_DONE,
    ),
)
