"""RFC 9114, 4.4: the CONNECT method."""

from __future__ import annotations

from quicmatrix.testcases.conformance.codes import H3_MESSAGE_ERROR
from quicmatrix.testcases.conformance.malformed import message_with, replaced
from quicmatrix.testcases.conformance.messages import rejects_message
from quicmatrix.testcases.conformance.model import HTTP3, SERVER, case
from quicmatrix.testcases.model import Level

CONNECT_WITH_PATH = case(
    "rfc9114/4.4/connect-with-scheme-and-path",
    Level.MUST,
    text="A CONNECT request with :scheme and :path is malformed.",
    rows="H-53",
    roles=SERVER,
    flow=HTTP3,
    expects=rejects_message(H3_MESSAGE_ERROR),
)(message_with(replaced(b":method", b"CONNECT")))
