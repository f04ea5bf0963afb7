"""RFC 8999, 6: Version Negotiation packets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import goes_on, shows
from quicmatrix.testcases.conformance.model import CLIENT, SERVER, case
from quicmatrix.testcases.conformance.openings import (
    OTHER_VERSION,
    UNKNOWN_VERSION,
    unknown_version,
    version_negotiation,
)
from quicmatrix.testcases.conformance.replies import version_negotiations
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


def lists_other_versions(exchange: Exchange) -> Iterator[Finding]:
    """A list of versions without the one that was asked for."""
    for packet in version_negotiations(exchange):
        if UNKNOWN_VERSION in packet.supported_versions:
            yield Violation(f"it lists {UNKNOWN_VERSION:#010x}", packet, exchange.stimulus)
        else:
            yield Held(packet)


@case(
    "rfc8999/6/list-without-the-version-asked-for",
    Level.MAY,
    rows="S-38",
    roles=SERVER,
    expects=shows(lists_other_versions),
)
async def list_without_the_version_asked_for(tester: Tester) -> None:
    """The version that a Version Negotiation packet rejects is not among those it lists."""
    tester.send(unknown_version(), tester.new_path(), step="stimulus")
    await tester.answers()
    await tester.connected()


@case(
    "rfc8999/6/no-version-in-the-list",
    Level.MUST,
    rows="C-11",
    roles=CLIENT,
    expects=goes_on(),
)
async def no_version_in_the_list(tester: Tester) -> None:
    """A Version Negotiation packet that lists no version is ignored."""
    first = await tester.initial()
    tester.send(version_negotiation(first), first.address, step="stimulus")
    await tester.connected(first=first)


@case(
    "rfc8999/6/truncated-version-in-the-list",
    Level.MUST,
    rows="C-11",
    roles=CLIENT,
    expects=goes_on(),
)
async def truncated_version_in_the_list(tester: Tester) -> None:
    """A Version Negotiation packet whose last version is truncated is ignored."""
    first = await tester.initial()
    negotiation = version_negotiation(first, UNKNOWN_VERSION, OTHER_VERSION)
    tester.send(negotiation[:-1], first.address, step="stimulus")
    await tester.connected(first=first)
