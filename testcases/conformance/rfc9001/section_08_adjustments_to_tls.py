"""RFC 9001, 8: what QUIC changes in the TLS handshake."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aioquic.quic.configuration import QuicConfiguration
from aioquic.tls import ExtensionType

from quicmatrix.endpoint.tester import flows, frames, tls_messages
from quicmatrix.endpoint.tester.connection import withholding
from quicmatrix.endpoint.tester.peer import HANDSHAKE
from quicmatrix.endpoint.tester.peer import ZERO_RTT as ZERO_RTT_PACKET
from quicmatrix.endpoint.tester.tls_messages import (
    OLD_TRANSPORT_PARAMETERS,
    TRANSPORT_PARAMETERS,
)
from quicmatrix.testcases.conformance.codes import (
    ILLEGAL_PARAMETER,
    MISSING_EXTENSION,
    NO_APPLICATION_PROTOCOL,
    PROTOCOL_VIOLATION,
    UNEXPECTED_MESSAGE,
    UNSUPPORTED_EXTENSION,
)
from quicmatrix.testcases.conformance.expectations import closes
from quicmatrix.testcases.conformance.model import CLIENT, SERVER, ZERO_RTT, case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

UNKNOWN_PROTOCOL = "not-a-protocol"


@case(
    "rfc9001/8.1/unknown-application-protocol",
    Level.MUST,
    rows="P-19",
    roles=SERVER,
    expects=closes(NO_APPLICATION_PROTOCOL),
)
async def unknown_application_protocol(tester: Tester) -> None:
    """A client that offers no application protocol of the server's is refused."""

    def offer(configuration: QuicConfiguration) -> None:
        configuration.alpn_protocols = [UNKNOWN_PROTOCOL]

    await tester.connecting(configure=offer, stimulus=True)


@case(
    "rfc9001/8.1/no-application-protocol",
    Level.MUST,
    rows="P-20 C-28",
    expects=closes(NO_APPLICATION_PROTOCOL),
)
async def no_application_protocol(tester: Tester) -> None:
    """A peer that says nothing of an application protocol is refused."""
    await tester.connecting(
        alter_message=tls_messages.without_extension(ExtensionType.ALPN), stimulus=True
    )


@case(
    "rfc9001/8.1/application-protocol-that-was-not-offered",
    Level.MUST,
    rows="C-29",
    roles=CLIENT,
    expects=closes(NO_APPLICATION_PROTOCOL, ILLEGAL_PARAMETER, UNSUPPORTED_EXTENSION),
)
async def application_protocol_that_was_not_offered(tester: Tester) -> None:
    """A server that selects an application protocol which was not offered is refused."""
    name = UNKNOWN_PROTOCOL.encode()
    selected = bytes([len(name)]) + name
    await tester.connecting(
        alter_message=tls_messages.with_extension(
            ExtensionType.ALPN, lambda _: len(selected).to_bytes(2) + selected
        ),
        stimulus=True,
    )


@case(
    "rfc9001/8.2/no-transport-parameters",
    Level.MUST,
    rows="P-18 C-27",
    expects=closes(MISSING_EXTENSION),
)
async def no_transport_parameters(tester: Tester) -> None:
    """A peer without the extension quic_transport_parameters is refused."""
    await tester.connecting(
        alter_message=tls_messages.without_extension(TRANSPORT_PARAMETERS), stimulus=True
    )


@case(
    "rfc9001/8.2/transport-parameters-of-a-draft",
    Level.MUST,
    rows="S-41",
    roles=SERVER,
    expects=closes(MISSING_EXTENSION),
)
async def transport_parameters_of_a_draft(tester: Tester) -> None:
    """Transport parameters in the drafts' extension 0xffa5 alone are none."""
    await tester.connecting(
        alter_message=tls_messages.renumbered_extension(
            TRANSPORT_PARAMETERS, OLD_TRANSPORT_PARAMETERS
        ),
        stimulus=True,
    )


@case(
    "rfc9001/8.3/crypto-in-0-rtt",
    Level.MUST,
    rows="P-32",
    roles=SERVER,
    flow=ZERO_RTT,
    expects=closes(PROTOCOL_VIOLATION),
)
async def crypto_in_0_rtt(tester: Tester) -> None:
    """A CRYPTO frame in a 0-RTT packet closes the connection with PROTOCOL_VIOLATION."""
    first = await flows.first_connection(tester)
    peer = await tester.connecting(ticket=first.ticket)
    await peer.stimulus(frames.crypto(tls_messages.end_of_early_data()), kind=ZERO_RTT_PACKET)


@case(
    "rfc9001/8.3/end-of-early-data",
    Level.MUST,
    rows="P-49",
    roles=SERVER,
    expects=closes(UNEXPECTED_MESSAGE),
)
async def end_of_early_data(tester: Tester) -> None:
    """An EndOfEarlyData closes the connection with unexpected_message."""
    peer = await tester.connecting(prepare=withholding(HANDSHAKE))
    messages = tls_messages.end_of_early_data() + await peer.withheld()
    await peer.send_crypto(messages, kind=HANDSHAKE, step="stimulus")


@case(
    "rfc9001/8.4/legacy-session-id",
    Level.SHOULD,
    rows="P-22",
    roles=SERVER,
    expects=closes(PROTOCOL_VIOLATION),
)
async def legacy_session_id(tester: Tester) -> None:
    """A ClientHello with a legacy_session_id closes the connection with PROTOCOL_VIOLATION."""
    session_id = os.urandom(32)
    peer = await tester.connecting(
        alter_message=tls_messages.with_session_id(session_id), stimulus=True
    )
    peer.connection.tls.legacy_session_id = session_id
