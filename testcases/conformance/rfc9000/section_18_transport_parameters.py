"""RFC 9000, 18: the values of transport parameters, on both sides of each limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester.frames import MOST_STREAMS
from quicmatrix.endpoint.tester.parameters import (
    Alteration,
    Parameter,
    added,
    preferred_address,
    replaced,
    reserved,
)
from quicmatrix.endpoint.tester.tester import random_id
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.conformance.codes import TRANSPORT_PARAMETER_ERROR
from quicmatrix.testcases.conformance.expectations import closes, goes_on
from quicmatrix.testcases.conformance.model import (
    BOTH,
    CLIENT,
    SERVER,
    Case,
    Expectation,
    case,
)
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


def announcing(
    name: str,
    text: str,
    alter: Alteration,
    expects: Expectation,
    *,
    rows: str,
    roles: frozenset[Side] = BOTH,
    level: Level = Level.MUST,
) -> Case:
    """A case whose stimulus is one transport parameter in an otherwise correct handshake.

    Args:
        name: What the id ends with.
        text: The requirement.
        alter: Makes our transport parameters what they are.
        expects: What must follow.
        rows: Of the catalogue.
        roles: Of the implementation under test.
        level: Of the requirement.
    """

    async def announce(tester: Tester) -> None:
        await tester.connecting(alter_parameters=alter, stimulus=True)

    announce.__doc__ = text
    declare = case(name, level, rows=rows, roles=roles, expects=expects)
    return declare(announce)


def refused(
    name: str, text: str, alter: Alteration, *, rows: str, roles: frozenset[Side] = BOTH
) -> Case:
    """A value that is invalid (RFC 9000, 7.4)."""
    name = f"rfc9000/18.2/{name}"
    expects = closes(TRANSPORT_PARAMETER_ERROR)
    return announcing(name, text, alter, expects, rows=rows, roles=roles)


def accepted(name: str, text: str, alter: Alteration, *, rows: str) -> Case:
    """A value at the limit, which is valid."""
    return announcing(f"rfc9000/18.2/{name}", text, alter, goes_on(), rows=rows)


reserved_is_ignored = announcing(
    "rfc9000/18.1/reserved",
    "A reserved transport parameter is ignored, whatever its value.",
    added(reserved(1000), b"any bytes at all"),
    goes_on(),
    rows="P-17 X-09",
)

# --- What only a server sends ------------------------------------------------------------------

original_destination_connection_id_of_a_client = refused(
    "original-destination-connection-id-of-a-client",
    "A client that sends original_destination_connection_id is refused.",
    added(Parameter.ORIGINAL_DESTINATION_CONNECTION_ID, random_id()),
    rows="P-03",
    roles=SERVER,
)
retry_source_connection_id_of_a_client = refused(
    "retry-source-connection-id-of-a-client",
    "A client that sends retry_source_connection_id is refused.",
    added(Parameter.RETRY_SOURCE_CONNECTION_ID, random_id()),
    rows="P-04",
    roles=SERVER,
)
stateless_reset_token_of_a_client = refused(
    "stateless-reset-token-of-a-client",
    "A client that sends stateless_reset_token is refused.",
    added(Parameter.STATELESS_RESET_TOKEN, bytes(range(16))),
    rows="P-05",
    roles=SERVER,
)
preferred_address_of_a_client = refused(
    "preferred-address-of-a-client",
    "A client that sends preferred_address is refused.",
    added(Parameter.PREFERRED_ADDRESS, preferred_address(random_id())),
    rows="P-06",
    roles=SERVER,
)

# --- Integers ----------------------------------------------------------------------------------

max_udp_payload_size_of_1199 = refused(
    "max-udp-payload-size-1199",
    "A max_udp_payload_size of 1199 is refused.",
    replaced(Parameter.MAX_UDP_PAYLOAD_SIZE, 1199),
    rows="P-09 C-23",
)
max_udp_payload_size_of_1200 = accepted(
    "max-udp-payload-size-1200",
    "A max_udp_payload_size of 1200, the smallest that is valid, is accepted.",
    replaced(Parameter.MAX_UDP_PAYLOAD_SIZE, 1200),
    rows="P-09 C-23",
)
max_udp_payload_size_of_65528 = announcing(
    "rfc9000/18.2/max-udp-payload-size-65528",
    "A max_udp_payload_size above 65527, which no datagram has, is not said to be invalid.",
    replaced(Parameter.MAX_UDP_PAYLOAD_SIZE, 65_528),
    goes_on(),
    rows="P-09 C-23",
    level=Level.MAY,
)
initial_max_streams_bidi_above_2_60 = refused(
    "initial-max-streams-bidi-above-2-60",
    "An initial_max_streams_bidi above 2^60 is refused.",
    replaced(Parameter.INITIAL_MAX_STREAMS_BIDI, MOST_STREAMS + 1),
    rows="P-11 C-24",
)
initial_max_streams_bidi_of_2_60 = accepted(
    "initial-max-streams-bidi-2-60",
    "An initial_max_streams_bidi of 2^60 is accepted.",
    replaced(Parameter.INITIAL_MAX_STREAMS_BIDI, MOST_STREAMS),
    rows="P-11 C-24",
)
initial_max_streams_uni_above_2_60 = refused(
    "initial-max-streams-uni-above-2-60",
    "An initial_max_streams_uni above 2^60 is refused.",
    replaced(Parameter.INITIAL_MAX_STREAMS_UNI, MOST_STREAMS + 1),
    rows="P-12 C-24",
)
initial_max_streams_uni_of_2_60 = accepted(
    "initial-max-streams-uni-2-60",
    "An initial_max_streams_uni of 2^60 is accepted.",
    replaced(Parameter.INITIAL_MAX_STREAMS_UNI, MOST_STREAMS),
    rows="P-12 C-24",
)
ack_delay_exponent_of_21 = refused(
    "ack-delay-exponent-21",
    "An ack_delay_exponent of 21 is refused.",
    replaced(Parameter.ACK_DELAY_EXPONENT, 21),
    rows="P-07 C-23",
)
ack_delay_exponent_of_20 = accepted(
    "ack-delay-exponent-20",
    "An ack_delay_exponent of 20, the largest that is valid, is accepted.",
    replaced(Parameter.ACK_DELAY_EXPONENT, 20),
    rows="P-07 C-23",
)
max_ack_delay_of_2_14 = refused(
    "max-ack-delay-2-14",
    "A max_ack_delay of 2^14 is refused.",
    replaced(Parameter.MAX_ACK_DELAY, 1 << 14),
    rows="P-08 C-23",
)
max_ack_delay_below_2_14 = accepted(
    "max-ack-delay-below-2-14",
    "A max_ack_delay of 2^14 - 1, the largest that is valid, is accepted.",
    replaced(Parameter.MAX_ACK_DELAY, (1 << 14) - 1),
    rows="P-08 C-23",
)
active_connection_id_limit_of_0 = refused(
    "active-connection-id-limit-0",
    "An active_connection_id_limit of 0 is refused.",
    replaced(Parameter.ACTIVE_CONNECTION_ID_LIMIT, 0),
    rows="P-10 C-23",
)
active_connection_id_limit_of_1 = refused(
    "active-connection-id-limit-1",
    "An active_connection_id_limit of 1 is refused.",
    replaced(Parameter.ACTIVE_CONNECTION_ID_LIMIT, 1),
    rows="P-10 C-23",
)
active_connection_id_limit_of_2 = accepted(
    "active-connection-id-limit-2",
    "An active_connection_id_limit of 2, the smallest that is valid, is accepted.",
    replaced(Parameter.ACTIVE_CONNECTION_ID_LIMIT, 2),
    rows="P-10 C-23",
)

# --- Other values ------------------------------------------------------------------------------

disable_active_migration_with_a_value = refused(
    "disable-active-migration-with-a-value",
    "A disable_active_migration that is not empty is refused.",
    replaced(Parameter.DISABLE_ACTIVE_MIGRATION, b"\1"),
    rows="P-15",
)
stateless_reset_token_of_15_bytes = refused(
    "stateless-reset-token-15-bytes",
    "A stateless_reset_token of 15 bytes is refused.",
    replaced(Parameter.STATELESS_RESET_TOKEN, bytes(range(15))),
    rows="C-25",
    roles=CLIENT,
)
stateless_reset_token_of_17_bytes = refused(
    "stateless-reset-token-17-bytes",
    "A stateless_reset_token of 17 bytes is refused.",
    replaced(Parameter.STATELESS_RESET_TOKEN, bytes(range(17))),
    rows="C-25",
    roles=CLIENT,
)
preferred_address_without_connection_id = refused(
    "preferred-address-without-connection-id",
    "A preferred_address with a connection ID of no bytes is refused.",
    added(Parameter.PREFERRED_ADDRESS, preferred_address(b"")),
    rows="C-26",
    roles=CLIENT,
)
preferred_address_cut_short = refused(
    "preferred-address-cut-short",
    "A preferred_address that ends inside its stateless reset token is refused.",
    added(Parameter.PREFERRED_ADDRESS, preferred_address(random_id())[:-1]),
    rows="C-26",
    roles=CLIENT,
)
