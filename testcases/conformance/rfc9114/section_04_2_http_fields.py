"""RFC 9114, 4.2: names of fields, and those that only HTTP/1.1 has."""

from __future__ import annotations

from quicmatrix.testcases.conformance.codes import H3_MESSAGE_ERROR
from quicmatrix.testcases.conformance.malformed import also, message_with
from quicmatrix.testcases.conformance.messages import rejects_message, takes_message
from quicmatrix.testcases.conformance.model import BOTH, HTTP3, SERVER, case
from quicmatrix.testcases.model import Level

UPPERCASE_NAME = case(
    "rfc9114/4.2/uppercase-field-name",
    Level.MUST,
    text="A message with an uppercase letter in a field name is malformed.",
    rows="H-36",
    flow=HTTP3,
    expects=rejects_message(H3_MESSAGE_ERROR),
)(message_with(also(b"X-name")))

CONNECTION_SPECIFIC = tuple(
    case(
        f"rfc9114/4.2/{name}-field",
        Level.MUST,
        text=f"A message with the field {name}, which is of one connection, is malformed.",
        rows="H-37",
        roles=BOTH if name != "te" else SERVER,
        flow=HTTP3,
        expects=rejects_message(H3_MESSAGE_ERROR),
    )(message_with(also(name.encode(), value)))
    for name, value in {
        "connection": b"close",
        "keep-alive": b"timeout=5",
        "proxy-connection": b"close",
        "transfer-encoding": b"chunked",
        "upgrade": b"websocket",
        "te": b"gzip",
    }.items()
)

TE_TRAILERS = case(
    "rfc9114/4.2/te-trailers",
    Level.MUST,
    text="A request may say that it takes trailers: te is allowed with that value.",
    rows="H-38",
    roles=SERVER,
    flow=HTTP3,
    expects=takes_message(),
)(message_with(also(b"te", b"trailers")))
