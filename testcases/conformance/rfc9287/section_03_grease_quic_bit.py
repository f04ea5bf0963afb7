"""RFC 9287, 3: the grease_quic_bit transport parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester.parameters import Parameter, replaced
from quicmatrix.testcases.conformance.codes import TRANSPORT_PARAMETER_ERROR
from quicmatrix.testcases.conformance.expectations import closes, where_announced
from quicmatrix.testcases.conformance.model import case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc9287/3/grease-quic-bit-with-a-value",
    Level.MUST,
    rows="P-47",
    expects=where_announced("grease_quic_bit", closes(TRANSPORT_PARAMETER_ERROR)),
)
async def grease_quic_bit_with_a_value(tester: Tester) -> None:
    """A grease_quic_bit that is not empty is refused by who knows this parameter."""
    await tester.connecting(
        alter_parameters=replaced(Parameter.GREASE_QUIC_BIT, b"\1"), stimulus=True
    )
