"""RFC 9114, 4.3: pseudo-header fields."""

from __future__ import annotations

from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.conformance.codes import H3_MESSAGE_ERROR
from quicmatrix.testcases.conformance.malformed import (
    Fields,
    also,
    last,
    message_with,
    message_with_trailers,
    replaced,
    without,
)
from quicmatrix.testcases.conformance.messages import rejects_message, takes_message
from quicmatrix.testcases.conformance.model import BOTH, CLIENT, HTTP3, SERVER, Case, Script, case
from quicmatrix.testcases.model import Level


def _unknown(fields: Fields) -> Fields:
    return [*fields, (b":foo", b"bar")]


def _method_twice(fields: Fields) -> Fields:
    return [(b":method", b"GET"), *fields]


def _host_alone(fields: Fields) -> Fields:
    return [*without(b":authority")(fields), (b"host", b"server4")]


def _malformed(
    name: str, text: str, row: str, script: Script, roles: frozenset[Side] = SERVER
) -> Case:
    return case(
        f"rfc9114/{name}",
        Level.MUST,
        text=text,
        rows=row,
        roles=roles,
        flow=HTTP3,
        expects=rejects_message(H3_MESSAGE_ERROR),
    )(script)


PSEUDO_HEADERS = (
    _malformed(
        "4.3/unknown-pseudo-header",
        "A message with an undefined pseudo-header field is malformed.",
        "H-34",
        message_with(_unknown),
        BOTH,
    ),
    _malformed(
        "4.3/status-in-request",
        "A request with :status is malformed.",
        "H-34",
        message_with(lambda fields: [*fields, (b":status", b"200")]),
    ),
    _malformed(
        "4.3/path-in-response",
        "A response with :path is malformed.",
        "H-34",
        message_with(lambda fields: [*fields, (b":path", b"/")]),
        CLIENT,
    ),
    _malformed(
        "4.3/pseudo-header-after-field",
        "A request with a pseudo-header field behind a regular one is malformed.",
        "H-35",
        message_with(last(b":path")),
    ),
    _malformed(
        "4.3/status-after-field",
        "A response with :status behind a regular field is malformed.",
        "H-35",
        message_with(last(b":status")),
        CLIENT,
    ),
    _malformed(
        "4.3/pseudo-header-in-trailers",
        "A request with a pseudo-header field in its trailers is malformed.",
        "H-35",
        message_with_trailers([(b":path", b"/")]),
    ),
    _malformed(
        "4.3/status-in-trailers",
        "A response with :status in its trailers is malformed.",
        "H-35",
        message_with_trailers([(b":status", b"200")]),
        CLIENT,
    ),
)

REQUESTS = (
    _malformed(
        "4.3.1/no-method",
        "A request without :method is malformed.",
        "H-29",
        message_with(without(b":method")),
    ),
    _malformed(
        "4.3.1/method-twice",
        "A request with two values of :method is malformed.",
        "H-29",
        message_with(_method_twice),
    ),
    _malformed(
        "4.3.1/no-scheme",
        "A request without :scheme is malformed.",
        "H-30",
        message_with(without(b":scheme")),
    ),
    _malformed(
        "4.3.1/no-path",
        "A request without :path is malformed.",
        "H-31",
        message_with(without(b":path")),
    ),
    _malformed(
        "4.3.1/empty-path",
        "A request for an https URI with an empty :path is malformed.",
        "H-31",
        message_with(replaced(b":path", b"")),
    ),
    _malformed(
        "4.3.1/no-authority",
        "A request for an https URI with neither :authority nor Host is malformed.",
        "H-32",
        message_with(without(b":authority")),
    ),
    _malformed(
        "4.3.1/another-host",
        "A request whose :authority and Host differ is malformed.",
        "H-33",
        message_with(also(b"host", b"server6")),
    ),
)

HOST_ALONE = case(
    "rfc9114/4.3.1/host-alone",
    Level.MUST,
    text="A request may have Host in place of :authority.",
    rows="H-32",
    roles=SERVER,
    flow=HTTP3,
    expects=takes_message(),
)(message_with(_host_alone))

RESPONSES = (
    _malformed(
        "4.3.2/no-status",
        "A response without :status is malformed.",
        "H-46",
        message_with(lambda _: [(b"x-name", b"value")]),
        CLIENT,
    ),
)
