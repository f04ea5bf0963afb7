"""RFC 9000, 7: the cryptographic and transport handshake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import flows
from quicmatrix.endpoint.tester.parameters import Parameter, replaced, without
from quicmatrix.endpoint.tester.tester import random_id
from quicmatrix.testcases.conformance.codes import PROTOCOL_VIOLATION, TRANSPORT_PARAMETER_ERROR
from quicmatrix.testcases.conformance.expectations import closes
from quicmatrix.testcases.conformance.model import CLIENT, RETRY, case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

REFUSED = closes(TRANSPORT_PARAMETER_ERROR, PROTOCOL_VIOLATION)
"""RFC 9000, 7.3, allows both codes where a connection ID does not match."""


@case(
    "rfc9000/7.3/no-initial-source-connection-id",
    Level.MUST,
    rows="P-01 C-20",
    expects=REFUSED,
)
async def no_initial_source_connection_id(tester: Tester) -> None:
    """A peer without initial_source_connection_id is refused with TRANSPORT_PARAMETER_ERROR."""
    await tester.connecting(
        alter_parameters=without(Parameter.INITIAL_SOURCE_CONNECTION_ID), stimulus=True
    )


@case(
    "rfc9000/7.3/wrong-initial-source-connection-id",
    Level.MUST,
    rows="P-02 C-20",
    expects=REFUSED,
)
async def wrong_initial_source_connection_id(tester: Tester) -> None:
    """An initial_source_connection_id that is not in the peer's Initial packets is refused."""
    await tester.connecting(
        alter_parameters=replaced(Parameter.INITIAL_SOURCE_CONNECTION_ID, random_id()),
        stimulus=True,
    )


@case(
    "rfc9000/7.3/no-original-destination-connection-id",
    Level.MUST,
    rows="C-18",
    roles=CLIENT,
    expects=REFUSED,
)
async def no_original_destination_connection_id(tester: Tester) -> None:
    """A server without original_destination_connection_id is refused."""
    await tester.connecting(
        alter_parameters=without(Parameter.ORIGINAL_DESTINATION_CONNECTION_ID), stimulus=True
    )


@case(
    "rfc9000/7.3/wrong-original-destination-connection-id",
    Level.MUST,
    rows="C-19",
    roles=CLIENT,
    expects=REFUSED,
)
async def wrong_original_destination_connection_id(tester: Tester) -> None:
    """An original_destination_connection_id that the client did not send to is refused."""
    await tester.connecting(
        alter_parameters=replaced(Parameter.ORIGINAL_DESTINATION_CONNECTION_ID, random_id()),
        stimulus=True,
    )


@case(
    "rfc9000/7.3/retry-source-connection-id-without-retry",
    Level.MUST,
    rows="C-21",
    roles=CLIENT,
    expects=REFUSED,
)
async def retry_source_connection_id_without_retry(tester: Tester) -> None:
    """A retry_source_connection_id is refused where there was no Retry."""
    await tester.connecting(
        alter_parameters=replaced(Parameter.RETRY_SOURCE_CONNECTION_ID, random_id()),
        stimulus=True,
    )


@case(
    "rfc9000/7.3/no-retry-source-connection-id",
    Level.MUST,
    rows="C-22",
    roles=CLIENT,
    flow=RETRY,
    expects=REFUSED,
)
async def no_retry_source_connection_id(tester: Tester) -> None:
    """After a Retry, a server without retry_source_connection_id is refused."""
    await tester.connecting(
        **await flows.send_retry(tester),
        alter_parameters=without(Parameter.RETRY_SOURCE_CONNECTION_ID),
        stimulus=True,
    )


@case(
    "rfc9000/7.3/wrong-retry-source-connection-id",
    Level.MUST,
    rows="C-22",
    roles=CLIENT,
    flow=RETRY,
    expects=REFUSED,
)
async def wrong_retry_source_connection_id(tester: Tester) -> None:
    """After a Retry, a retry_source_connection_id other than the Retry's is refused."""
    await tester.connecting(
        **await flows.send_retry(tester),
        alter_parameters=replaced(Parameter.RETRY_SOURCE_CONNECTION_ID, random_id()),
        stimulus=True,
    )
