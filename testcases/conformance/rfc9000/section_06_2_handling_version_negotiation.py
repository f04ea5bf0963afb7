"""RFC 9000, 6.2: what a client does with Version Negotiation packets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.runner.trace.model import PacketType
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import goes_on, shows
from quicmatrix.testcases.conformance.model import CLIENT, case
from quicmatrix.testcases.conformance.openings import (
    OTHER_VERSION,
    UNKNOWN_VERSION,
    version_negotiation,
)
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

RETRANSMISSION_S = 3.5
"""Seconds in which a client that got no answer sends its Initial again twice (RFC 9002, 6.2.2)."""


def abandons_the_attempt(exchange: Exchange) -> Iterator[Finding]:
    """No more Initial packets of the attempt that the stimulus answers."""
    before = {
        packet.dcid
        for packet in exchange.capture.packets
        if packet.type is PacketType.INITIAL and packet.sender is exchange.side
        if packet.datagram.frame_number < exchange.stimulus.frame_number
    }
    for packet in exchange.after:
        if packet.type is PacketType.INITIAL and packet.dcid in before:
            yield Violation("it goes on with the attempt", packet, exchange.stimulus)
            return
    yield Held(exchange.stimulus, message="it sends no more of the attempt")


@case(
    "rfc9000/6.2/no-common-version",
    Level.MUST,
    rows="C-07",
    roles=CLIENT,
    expects=shows(abandons_the_attempt),
)
async def no_common_version(tester: Tester) -> None:
    """A client abandons an attempt when the server lists no version that it supports."""
    first = await tester.initial()
    negotiation = version_negotiation(first, UNKNOWN_VERSION, OTHER_VERSION)
    tester.send(negotiation, first.address, step="stimulus")
    known = len(tester.arrivals)
    await tester.until(lambda: len(tester.arrivals) > known, "another packet", RETRANSMISSION_S)


@case(
    "rfc9000/6.2/version-in-use-is-listed",
    Level.MUST,
    rows="C-08",
    roles=CLIENT,
    expects=goes_on(),
)
async def version_in_use_is_listed(tester: Tester) -> None:
    """A client discards a Version Negotiation packet that lists the version it has selected."""
    first = await tester.initial()
    negotiation = version_negotiation(first, UNKNOWN_VERSION, first.header.version or 1)
    tester.send(negotiation, first.address, step="stimulus")
    await tester.connected(first=first)


@case(
    "rfc9000/6.2/after-another-packet",
    Level.MUST,
    rows="C-09",
    roles=CLIENT,
    expects=goes_on(),
)
async def after_another_packet(tester: Tester) -> None:
    """A client that has processed another packet discards a Version Negotiation packet."""
    first = await tester.initial()
    peer = await tester.connecting(first=first)
    known = len(peer.arrivals)
    await peer.until(lambda: len(peer.arrivals) > known, "an answer")
    peer.send_datagram(version_negotiation(first, UNKNOWN_VERSION), step="stimulus")


@case(
    "rfc9000/6.2/to-another-connection-id",
    Level.MAY,
    rows="C-10",
    roles=CLIENT,
    expects=goes_on(),
)
async def to_another_connection_id(tester: Tester) -> None:
    """Version Negotiation for a connection ID that is not the client's may be discarded."""
    first = await tester.initial()
    negotiation = version_negotiation(first, UNKNOWN_VERSION, destination=os.urandom(8))
    tester.send(negotiation, first.address, step="stimulus")
    await tester.connected(first=first)


@case(
    "rfc9000/6.2/from-another-connection-id",
    Level.MAY,
    rows="C-10",
    roles=CLIENT,
    expects=goes_on(),
)
async def from_another_connection_id(tester: Tester) -> None:
    """Version Negotiation without the connection ID that the client made up may be discarded."""
    first = await tester.initial()
    negotiation = version_negotiation(first, UNKNOWN_VERSION, source=os.urandom(8))
    tester.send(negotiation, first.address, step="stimulus")
    await tester.connected(first=first)
