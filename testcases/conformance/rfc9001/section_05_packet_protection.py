"""RFC 9001, 5: cipher suites, and packets that come before the handshake is complete."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames, tls_messages
from quicmatrix.endpoint.tester.connection import withholding
from quicmatrix.endpoint.tester.peer import HANDSHAKE, INITIAL
from quicmatrix.endpoint.tester.tls_messages import CCM_8, UNKNOWN_SUITES
from quicmatrix.runner.trace.model import ServerHello
from quicmatrix.testcases.conformance.exchange import Exchange, messages
from quicmatrix.testcases.conformance.expectations import goes_on, shows
from quicmatrix.testcases.conformance.model import CLIENT, SERVER, case
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


def refuses_ccm_8(exchange: Exchange) -> Iterator[Finding]:
    """No ServerHello selects TLS_AES_128_CCM_8_SHA256."""
    for packet, hello in messages(exchange.capture, ServerHello):
        if hello.cipher_suite == CCM_8:
            yield Violation("it selects TLS_AES_128_CCM_8_SHA256", packet, exchange.stimulus)
            return
    yield Held(exchange.stimulus)


def waits_for_finished(exchange: Exchange) -> Iterator[Finding]:
    """A 1-RTT packet is not acknowledged before the packet with the Finished has come."""
    released = exchange.datagrams("finished")
    end = released[0].frame_number if released else None
    for packet in exchange.stimulus_acknowledged:
        if end is None or packet.datagram.frame_number < end:
            yield Violation("it acknowledges a 1-RTT packet", packet, exchange.stimulus)
            return
    if answered := exchange.probes_answered:
        yield Held(answered[0], exchange.stimulus)
    else:
        yield Violation("the handshake does not complete", exchange.stimulus, side=exchange.side)


@case("rfc9001/5.3/unknown-cipher-suites", Level.MUST, rows="P-23", roles=SERVER, expects=goes_on())
async def unknown_cipher_suites(tester: Tester) -> None:
    """A ClientHello that offers unknown cipher suites too, and CCM_8, is not refused."""
    await tester.connecting(
        alter_message=tls_messages.with_cipher_suites(lambda known: [*UNKNOWN_SUITES, *known]),
        stimulus=True,
    )


@case("rfc9001/5.3/ccm-8", Level.MUST, rows="P-24", roles=SERVER, expects=shows(refuses_ccm_8))
async def ccm_8(tester: Tester) -> None:
    """TLS_AES_128_CCM_8_SHA256 is not negotiated, since QUIC has no header protection for it."""
    await tester.connecting(
        alter_message=tls_messages.with_cipher_suites(lambda _: [CCM_8]), stimulus=True
    )


@case(
    "rfc9001/5.7/1-rtt-packet-before-finished",
    Level.MUST,
    rows="P-36",
    roles=SERVER,
    expects=shows(waits_for_finished),
)
async def one_rtt_packet_before_finished(tester: Tester) -> None:
    """A server processes no 1-RTT packet before the handshake is complete."""
    peer = await tester.connecting(prepare=withholding(HANDSHAKE))
    finished = await peer.withheld()
    await peer.stimulus(frames.ping())
    await peer.acknowledged(await peer.send(frames.ping(), kind=HANDSHAKE))
    await peer.send_crypto(finished, kind=HANDSHAKE, step="finished")


@case(
    "rfc9001/5.7/1-rtt-packet-before-handshake-packets",
    Level.MUST,
    rows="C-37",
    roles=CLIENT,
    expects=goes_on(),
)
async def one_rtt_packet_before_handshake_packets(tester: Tester) -> None:
    """A 1-RTT packet that overtakes the server's Handshake packets does no harm."""
    peer = await tester.connecting(prepare=withholding(HANDSHAKE))
    await peer.stimulus(frames.ping())
    await peer.send_crypto(await peer.withheld(), kind=HANDSHAKE)


@case(
    "rfc9001/5.7/server-flight-last-packet-first",
    Level.MUST,
    rows="C-37",
    roles=CLIENT,
    expects=goes_on(),
)
async def server_flight_last_packet_first(tester: Tester) -> None:
    """A server's first flight whose packets come in the opposite order does no harm."""
    peer = await tester.connecting(prepare=withholding(INITIAL, HANDSHAKE))
    await peer.stimulus(frames.ping())
    await peer.send_crypto(await peer.withheld(), kind=HANDSHAKE)
    await peer.send_crypto(await peer.withheld(INITIAL), kind=INITIAL)
    await peer.send_crypto(await peer.withheld(), kind=HANDSHAKE)
