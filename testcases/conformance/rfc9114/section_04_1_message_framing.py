"""RFC 9114, 4.1: the frames of a message, and how requests end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames, http3
from quicmatrix.endpoint.tester.http3 import H3Frame
from quicmatrix.runner.trace.model import Stream
from quicmatrix.testcases.conformance.codes import (
    H3_FRAME_UNEXPECTED,
    H3_MESSAGE_ERROR,
    H3_NO_ERROR,
    H3_REQUEST_CANCELLED,
    H3_REQUEST_INCOMPLETE,
)
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import closes, ends_without_error, shows
from quicmatrix.testcases.conformance.malformed import abort_message, message_with_length
from quicmatrix.testcases.conformance.messages import rejects_message, takes_message
from quicmatrix.testcases.conformance.model import CLIENT, HTTP3, SERVER, case
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

TRAILERS = http3.headers([(b"x-checksum", b"1234")])


@case(
    "rfc9114/4.1/data-before-headers",
    Level.MUST,
    rows="H-01",
    flow=HTTP3,
    expects=closes(H3_FRAME_UNEXPECTED),
)
async def data_before_headers(tester: Tester) -> None:
    """A message that begins with DATA closes the connection with H3_FRAME_UNEXPECTED."""
    peer = await tester.connected()
    peer.message_stimulus(http3.frame(H3Frame.DATA, b"1234"))


@case(
    "rfc9114/4.1/headers-after-trailers",
    Level.MUST,
    rows="H-02",
    flow=HTTP3,
    expects=closes(H3_FRAME_UNEXPECTED),
)
async def headers_after_trailers(tester: Tester) -> None:
    """HEADERS behind the trailers close the connection with H3_FRAME_UNEXPECTED."""
    peer = await tester.connected()
    peer.message_stimulus(http3.headers(tester.message_fields) + TRAILERS + TRAILERS, fin=True)


@case(
    "rfc9114/4.1/data-after-trailers",
    Level.MUST,
    rows="H-02",
    flow=HTTP3,
    expects=closes(H3_FRAME_UNEXPECTED),
)
async def data_after_trailers(tester: Tester) -> None:
    """DATA behind the trailers closes the connection with H3_FRAME_UNEXPECTED."""
    peer = await tester.connected()
    data = http3.frame(H3Frame.DATA, b"1234")
    peer.message_stimulus(http3.headers(tester.message_fields) + TRAILERS + data, fin=True)


@case(
    "rfc9114/4.1/request-without-headers",
    Level.SHOULD,
    rows="H-28",
    roles=SERVER,
    flow=HTTP3,
    expects=rejects_message(H3_REQUEST_INCOMPLETE),
)
async def request_without_headers(tester: Tester) -> None:
    """A request stream that ends without a request is aborted with H3_REQUEST_INCOMPLETE."""
    peer = await tester.connected()
    peer.message_stimulus(b"", fin=True)


@case(
    "rfc9114/4.1/interim-response",
    Level.MUST,
    rows="H-47",
    roles=CLIENT,
    flow=HTTP3,
    expects=takes_message(),
)
async def interim_response(tester: Tester) -> None:
    """A response may come behind an interim one."""
    peer = await tester.connected()
    peer.message_stimulus(http3.headers([(b":status", b"103")]))


@case(
    "rfc9114/4.1/request-is-stopped-without-error",
    Level.MUST,
    rows="H-70",
    roles=CLIENT,
    flow=HTTP3,
    expects=takes_message(),
)
async def request_is_stopped_without_error(tester: Tester) -> None:
    """A client keeps a complete response though STOP_SENDING with H3_NO_ERROR came before it."""
    peer = await tester.connected()
    await peer.stimulus(frames.stop_sending(peer.message_stream, H3_NO_ERROR.value))


def streams_end(exchange: Exchange) -> Iterator[Finding]:
    """The implementation ends each request or response that it begins."""
    begun: dict[int, list[bool]] = {}
    packets = {}
    for packet in exchange.capture.packets:
        for frame in packet.frames if packet.sender is exchange.side else ():
            if isinstance(frame, Stream) and frame.stream_id % 4 == 0:
                begun.setdefault(frame.stream_id, []).append(frame.fin)
                packets[frame.stream_id] = packet
    for stream_id, ends in begun.items():
        if any(ends):
            yield Held(packets[stream_id])
        else:
            yield Violation(f"it does not end stream {stream_id}", packets[stream_id])


@case(
    "rfc9114/4.1/stream-ends-with-message",
    Level.MUST,
    rows="H-52",
    flow=HTTP3,
    expects=shows(streams_end),
)
async def stream_ends_with_message(tester: Tester) -> None:
    """Behind a request or a final response, its sender closes the stream for sending."""
    await tester.connected()


@case(
    "rfc9114/4.1.1/cancelled-message",
    Level.SHOULD,
    rows="H-50",
    flow=HTTP3,
    expects=ends_without_error(),
)
async def cancelled_message(tester: Tester) -> None:
    """A message that is cancelled with H3_REQUEST_CANCELLED is no error of the connection."""
    await abort_message(tester, H3_REQUEST_CANCELLED.value)


CONTENT_LENGTH = tuple(
    case(
        f"rfc9114/4.1.2/content-length-too-{name}",
        Level.MUST,
        text=f"A message whose content-length is too {name} for its content is malformed.",
        rows="H-39",
        flow=HTTP3,
        expects=rejects_message(H3_MESSAGE_ERROR),
    )(message_with_length(difference))
    for name, difference in {"small": -1, "large": 1}.items()
)
