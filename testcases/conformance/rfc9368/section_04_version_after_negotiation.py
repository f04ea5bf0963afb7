"""RFC 9368, 4: the version that a connection ends up with after Version Negotiation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.runner.trace.model import VERSION_1, EncryptedExtensions
from quicmatrix.testcases.conformance.exchange import Exchange, messages
from quicmatrix.testcases.conformance.expectations import shows
from quicmatrix.testcases.conformance.model import SERVER, case
from quicmatrix.testcases.conformance.openings import unknown_version
from quicmatrix.testcases.model import Finding, Held, Level, NotExercised, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


def has_chosen_the_version_in_use(exchange: Exchange) -> Iterator[Finding]:
    """A server's version_information that says which version is in use, if it has any."""
    for packet, message in messages(exchange.capture, EncryptedExtensions):
        information = message.transport_parameters.version_information
        if packet.sender is not exchange.side:
            continue
        if information is None:
            yield NotExercised("it sends no version_information")
        elif information.chosen != (packet.version or VERSION_1):
            yield Violation(f"its Chosen Version is {information.chosen:#010x}", packet)
        else:
            yield Held(packet)


@case(
    "rfc9368/4/version-after-negotiation",
    Level.MUST,
    rows="X-03",
    roles=SERVER,
    expects=shows(has_chosen_the_version_in_use),
)
async def version_after_negotiation(tester: Tester) -> None:
    """After Version Negotiation a server's Chosen Version is that of the connection."""
    tester.send(unknown_version())
    await tester.answers()
    await tester.connected(stimulus=True)
