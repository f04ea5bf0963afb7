"""RFC 9369, 4.1: Retry packets, and the version that they are of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester.tester import random_id
from quicmatrix.runner.trace.model import VERSION_1, VERSION_2
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import shows
from quicmatrix.testcases.conformance.model import CLIENT, RETRY, SERVER, case
from quicmatrix.testcases.conformance.openings import retry
from quicmatrix.testcases.conformance.rfc9000.section_17_2_5_2_handling_retry import IGNORES
from quicmatrix.testcases.conformance.rfc9000.section_17_2_5_retry_packet import retries
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


def stays_in_the_version(exchange: Exchange) -> Iterator[Finding]:
    """Retry packets of the client's first version."""
    for packet in retries(exchange):
        if packet.version != VERSION_1:
            yield Violation(f"it is of version {packet.version:#010x}", packet, exchange.stimulus)
        else:
            yield Held(packet)


@case(
    "rfc9369/4.1/retry-in-the-original-version",
    Level.MUST,
    rows="X-05",
    roles=SERVER,
    flow=RETRY,
    expects=shows(stays_in_the_version),
)
async def retry_in_the_original_version(tester: Tester) -> None:
    """A server sends Retry packets in the version of the client's first Initial."""
    await tester.connected(stimulus=True)


@case(
    "rfc9369/4.1/retry-in-another-version",
    Level.MUST,
    rows="X-05",
    roles=CLIENT,
    expects=IGNORES,
)
async def retry_in_another_version(tester: Tester) -> None:
    """A client ignores Retry packets of another version than that of its first Initial."""
    first = await tester.initial()
    tester.send(retry(first, random_id(), version=VERSION_2), first.address, step="stimulus")
    await tester.connected(first=first)
