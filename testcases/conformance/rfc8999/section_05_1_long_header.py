"""RFC 8999, 5.1: what long headers of all versions have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.testcases.conformance.model import SERVER, case
from quicmatrix.testcases.conformance.openings import unknown_version
from quicmatrix.testcases.conformance.replies import negotiates_version
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc8999/5.1/second-bit-of-unknown-version",
    Level.SHOULD,
    rows="S-14",
    roles=SERVER,
    expects=negotiates_version(),
)
async def second_bit_of_unknown_version(tester: Tester) -> None:
    """The bit that version 1 fixes has no meaning in a version that the server does not know."""
    tester.send(unknown_version(first_byte=0x80), tester.new_path(), step="stimulus")
    await tester.answers()
    await tester.connected()
