"""RFC 9204, 4.2: encoder and decoder streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames, http3, qpack
from quicmatrix.endpoint.tester.http3 import StreamKind
from quicmatrix.testcases.conformance.codes import (
    H3_CLOSED_CRITICAL_STREAM,
    H3_NO_ERROR,
    H3_STREAM_CREATION_ERROR,
    QPACK_ENCODER_STREAM_ERROR,
)
from quicmatrix.testcases.conformance.expectations import closes, goes_on
from quicmatrix.testcases.conformance.model import HTTP3, Case, case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

KINDS = {StreamKind.QPACK_ENCODER: "encoder", StreamKind.QPACK_DECODER: "decoder"}


def _second(kind: StreamKind) -> Case:
    @case(
        f"rfc9204/4.2/second-{KINDS[kind]}-stream",
        Level.MUST,
        text=f"A second {KINDS[kind]} stream is refused with H3_STREAM_CREATION_ERROR.",
        rows="H-21",
        flow=HTTP3,
        expects=closes(H3_STREAM_CREATION_ERROR),
    )
    async def second(tester: Tester) -> None:
        peer = await tester.connected()
        peer.open(http3.stream(kind))
        peer.open_stimulus(http3.stream(kind))

    return second


def _ends(kind: StreamKind) -> Case:
    @case(
        f"rfc9204/4.2/{KINDS[kind]}-stream-ends",
        Level.MUST,
        text=f"The end of the {KINDS[kind]} stream is refused with H3_CLOSED_CRITICAL_STREAM.",
        rows="H-24",
        flow=HTTP3,
        expects=closes(H3_CLOSED_CRITICAL_STREAM),
    )
    async def ends(tester: Tester) -> None:
        peer = await tester.connected()
        stream = peer.open(http3.stream(kind))
        peer.write_stimulus(stream, b"", fin=True)

    return ends


def _is_reset(kind: StreamKind) -> Case:
    @case(
        f"rfc9204/4.2/{KINDS[kind]}-stream-is-reset",
        Level.MUST,
        text=f"A reset of the {KINDS[kind]} stream is refused with H3_CLOSED_CRITICAL_STREAM.",
        rows="H-24",
        flow=HTTP3,
        expects=closes(H3_CLOSED_CRITICAL_STREAM),
    )
    async def is_reset(tester: Tester) -> None:
        peer = await tester.connected()
        stream = peer.open(http3.stream(kind))
        await peer.received_by_peer(stream)
        await peer.stimulus(frames.reset_stream(stream, H3_NO_ERROR.value, 1))

    return is_reset


SECOND = tuple(_second(kind) for kind in KINDS)
ENDS = tuple(_ends(kind) for kind in KINDS)
IS_RESET = tuple(_is_reset(kind) for kind in KINDS)


@case(
    "rfc9204/4.2/encoder-stream-ends-inside-an-instruction",
    Level.MUST,
    rows="H-67",
    flow=HTTP3,
    expects=closes(H3_CLOSED_CRITICAL_STREAM, QPACK_ENCODER_STREAM_ERROR),
)
async def encoder_stream_ends_inside_an_instruction(tester: Tester) -> None:
    """An encoder stream that ends inside an instruction closes the connection."""
    peer = await tester.connected()
    instruction = qpack.insert(b"x-name", b"value")[:-1]
    peer.open_stimulus(http3.stream(StreamKind.QPACK_ENCODER, instruction), fin=True)


@case(
    "rfc9204/4.2/streams-without-dynamic-table",
    Level.MUST,
    rows="H-63",
    flow=HTTP3,
    expects=goes_on(),
)
async def streams_without_dynamic_table(tester: Tester) -> None:
    """Encoder and decoder streams may be opened though no dynamic table is permitted."""
    peer = await tester.connected()
    peer.open(http3.stream(StreamKind.QPACK_ENCODER))
    peer.open_stimulus(http3.stream(StreamKind.QPACK_DECODER))
