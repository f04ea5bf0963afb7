"""One wrong transport parameter in an otherwise valid handshake (RFC 9000, 7.4 and 18.2)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from aioquic.buffer import encode_uint_var
from aioquic.quic.packet import QuicErrorCode

from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.crypto.transport_parameters import parameter_values
from tests.support.quic_pair import Pair, client_configuration, server_configuration

Values = dict[int, bytes]
Change = Callable[[Values], object]
ERROR = QuicErrorCode.TRANSPORT_PARAMETER_ERROR

ORIGINAL_DESTINATION, STATELESS_RESET, PREFERRED_ADDRESS, RETRY_SOURCE = 0x00, 0x02, 0x0D, 0x10
ADDRESSES = bytes(4) + bytes(2) + bytes(16) + bytes(2)


def integer(identifier: int, value: int) -> Change:
    return lambda values: values.__setitem__(identifier, encode_uint_var(value))


def value(identifier: int, content: bytes) -> Change:
    return lambda values: values.__setitem__(identifier, content)


def without(identifier: int) -> Change:
    return lambda values: values.pop(identifier)


BOTH: list[tuple[str, Change, int | None]] = [
    ("max_udp_payload_size 1199", integer(0x03, 1199), ERROR),
    ("max_udp_payload_size 1200", integer(0x03, 1200), None),
    ("max_udp_payload_size 65528", integer(0x03, 65528), None),
    ("ack_delay_exponent 21", integer(0x0A, 21), ERROR),
    ("ack_delay_exponent 20", integer(0x0A, 20), None),
    ("max_ack_delay 2^14", integer(0x0B, 1 << 14), ERROR),
    ("max_ack_delay 2^14 - 1", integer(0x0B, (1 << 14) - 1), None),
    ("active_connection_id_limit 0", integer(0x0E, 0), ERROR),
    ("active_connection_id_limit 1", integer(0x0E, 1), ERROR),
    ("active_connection_id_limit 2", integer(0x0E, 2), None),
    ("initial_max_streams_bidi 2^60 + 1", integer(0x08, (1 << 60) + 1), ERROR),
    ("initial_max_streams_bidi 2^60", integer(0x08, 1 << 60), None),
    ("initial_max_streams_uni 2^60 + 1", integer(0x09, (1 << 60) + 1), ERROR),
    ("initial_max_streams_uni 2^60", integer(0x09, 1 << 60), None),
    ("an integer with a byte behind it", value(0x04, b"\x01\x00"), ERROR),
    ("an integer that is cut off", value(0x04, b"\x80\x01"), ERROR),
    ("disable_active_migration that is not empty", value(0x0C, b"\x01"), ERROR),
    ("grease_quic_bit that is not empty", value(0x2AB2, b"\x01"), ERROR),
    ("no initial_source_connection_id", without(0x0F), ERROR),
    ("another initial_source_connection_id", value(0x0F, b"somebody"), ERROR),
    ("an unknown parameter", value((1 << 62) - 1, b"anything"), None),
    ("a reserved parameter", value(31 * 1000 + 27, b""), None),
    ("version_information of 7 bytes", value(0x11, b"\0\0\0\1\0\0\0"), ERROR),
    ("version_information that chose 0", value(0x11, b"\0\0\0\0\0\0\0\1"), ERROR),
    ("version_information with 0 available", value(0x11, b"\0\0\0\1\0\0\0\0"), ERROR),
    (
        "version_information that chose another version",
        value(0x11, b"\x6b\x33\x43\xcf\x6b\x33\x43\xcf"),
        QuicErrorCode.VERSION_NEGOTIATION_ERROR,
    ),
]
OF_CLIENT: list[tuple[str, Change, int | None]] = [
    ("original_destination_connection_id", value(ORIGINAL_DESTINATION, b"12345678"), ERROR),
    ("stateless_reset_token", value(STATELESS_RESET, bytes(16)), ERROR),
    ("preferred_address", value(PREFERRED_ADDRESS, ADDRESSES + b"\x01a" + bytes(16)), ERROR),
    ("retry_source_connection_id", value(RETRY_SOURCE, b"12345678"), ERROR),
    (
        "version_information whose choice is not available",
        value(0x11, b"\0\0\0\1\x6b\x33\x43\xcf"),
        ERROR,
    ),
]
OF_SERVER: list[tuple[str, Change, int | None]] = [
    ("no original_destination_connection_id", without(ORIGINAL_DESTINATION), ERROR),
    ("another original_destination_connection_id", value(ORIGINAL_DESTINATION, b"other"), ERROR),
    ("retry_source_connection_id without Retry", value(RETRY_SOURCE, b"12345678"), ERROR),
    ("stateless_reset_token of 15 bytes", value(STATELESS_RESET, bytes(15)), ERROR),
    ("stateless_reset_token of 17 bytes", value(STATELESS_RESET, bytes(17)), ERROR),
    ("no stateless_reset_token", without(STATELESS_RESET), None),
    (
        "preferred_address without connection ID",
        value(PREFERRED_ADDRESS, ADDRESSES + b"\0" + bytes(16)),
        ERROR,
    ),
    (
        "preferred_address with an ID of 21 bytes",
        value(PREFERRED_ADDRESS, ADDRESSES + b"\x15" + bytes(21 + 16)),
        ERROR,
    ),
]


def encoded(values: Values) -> bytes:
    return b"".join(
        encode_uint_var(identifier) + encode_uint_var(len(content)) + content
        for identifier, content in values.items()
    )


def telling(change: Change) -> type[Connection]:
    """A connection that announces something else."""

    class Telling(Connection):
        def _serialize_transport_parameters(self) -> bytes:
            values = parameter_values(super()._serialize_transport_parameters())
            change(values)
            return encoded(values)

    return Telling


def outcome(pair: Pair, *, of_client: bool) -> int | None:
    """The error that the receiver of the parameters closes with; None if it goes on."""
    pair.connect()
    pair.run_until(lambda: pair.client.is_confirmed or pair.client.is_ending)
    target = pair.server if of_client else pair.client
    return None if target.ending is None else target.ending.error_code


def name(row: object) -> str:
    return row if isinstance(row, str) else ""


@pytest.mark.parametrize(("_", "change", "error"), BOTH + OF_CLIENT, ids=name)
def test_what_a_client_may_announce(certs: Path, _: str, change: Change, error: int | None) -> None:
    pair = Pair(
        client_configuration(certs), server_configuration(certs), client_type=telling(change)
    )
    assert outcome(pair, of_client=True) == error


@pytest.mark.parametrize(("_", "change", "error"), BOTH + OF_SERVER, ids=name)
def test_what_a_server_may_announce(certs: Path, _: str, change: Change, error: int | None) -> None:
    pair = Pair(
        client_configuration(certs), server_configuration(certs), server_type=telling(change)
    )
    assert outcome(pair, of_client=False) == error


@pytest.mark.parametrize("content", [b"\x0a\x05\x03", b"\x0a", b"\x40"])
def test_a_list_of_parameters_that_is_cut_off(certs: Path, content: bytes) -> None:
    class CutOff(Connection):
        def _serialize_transport_parameters(self) -> bytes:
            return super()._serialize_transport_parameters() + content

    pair = Pair(client_configuration(certs), server_configuration(certs), client_type=CutOff)
    assert outcome(pair, of_client=True) == ERROR


def test_an_idle_timeout_of_zero_is_none(certs: Path) -> None:
    """RFC 9000, 18.2: the other side's own holds."""
    pair = Pair(
        client_configuration(certs, idle_timeout=20.0),
        server_configuration(certs),
        server_type=telling(integer(0x01, 0)),
    )
    pair.complete_handshake()
    pair.run_for(15.0)
    assert not pair.client.is_ending
    pair.run_for(6.0)
    assert pair.client.is_ending


def test_the_smaller_idle_timeout_holds(certs: Path) -> None:
    pair = Pair(client_configuration(certs), server_configuration(certs, idle_timeout=2.0))
    pair.complete_handshake()
    pair.run_for(2.5)
    assert pair.client.is_ending
    assert pair.server.is_ending


def test_a_client_keeps_to_disable_active_migration(certs: Path) -> None:
    """RFC 9000, 18.2: where the handshake was, it stays."""
    for change, may_move in ((value(0x0C, b""), False), (value(31 + 27, b""), True)):
        pair = Pair(
            client_configuration(certs), server_configuration(certs), server_type=telling(change)
        )
        pair.connect()
        pair.run_until(lambda pair=pair: pair.client.is_confirmed)  # type: ignore[misc]
        pair.run_for(1.0)
        assert pair.client.migrate(("192.0.2.77", 443)), "another address of the server's"
        path = pair.client._network_paths[-1].addr
        assert pair.client.migrate(path) is may_move
