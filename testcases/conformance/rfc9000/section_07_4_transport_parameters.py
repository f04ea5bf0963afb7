"""RFC 9000, 7.4: how transport parameters are read, and which hold for 0-RTT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import flows, frames
from quicmatrix.endpoint.tester.frames import varint
from quicmatrix.endpoint.tester.parameters import Parameter, added, all_of, reserved, without
from quicmatrix.endpoint.tester.peer import ZERO_RTT as ZERO_RTT_PACKET
from quicmatrix.endpoint.tester.tls_messages import TRANSPORT_PARAMETERS, with_extension
from quicmatrix.testcases.conformance.codes import DECODE_ERROR, TRANSPORT_PARAMETER_ERROR
from quicmatrix.testcases.conformance.early_data import keeps_limits, respects_data_limit
from quicmatrix.testcases.conformance.expectations import closes, goes_on, shows
from quicmatrix.testcases.conformance.model import CLIENT, SERVER, ZERO_RTT, case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

NEW_LIMIT = 5
"""Bytes that a client may send after its 0-RTT data was rejected."""


@case(
    "rfc9000/7.4/trailing-byte",
    Level.MUST,
    rows="P-13",
    expects=closes(TRANSPORT_PARAMETER_ERROR),
)
async def trailing_byte(tester: Tester) -> None:
    """An integer parameter with a byte behind its value is refused as invalid."""
    await tester.connecting(
        alter_parameters=all_of(
            without(Parameter.MAX_IDLE_TIMEOUT),
            added(Parameter.MAX_IDLE_TIMEOUT, varint(30_000) + b"\0"),
        ),
        stimulus=True,
    )


@case(
    "rfc9000/7.4/integer-cut-short",
    Level.MUST,
    rows="P-13",
    expects=closes(TRANSPORT_PARAMETER_ERROR),
)
async def integer_cut_short(tester: Tester) -> None:
    """An integer parameter that ends inside its value is refused as invalid."""
    await tester.connecting(
        alter_parameters=all_of(
            without(Parameter.MAX_IDLE_TIMEOUT),
            added(Parameter.MAX_IDLE_TIMEOUT, varint(30_000)[:-1]),
        ),
        stimulus=True,
    )


@case(
    "rfc9000/7.4/list-cut-short",
    Level.MUST,
    rows="P-14",
    expects=closes(TRANSPORT_PARAMETER_ERROR, DECODE_ERROR),
)
async def list_cut_short(tester: Tester) -> None:
    """Transport parameters that end inside a parameter are refused."""
    cut = varint(reserved(1)) + varint(8) + b"four"
    await tester.connecting(
        alter_message=with_extension(TRANSPORT_PARAMETERS, lambda value: value + cut), stimulus=True
    )


@case(
    "rfc9000/7.4/duplicate",
    Level.SHOULD,
    rows="P-16",
    expects=closes(TRANSPORT_PARAMETER_ERROR),
)
async def duplicate(tester: Tester) -> None:
    """A transport parameter that is there twice closes the connection."""
    await tester.connecting(
        alter_parameters=all_of(
            without(Parameter.MAX_IDLE_TIMEOUT),
            added(Parameter.MAX_IDLE_TIMEOUT, 30_000),
            added(Parameter.MAX_IDLE_TIMEOUT, 30_000),
        ),
        stimulus=True,
    )


@case(
    "rfc9000/7.4.1/limits-with-0-rtt",
    Level.MUST,
    rows="P-40 X-07",
    roles=SERVER,
    flow=ZERO_RTT,
    expects=shows(keeps_limits),
)
async def limits_with_0_rtt(tester: Tester) -> None:
    """A server that accepts 0-RTT announces no smaller limits than those that it gave before."""
    first = await flows.first_connection(tester)
    peer = await tester.connecting(ticket=first.ticket, stimulus=True)
    await peer.send(frames.ping(), kind=ZERO_RTT_PACKET)


@case(
    "rfc9000/7.4.1/limits-after-rejected-0-rtt",
    Level.MUST,
    rows="C-43",
    roles=CLIENT,
    flow=ZERO_RTT,
    expects=shows(respects_data_limit(NEW_LIMIT)),
)
async def limits_after_rejected_0_rtt(tester: Tester) -> None:
    """A client whose 0-RTT data is rejected sends within the new initial_max_data."""
    await flows.first_connection(tester)
    tester.tickets.forget()
    peer = await tester.connecting(
        alter_parameters=all_of(
            without(Parameter.INITIAL_MAX_DATA), added(Parameter.INITIAL_MAX_DATA, NEW_LIMIT)
        ),
        stimulus=True,
    )
    await peer.confirmed()
    await peer.until(lambda: any(peer.streams.values()), "stream data within the limit")
    await peer.send(frames.max_data(1 << 20), step="raised")


@case("rfc9000/7.4.2/unknown", Level.MUST, rows="P-17", expects=goes_on())
async def unknown(tester: Tester) -> None:
    """A transport parameter with an unknown identifier of 62 bits is ignored."""
    identifier = (1 << 62) - 2  # not of the reserved form
    await tester.connecting(alter_parameters=added(identifier, b"unknown"), stimulus=True)
