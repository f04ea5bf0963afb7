"""RFC 9000, 4.5: a stream's final size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.testcases.conformance.codes import FINAL_SIZE_ERROR
from quicmatrix.testcases.conformance.expectations import closes
from quicmatrix.testcases.conformance.model import case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

# The first bytes of a stream never come, so that its state is still there (RFC 9000, 3.2).


@case(
    "rfc9000/4.5/data-beyond-final-size",
    Level.SHOULD,
    rows="F-22 C-41",
    expects=closes(FINAL_SIZE_ERROR),
)
async def data_beyond_final_size(tester: Tester) -> None:
    """STREAM data beyond a stream's final size closes the connection with FINAL_SIZE_ERROR."""
    peer = await tester.connected()
    stream = peer.sending_stream()
    await peer.acknowledged(await peer.send(frames.stream(stream, b"78", offset=6, fin=True)))
    await peer.stimulus(frames.stream(stream, b"9", offset=8))


@case(
    "rfc9000/4.5/second-final-size",
    Level.SHOULD,
    rows="F-22 C-41",
    expects=closes(FINAL_SIZE_ERROR),
)
async def second_final_size(tester: Tester) -> None:
    """A second FIN at another offset closes the connection with FINAL_SIZE_ERROR."""
    peer = await tester.connected()
    stream = peer.sending_stream()
    await peer.acknowledged(await peer.send(frames.stream(stream, b"78", offset=6, fin=True)))
    await peer.stimulus(frames.stream(stream, b"", offset=10, fin=True))


@case(
    "rfc9000/4.5/final-size-below-data",
    Level.SHOULD,
    rows="F-21 C-41",
    expects=closes(FINAL_SIZE_ERROR),
)
async def final_size_below_data(tester: Tester) -> None:
    """RESET_STREAM with a final size below what was received is a FINAL_SIZE_ERROR."""
    peer = await tester.connected()
    stream = peer.sending_stream()
    await peer.acknowledged(await peer.send(frames.stream(stream, b"78", offset=6)))
    await peer.stimulus(frames.reset_stream(stream, 0, 4))


@case(
    "rfc9000/4.5/reset-again-with-other-final-size",
    Level.SHOULD,
    rows="F-23 C-41",
    expects=closes(FINAL_SIZE_ERROR),
)
async def reset_again_with_other_final_size(tester: Tester) -> None:
    """A second RESET_STREAM with another final size is a FINAL_SIZE_ERROR."""
    peer = await tester.connected()
    stream = peer.sending_stream()
    await peer.acknowledged(await peer.send(frames.reset_stream(stream, 0, 8)))
    await peer.stimulus(frames.reset_stream(stream, 0, 9))
