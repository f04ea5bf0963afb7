"""RFC 9000, 10.3: stateless resets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.runner.trace.model import PacketType
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import shows
from quicmatrix.testcases.conformance.model import SERVER, Case, case
from quicmatrix.testcases.conformance.replies import named, no_reply, replies
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

TOO_SMALL = 20
"""Bytes: one less than the smallest packet with a short header."""
MANY = 500
SHORT_HEADERS = PacketType.ONE_RTT, PacketType.STATELESS_RESET


def smaller_than_the_stimulus(exchange: Exchange) -> Iterator[Finding]:
    """Nothing, or stateless resets that are smaller than what they answer."""
    stimulus = exchange.stimulus
    for reply in replies(exchange):
        datagram, packets = reply
        if not packets or packets[0].type not in SHORT_HEADERS:
            yield Violation(f"it answers with {named(reply)}", datagram, stimulus)
        elif datagram.size >= stimulus.size:
            words = f"it answers {stimulus.size} bytes with {datagram.size} bytes"
            yield Violation(words, datagram, stimulus)
        else:
            yield Held(datagram, stimulus, message=f"a stateless reset of {datagram.size} bytes")
            return
    yield Held(stimulus, message="no answer")


def _short_header(size: int) -> bytes:
    return b"\x41" + os.urandom(size - 1)


def _of_size(size: int) -> Case:
    async def script(tester: Tester) -> None:
        tester.send(_short_header(size), tester.new_path(), step="stimulus")
        await tester.connected()

    script.__doc__ = (
        f"A stateless reset that answers a packet of {size} bytes is smaller than that packet."
    )
    return case(
        f"rfc9000/10.3.3/short-header-of-{size}-bytes",
        Level.MUST,
        rows="S-17",
        roles=SERVER,
        expects=shows(smaller_than_the_stimulus),
    )(script)


SHORT_HEADER_OF_1200_BYTES = _of_size(1200)
SHORT_HEADER_OF_43_BYTES = _of_size(43)
SHORT_HEADER_OF_22_BYTES = _of_size(22)


@case(
    "rfc9000/10.3/short-header-of-20-bytes",
    Level.MUST,
    rows="S-17",
    roles=SERVER,
    expects=no_reply(),
)
async def short_header_of_20_bytes(tester: Tester) -> None:
    """A packet that is too small to be a QUIC packet is discarded."""
    tester.send(_short_header(TOO_SMALL), tester.new_path(), step="stimulus")
    await tester.connected()


def counts_resets(exchange: Exchange) -> Iterator[Finding]:
    """How many of many packets of no connection are answered."""
    count, sent = len(replies(exchange)), len(exchange.stimuli)
    yield Held(exchange.stimulus, message=f"it answers {count} of {sent} packets")


@case(
    "rfc9000/10.3.3/many-packets-of-no-connection",
    Level.MAY,
    rows="S-18",
    roles=SERVER,
    expects=shows(counts_resets),
)
async def many_packets_of_no_connection(tester: Tester) -> None:
    """An endpoint may limit the number of stateless resets that it sends."""
    path = tester.new_path()
    for _ in range(MANY):
        tester.send(_short_header(100), path, step="stimulus")
    await tester.connected()
