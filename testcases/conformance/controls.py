"""The controls: the flows that cases deviate from, without a deviation.

A case says something of an implementation only if its control passed in the same run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.runner.trace.model import ConnectionClose
from quicmatrix.testcases.conformance.exchange import NO_ERRORS, Exchange
from quicmatrix.testcases.conformance.expectations import shows
from quicmatrix.testcases.conformance.model import (
    HTTP3,
    LONG_CHAIN,
    MANY_FILES,
    RETRY,
    SERVER,
    TRANSFER,
    case,
)
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


def flow_completes(exchange: Exchange) -> Iterator[Finding]:
    """A PING is acknowledged, and the connection ends without an error.

    A server acknowledges another PING after the transfer; a client is done then.
    """
    probes = exchange.datagrams("probe")
    if not probes:
        last = exchange.seen.steps[-1].text if exchange.seen.steps else "nothing"
        yield Violation(f"no connection is made: {last}", side=exchange.side)
        return
    after = exchange.sent_after(probes[0])
    closes = [
        (packet, frame)
        for packet in after
        for frame in packet.frames
        if isinstance(frame, ConnectionClose)
    ]
    for packet, close in closes[:1]:
        if close.error_code not in NO_ERRORS:
            yield Violation(f"it closes with {close.error_code:#x} {close.reason}", packet)
            return
    answered = {
        number
        for number in exchange.numbers("probe")
        if any(exchange.acknowledgments({number}, after))
    }
    if len(answered) == len(probes) or (answered and closes):
        yield Held(*probes)
    else:
        yield Violation("a PING is not acknowledged", *probes, side=exchange.side)


@case("control/transfer", Level.TEST, flow=TRANSFER, expects=shows(flow_completes))
async def transfer(tester: Tester) -> None:
    """A connection is made, a file is transferred over HTTP/0.9, and PINGs are acknowledged."""
    await tester.connected()


@case("control/http3", Level.TEST, flow=HTTP3, expects=shows(flow_completes))
async def http3(tester: Tester) -> None:
    """A connection is made, a file is transferred over HTTP/3, and PINGs are acknowledged."""
    await tester.connected()


@case("control/many-files", Level.TEST, flow=MANY_FILES, expects=shows(flow_completes))
async def many_files(tester: Tester) -> None:
    """A connection is made, and three files are transferred over HTTP/0.9."""
    await tester.connected()


@case("control/retry", Level.TEST, flow=RETRY, roles=SERVER, expects=shows(flow_completes))
async def retry(tester: Tester) -> None:
    """A connection is made to a server that sends Retry, and a file is transferred."""
    await tester.connected()


@case("control/long-chain", Level.TEST, flow=LONG_CHAIN, expects=shows(flow_completes))
async def long_chain(tester: Tester) -> None:
    """A connection is made by a server with a long certificate chain, and a file transferred."""
    await tester.connected()
