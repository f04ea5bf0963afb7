"""The controls: the flows that cases deviate from, without a deviation.

A case says something of an implementation only if its control passed in the same run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import flows, frames
from quicmatrix.endpoint.tester.peer import ZERO_RTT as ZERO_RTT_PACKET
from quicmatrix.runner.trace.model import (
    VERSION_2,
    ConnectionClose,
    EncryptedExtensions,
    PacketType,
    ServerHello,
    Side,
)
from quicmatrix.testcases.conformance.exchange import NO_ERRORS, Exchange, messages
from quicmatrix.testcases.conformance.expectations import shows
from quicmatrix.testcases.conformance.model import (
    CLIENT,
    HTTP3,
    LONG_CHAIN,
    MANY_FILES,
    RESUMPTION,
    RETRY,
    TRANSFER,
    V2,
    V2_RESUMPTION,
    VERSION_NEGOTIATION,
    ZERO_RTT,
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


@case("control/retry", Level.TEST, flow=RETRY, expects=shows(flow_completes))
async def retry(tester: Tester) -> None:
    """A connection is made after a Retry, and a file is transferred."""
    await tester.connected(**({} if tester.is_client else await flows.send_retry(tester)))


@case("control/long-chain", Level.TEST, flow=LONG_CHAIN, expects=shows(flow_completes))
async def long_chain(tester: Tester) -> None:
    """A connection is made by a server with a long certificate chain, and a file transferred."""
    await tester.connected()


def session_resumes(exchange: Exchange) -> Iterator[Finding]:
    """The second connection completes, and resumes the session of the first one."""
    yield from flow_completes(exchange)
    if not any(hello.selects_psk for _, hello in messages(exchange.capture, ServerHello)):
        yield Violation("the session is not resumed", side=exchange.side)


def early_data_is_accepted(exchange: Exchange) -> Iterator[Finding]:
    """The second connection completes, and begins with 0-RTT packets which the server takes."""
    yield from flow_completes(exchange)
    if not any(
        one.accepts_early_data for _, one in messages(exchange.capture, EncryptedExtensions)
    ):
        yield Violation("no early data is accepted", side=exchange.side)


def version_2_is_used(exchange: Exchange) -> Iterator[Finding]:
    """The connection completes in version 2."""
    yield from flow_completes(exchange)
    packets = [one for one in exchange.capture.packets if one.type is PacketType.HANDSHAKE]
    for side in Side:
        if not any(one.version == VERSION_2 for one in packets if one.sender is side):
            yield Violation(f"the {side} sends no Handshake packets of version 2", side=side)


@case("control/resumption", Level.TEST, flow=RESUMPTION, expects=shows(session_resumes))
async def resumption(tester: Tester) -> None:
    """A second connection resumes the session of the first one."""
    first = await flows.first_connection(tester)
    await tester.connected(ticket=first.ticket)


@case("control/zerortt", Level.TEST, flow=ZERO_RTT, expects=shows(early_data_is_accepted))
async def zero_rtt(tester: Tester) -> None:
    """A second connection begins with 0-RTT packets, which the server accepts."""
    first = await flows.first_connection(tester)
    peer = await tester.connecting(ticket=first.ticket)
    if tester.is_client:
        await peer.send(frames.ping(), kind=ZERO_RTT_PACKET)


@case("control/v2", Level.TEST, flow=V2, expects=shows(version_2_is_used))
async def version_2(tester: Tester) -> None:
    """A connection that began in version 1 goes on in version 2."""
    await tester.connected()


@case(
    "control/v2-resumption",
    Level.TEST,
    flow=V2_RESUMPTION,
    roles=CLIENT,
    expects=shows(flow_completes),
)
async def version_2_resumption(tester: Tester) -> None:
    """A client makes two connections with a server that prefers version 2."""
    await flows.first_connection(tester)
    await tester.connected()


@case(
    "control/version-negotiation",
    Level.TEST,
    flow=VERSION_NEGOTIATION,
    roles=CLIENT,
    expects=shows(version_2_is_used),
)
async def version_negotiation(tester: Tester) -> None:
    """A client goes on in version 2 when Version Negotiation offers nothing else."""
    await tester.connected()
