"""RFC 9001, 4.2 to 4.6: the TLS version, authentication, tickets and 0-RTT."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from aioquic.quic.configuration import QuicConfiguration
from aioquic.tls import CipherSuite, ExtensionType

from quicmatrix.endpoint.tester import certificates, flows, frames, tls_messages
from quicmatrix.endpoint.tester.peer import ZERO_RTT as ZERO_RTT_PACKET
from quicmatrix.endpoint.tester.peer import next_crypto
from quicmatrix.testcases.conformance.codes import (
    BAD_CERTIFICATE,
    CERTIFICATE_UNKNOWN,
    ILLEGAL_PARAMETER,
    PROTOCOL_VERSION,
    PROTOCOL_VIOLATION,
    UNKNOWN_CA,
)
from quicmatrix.testcases.conformance.early_data import early_data_is_ignored, sends_again
from quicmatrix.testcases.conformance.expectations import closes, shows
from quicmatrix.testcases.conformance.model import CLIENT, SERVER, ZERO_RTT, case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

TLS_1_2 = b"\x03\x03"
LATER = 0xFFFF
"""A max_early_data_size that TLS over TCP may have."""


def offering(suite: CipherSuite) -> Callable[[QuicConfiguration], None]:
    """Offer one cipher suite alone."""

    def configure(configuration: QuicConfiguration) -> None:
        configuration.cipher_suites = [suite]

    return configure


@case(
    "rfc9001/4.2/tls-1-2",
    Level.MUST,
    rows="P-21",
    expects=closes(PROTOCOL_VERSION, ILLEGAL_PARAMETER),
)
async def tls_1_2(tester: Tester) -> None:
    """No connection is made with a version of TLS before 1.3."""
    versions = b"\x02" + TLS_1_2 if tester.is_client else TLS_1_2
    await tester.connecting(
        alter_message=tls_messages.with_extension(
            ExtensionType.SUPPORTED_VERSIONS, lambda _: versions
        ),
        stimulus=True,
    )


@case(
    "rfc9001/4.4/self-signed-certificate",
    Level.MAY,
    rows="C-30",
    roles=CLIENT,
    expects=closes(UNKNOWN_CA, BAD_CERTIFICATE, CERTIFICATE_UNKNOWN),
)
async def self_signed_certificate(tester: Tester) -> None:
    """A client refuses a certificate that nobody whom it trusts has issued."""
    await tester.connecting(configure=certificates.self_signed("server4"), stimulus=True)


@case(
    "rfc9001/4.4/certificate-request-after-the-handshake",
    Level.MUST,
    rows="C-31",
    roles=CLIENT,
    expects=closes(PROTOCOL_VIOLATION),
)
async def certificate_request_after_the_handshake(tester: Tester) -> None:
    """A CertificateRequest after the handshake closes the connection with PROTOCOL_VIOLATION."""
    peer = await tester.connected()
    await peer.stimulus(next_crypto(peer, tls_messages.certificate_request()))


@case(
    "rfc9001/4.6.1/other-max-early-data-size",
    Level.MUST,
    rows="C-33",
    roles=CLIENT,
    expects=closes(PROTOCOL_VIOLATION),
)
async def other_max_early_data_size(tester: Tester) -> None:
    """A session ticket whose max_early_data_size is not 0xffffffff closes the connection."""
    peer = await tester.connected()
    await peer.stimulus(next_crypto(peer, tls_messages.new_session_ticket(LATER)))


@case(
    "rfc9001/4.6.2/rejected-0-rtt-packet",
    Level.MUST,
    rows="P-39",
    roles=SERVER,
    flow=ZERO_RTT,
    expects=shows(early_data_is_ignored),
)
async def rejected_0_rtt_packet(tester: Tester) -> None:
    """A server that rejects 0-RTT, here because of the cipher suite, processes no 0-RTT packet."""
    first = await flows.first_connection(tester, configure=offering(CipherSuite.AES_128_GCM_SHA256))
    other = CipherSuite.CHACHA20_POLY1305_SHA256
    peer = await tester.connecting(ticket=first.ticket, configure=offering(other))
    peer.connection.resume_with(other)
    stream = frames.stream(peer.new_stream(), b"GET /early\r\n", fin=True)
    await peer.stimulus(stream, kind=ZERO_RTT_PACKET)


@case(
    "rfc9001/4.6.2/streams-after-rejected-0-rtt",
    Level.MUST,
    rows="C-44",
    roles=CLIENT,
    flow=ZERO_RTT,
    expects=shows(sends_again),
)
async def streams_after_rejected_0_rtt(tester: Tester) -> None:
    """A client whose 0-RTT data is rejected resets its streams, and begins anew in 1-RTT."""
    await flows.first_connection(tester)
    tester.tickets.forget()
    await tester.connecting(stimulus=True)


@case(
    "rfc9001/4.6.2/acknowledgment-of-rejected-0-rtt",
    Level.SHOULD,
    rows="C-44",
    roles=CLIENT,
    flow=ZERO_RTT,
    expects=closes(PROTOCOL_VIOLATION),
)
async def acknowledgment_of_rejected_0_rtt(tester: Tester) -> None:
    """An acknowledgment of a 0-RTT packet that was rejected closes the connection."""
    await flows.first_connection(tester)
    await tester.connecting(
        alter_message=tls_messages.without_extension(ExtensionType.EARLY_DATA), stimulus=True
    )
