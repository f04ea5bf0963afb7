"""RFC 9000, 6: version negotiation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import packets
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import shows
from quicmatrix.testcases.conformance.model import SERVER, case
from quicmatrix.testcases.conformance.openings import unknown_version
from quicmatrix.testcases.conformance.replies import no_reply, version_negotiations
from quicmatrix.testcases.model import Finding, Held, Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

RESERVED_BITS, RESERVED = 0x0F0F0F0F, 0x0A0A0A0A
"""RFC 9000, 15: 0x?a?a?a?a."""


@case(
    "rfc9000/6.1/version-negotiation-for-a-server",
    Level.MUST,
    rows="S-06",
    roles=SERVER,
    expects=no_reply(),
)
async def version_negotiation_for_a_server(tester: Tester) -> None:
    """A server does not answer a Version Negotiation packet."""
    negotiation = packets.version_negotiation(
        source_cid=os.urandom(8),
        destination_cid=os.urandom(8),
        supported_versions=[0x0A0A0A0A, *[0x3A4A5A6A] * 293],
    )
    tester.send(negotiation, tester.new_path(), step="stimulus")
    await tester.connected()


def lists_a_reserved_version(exchange: Exchange) -> Iterator[Finding]:
    """A list with a version that is reserved for being unknown."""
    for packet in version_negotiations(exchange):
        is_greased = any(one & RESERVED_BITS == RESERVED for one in packet.supported_versions)
        yield Held(packet, message=f"it lists {'a' if is_greased else 'no'} reserved version")


@case(
    "rfc9000/6.3/reserved-version-in-the-list",
    Level.MAY,
    rows="S-07",
    roles=SERVER,
    expects=shows(lists_a_reserved_version),
)
async def reserved_version_in_the_list(tester: Tester) -> None:
    """A server may list a reserved version, so that clients learn to ignore unknown ones."""
    tester.send(unknown_version(), tester.new_path(), step="stimulus")
    await tester.answers()
    await tester.connected()
