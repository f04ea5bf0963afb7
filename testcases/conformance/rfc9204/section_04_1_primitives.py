"""RFC 9204, 4.1: prefixed integers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import http3, qpack
from quicmatrix.endpoint.tester.http3 import H3Frame
from quicmatrix.endpoint.tester.streams import Rest
from quicmatrix.testcases.conformance.codes import QPACK_DECOMPRESSION_FAILED
from quicmatrix.testcases.conformance.expectations import closes
from quicmatrix.testcases.conformance.messages import takes_message
from quicmatrix.testcases.conformance.model import HTTP3, case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

LARGEST = (1 << 62) - 1


@case(
    "rfc9204/4.1.1/integer-of-62-bits",
    Level.MUST,
    rows="H-66",
    flow=HTTP3,
    expects=takes_message(),
)
async def integer_of_62_bits(tester: Tester) -> None:
    """A prefixed integer of 62 bits is decoded: a Base that no field line needs may be so large."""
    peer = await tester.connected()
    section = qpack.prefix(0, LARGEST) + qpack.literals(tester.message_fields)
    peer.message_stimulus(
        http3.frame(H3Frame.HEADERS, section), fin=tester.is_client, rest=Rest.CONTENT
    )


@case(
    "rfc9204/4.1.1/integer-beyond-62-bits",
    Level.MAY,  # what is too long is up to the decoder (RFC 7541, 5.1)
    rows="H-66",
    flow=HTTP3,
    expects=closes(QPACK_DECOMPRESSION_FAILED),
)
async def integer_beyond_62_bits(tester: Tester) -> None:
    """A prefixed integer of 84 bits is refused with QPACK_DECOMPRESSION_FAILED."""
    peer = await tester.connected()
    section = qpack.prefix(0, 1 << 83) + qpack.literals(tester.message_fields)
    peer.message_stimulus(
        http3.frame(H3Frame.HEADERS, section), fin=tester.is_client, rest=Rest.CONTENT
    )
