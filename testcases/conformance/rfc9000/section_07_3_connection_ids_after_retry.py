"""RFC 9000, 7.3: authenticating connection IDs, after a Retry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.runner.trace.model import EncryptedExtensions, PacketType
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import shows
from quicmatrix.testcases.conformance.model import RETRY, SERVER, case
from quicmatrix.testcases.conformance.replies import stimulus_header
from quicmatrix.testcases.conformance.rfc9000.section_17_2_5_retry_packet import retries
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


def authenticates_connection_ids(exchange: Exchange) -> Iterator[Finding]:
    """The three connection IDs in the transport parameters are those of the packets."""
    asked = stimulus_header(exchange)
    sources = {one.scid for one in exchange.after if one.type is PacketType.INITIAL}
    sent = {one.scid for one in retries(exchange)}
    for packet in exchange.after:
        for message in packet.tls:
            if isinstance(message, EncryptedExtensions):
                these = message.transport_parameters
                if these.original_destination_connection_id != asked.dcid:
                    yield Violation(
                        "original_destination_connection_id is not the first one", packet
                    )
                elif these.retry_source_connection_id not in sent:
                    yield Violation("retry_source_connection_id is not that of its Retry", packet)
                elif these.initial_source_connection_id not in sources:
                    yield Violation(
                        "initial_source_connection_id is not that of its Initial", packet
                    )
                else:
                    yield Held(packet, asked)


@case(
    "rfc9000/7.3/connection-ids-after-retry",
    Level.MUST,
    rows="S-29",
    roles=SERVER,
    flow=RETRY,
    expects=shows(authenticates_connection_ids),
)
async def connection_ids_after_retry(tester: Tester) -> None:
    """After a Retry the server's transport parameters have the three connection IDs in use."""
    await tester.connected(stimulus=True)
