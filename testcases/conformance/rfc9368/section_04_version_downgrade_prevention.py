"""RFC 9368, 4: version_information, and what it must not say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester.parameters import (
    Alteration,
    Parameter,
    replaced,
    version_information,
    without,
)
from quicmatrix.runner.trace.model import VERSION_1, VERSION_2, Side
from quicmatrix.testcases.conformance.codes import (
    TRANSPORT_PARAMETER_ERROR,
    VERSION_NEGOTIATION_ERROR,
)
from quicmatrix.testcases.conformance.expectations import closes, goes_on, where_announced
from quicmatrix.testcases.conformance.model import (
    BOTH,
    CLIENT,
    SERVER,
    TRANSFER,
    VERSION_NEGOTIATION,
    Case,
    Expectation,
    Flow,
    case,
)
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

UNASSIGNED = 0x00000002
"""A version that is none, and that nobody offers."""
RESERVED = 0x1A2A3A4A
"""RFC 9000, 15."""
MALFORMED = where_announced("version_information", closes(TRANSPORT_PARAMETER_ERROR))
CONTRADICTORY = where_announced("version_information", closes(VERSION_NEGOTIATION_ERROR))


def informing(
    name: str,
    text: str,
    alter: Alteration,
    expects: Expectation,
    *,
    rows: str,
    roles: frozenset[Side] = BOTH,
    flow: Flow = TRANSFER,
) -> Case:
    """A case whose stimulus is version_information in an otherwise correct handshake."""

    async def inform(tester: Tester) -> None:
        await tester.connecting(alter_parameters=alter, stimulus=True)

    inform.__doc__ = text
    declare = case(name, Level.MUST, rows=rows, roles=roles, flow=flow, expects=expects)
    return declare(inform)


def _says(*versions: int) -> Alteration:
    return replaced(Parameter.VERSION_INFORMATION, version_information(*versions))


length_not_divisible_by_four = informing(
    "rfc9368/4/length-not-divisible-by-four",
    "A version_information whose length is not divisible by four is refused.",
    replaced(
        Parameter.VERSION_INFORMATION, version_information(VERSION_1, VERSION_1, VERSION_2)[:-1]
    ),
    MALFORMED,
    rows="P-43 C-47",
)
too_short = informing(
    "rfc9368/4/too-short",
    "A version_information without a chosen version is refused.",
    replaced(Parameter.VERSION_INFORMATION, b""),
    MALFORMED,
    rows="P-43 C-47",
)
chosen_version_of_zero = informing(
    "rfc9368/4/chosen-version-zero",
    "A version_information whose chosen version is 0 is refused.",
    _says(0, 0, VERSION_1),
    MALFORMED,
    rows="P-44",
)
available_version_of_zero = informing(
    "rfc9368/4/available-version-zero",
    "A version_information with an available version of 0 is refused.",
    _says(VERSION_1, VERSION_1, 0),
    MALFORMED,
    rows="P-44",
)
chosen_version_not_available = informing(
    "rfc9368/4/chosen-version-not-available",
    "A client whose chosen version is not among its available versions is refused.",
    _says(VERSION_1, VERSION_2),
    MALFORMED,
    rows="P-45",
    roles=SERVER,
)
chosen_version_not_in_use = informing(
    "rfc9368/4/chosen-version-not-in-use",
    "A client whose chosen version is not that of its Initial packets is refused.",
    _says(VERSION_2, VERSION_2, VERSION_1),
    CONTRADICTORY,
    rows="P-46",
    roles=SERVER,
)
chosen_version_not_offered = informing(
    "rfc9368/4/chosen-version-not-offered",
    "A server whose chosen version the client did not offer is refused.",
    _says(UNASSIGNED, VERSION_1),
    CONTRADICTORY,
    rows="C-46",
    roles=CLIENT,
)
reserved_version_available = informing(
    "rfc9368/3/reserved-version-available",
    "A reserved version among the available ones is ignored.",
    _says(VERSION_1, RESERVED, VERSION_1),
    goes_on(),
    rows="X-09",
)
missing_after_version_negotiation = informing(
    "rfc9368/4/missing-after-version-negotiation",
    "A client that has reacted to Version Negotiation refuses a server without"
    " version_information.",
    without(Parameter.VERSION_INFORMATION),
    closes(VERSION_NEGOTIATION_ERROR),
    rows="C-48",
    roles=CLIENT,
    flow=VERSION_NEGOTIATION,
)
nothing_available_after_version_negotiation = informing(
    "rfc9368/4/nothing-available-after-version-negotiation",
    "A client that has reacted to Version Negotiation refuses a server without available versions.",
    _says(VERSION_2),
    closes(VERSION_NEGOTIATION_ERROR),
    rows="C-48 X-03",
    roles=CLIENT,
    flow=VERSION_NEGOTIATION,
)
