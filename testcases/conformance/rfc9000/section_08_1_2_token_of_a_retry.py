"""RFC 9000, 8.1.2: what a client does with the token of a Retry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.runner.trace.model import PacketType
from quicmatrix.testcases.conformance.expectations import keeps
from quicmatrix.testcases.conformance.model import CLIENT, case
from quicmatrix.testcases.conformance.openings import retried
from quicmatrix.testcases.interop.retry import client_repeats_the_token
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9000/8.1.2/token-is-repeated",
    Level.MUST,
    rows="C-17",
    roles=CLIENT,
    expects=keeps(client_repeats_the_token, needs=PacketType.INITIAL),
)
async def token_is_repeated(tester: Tester) -> None:
    """A client repeats the token of a Retry packet in all Initial packets that follow."""
    await retried(tester)
