"""RFC 9114, 10.3: names and values that HTTP/1.1 could not carry."""

from __future__ import annotations

from quicmatrix.testcases.conformance.codes import H3_MESSAGE_ERROR
from quicmatrix.testcases.conformance.malformed import also, message_with
from quicmatrix.testcases.conformance.messages import rejects_message
from quicmatrix.testcases.conformance.model import HTTP3, case
from quicmatrix.testcases.model import Level

SPACE_IN_NAME = case(
    "rfc9114/10.3/space-in-field-name",
    Level.MUST,
    text="A message with a space in a field name is malformed.",
    rows="H-40",
    flow=HTTP3,
    expects=rejects_message(H3_MESSAGE_ERROR),
)(message_with(also(b"x name")))

CHARACTERS_IN_VALUE = tuple(
    case(
        f"rfc9114/10.3/{name}-in-field-value",
        Level.MUST,
        text=f"A message with {character} in a field value is malformed.",
        rows="H-40",
        flow=HTTP3,
        expects=rejects_message(H3_MESSAGE_ERROR),
    )(message_with(also(b"x-name", value)))
    for name, character, value in (
        ("carriage-return", "a carriage return", b"one\rtwo"),
        ("line-feed", "a line feed", b"one\ntwo"),
        ("nul", "a NUL byte", b"one\0two"),
    )
)
