"""That a server sends no Retry where none is asked for."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import PacketType, Side
from quicmatrix.testcases.model import Finding, Level, Observation, Violation, requirement
from quicmatrix.testcases.views.view import never, sent


@requirement(Level.TEST, "interop suite", compat=True)
def server_sends_no_retry(seen: Observation) -> Iterator[Finding]:
    """The server sends no Retry packet."""
    packets = sent(seen.trace, Side.SERVER)
    retries = packets.where(lambda packet: packet.type is PacketType.RETRY)
    yield from never((Violation("there is a Retry packet", retry) for retry in retries), packets)
