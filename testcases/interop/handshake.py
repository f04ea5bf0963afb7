"""handshake: a connection is established, and a small file fetched."""

from __future__ import annotations

from collections.abc import Iterator

from runner.trace.model import PacketType, Side, Trace
from testcases.model import KIB, Level, TestCase, Violation, requirement
from testcases.shared.handshakes import one_handshake
from testcases.shared.versions import server_initials_are_version_1
from testcases.shared.view import never, sent


@requirement(Level.TEST, "interop suite", compat=True)
def server_sends_no_retry(trace: Trace) -> Iterator[Violation]:
    """The server sends no Retry packet."""
    retries = sent(trace, Side.SERVER, PacketType.RETRY)
    yield from never((Violation("there is a Retry packet", retry) for retry in retries), retries)


HANDSHAKE = TestCase(
    name="handshake",
    letter="H",
    summary="Client and server complete a handshake without a Retry.",
    client="handshake",
    server="handshake",
    files=(1 * KIB,),
    requirements=(one_handshake, server_initials_are_version_1, server_sends_no_retry),
)
