"""RFC 9000, 17.2.1: Version Negotiation packets."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from quicmatrix.testcases.conformance.model import SERVER, case
from quicmatrix.testcases.conformance.openings import unknown_version
from quicmatrix.testcases.conformance.replies import at_most_one_version_negotiation, echoed
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

HALF = 600


@case(
    "rfc9000/17.2.1/echoed-connection-ids",
    Level.MUST,
    rows="S-03",
    roles=SERVER,
    expects=echoed(),
)
async def echoed_connection_ids(tester: Tester) -> None:
    """A Version Negotiation packet has the connection IDs of what it answers, exchanged."""
    datagram = unknown_version(os.urandom(11), os.urandom(7))
    tester.send(datagram, tester.new_path(), step="stimulus")
    await tester.answers()
    await tester.connected()


@case(
    "rfc9000/17.2.1/two-unknown-versions-in-a-datagram",
    Level.MUST,
    rows="S-05",
    roles=SERVER,
    expects=at_most_one_version_negotiation(),
)
async def two_unknown_versions_in_a_datagram(tester: Tester) -> None:
    """One datagram is answered with one Version Negotiation packet at most."""
    destination, source = os.urandom(8), os.urandom(8)
    # Read as version 1, the Length of the first one ends where the second one begins.
    length = (HALF - 26).to_bytes(2)
    body = b"\x00" + bytes([length[0] | 0x40, length[1]])
    first = unknown_version(destination, source, size=HALF, body=body)
    second = unknown_version(destination, source, size=HALF, body=body)
    tester.send(first + second, tester.new_path(), step="stimulus")
    await tester.answers()
    await tester.connected()
