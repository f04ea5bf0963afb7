"""Transport parameters that may not be, and their neighbours that may (RFC 9000, 7.4 and 18.2).

Each case has a second test with aioquic's connection as it is: see ``test_tls_faults``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from aioquic._buffer import Buffer
from aioquic.buffer import encode_uint_var
from aioquic.quic.packet import QuicErrorCode

from quicmatrix.endpoint.transport.connection import Connection
from tests.support.quic_pair import Pair, client_configuration, server_configuration
from tests.support.tampering import Plain

ORIGINAL_DESTINATION, IDLE, RESET_TOKEN, UDP_SIZE = 0x00, 0x01, 0x02, 0x03
STREAMS_BIDI, STREAMS_UNI, EXPONENT, ACK_DELAY = 0x08, 0x09, 0x0A, 0x0B
NO_MIGRATION, PREFERRED, CID_LIMIT, INITIAL_SOURCE, RETRY_SOURCE = 0x0C, 0x0D, 0x0E, 0x0F, 0x10
VERSIONS = 0x11
REFUSED = int(QuicErrorCode.TRANSPORT_PARAMETER_ERROR)
VERSION_ERROR = int(QuicErrorCode.VERSION_NEGOTIATION_ERROR)
V1 = b"\x00\x00\x00\x01"

Parameters = dict[int, bytes]


def parsed(data: bytes) -> Parameters:
    buf = Buffer(data=data)
    found = {}
    while not buf.eof():
        kind = buf.pull_uint_var()
        found[kind] = buf.pull_bytes(buf.pull_uint_var())
    return found


def serialized(parameters: Parameters) -> bytes:
    return b"".join(
        encode_uint_var(kind) + encode_uint_var(len(value)) + value
        for kind, value in parameters.items()
    )


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    senders: tuple[str, ...]
    change: Callable[[bytes], bytes]
    code: int | None
    plainly: int | None


def sets(kind: int, value: int | bytes) -> Callable[[bytes], bytes]:
    body = encode_uint_var(value) if isinstance(value, int) else value
    return lambda data: serialized(parsed(data) | {kind: body})


def lacks(kind: int) -> Callable[[bytes], bytes]:
    return lambda data: serialized({k: v for k, v in parsed(data).items() if k != kind})


BOTH = ("client", "server")
PREFERRED_BODY = bytes(4) + b"\x00\x00" + bytes(16) + b"\x00\x00"


def refused(name: str, change: Callable[[bytes], bytes], *senders: str) -> Case:
    """What aioquic refuses too."""
    return Case(name, senders or BOTH, change, REFUSED, REFUSED)


def accepted(name: str, change: Callable[[bytes], bytes], *senders: str) -> Case:
    return Case(name, senders or BOTH, change, None, None)


CASES = [
    refused("no initial source", lacks(INITIAL_SOURCE)),
    refused("another initial source", sets(INITIAL_SOURCE, b"12345678")),
    refused("an original destination", sets(ORIGINAL_DESTINATION, b"12345678")),
    refused("no original destination", lacks(ORIGINAL_DESTINATION), "server"),
    refused("a retry source", sets(RETRY_SOURCE, b"12345678")),
    refused("a reset token of a client", sets(RESET_TOKEN, bytes(16)), "client"),
    refused("a preferred address of a client",
            sets(PREFERRED, PREFERRED_BODY + b"\x04abcd" + bytes(16)), "client"),
    refused("a preferred address without ID",
            sets(PREFERRED, PREFERRED_BODY + b"\x00" + bytes(16)), "server"),
    refused("a preferred address with an ID of 21 bytes",
            sets(PREFERRED, PREFERRED_BODY + b"\x15" + bytes(21 + 16)), "server"),
    refused("ack_delay_exponent 21", sets(EXPONENT, 21)),
    accepted("ack_delay_exponent 20", sets(EXPONENT, 20)),
    refused("max_ack_delay 2^14", sets(ACK_DELAY, 1 << 14)),
    accepted("max_ack_delay 2^14 - 1", sets(ACK_DELAY, (1 << 14) - 1)),
    refused("max_udp_payload_size 1199", sets(UDP_SIZE, 1199)),
    accepted("max_udp_payload_size 1200", sets(UDP_SIZE, 1200)),
    accepted("max_udp_payload_size 2^62 - 1", sets(UDP_SIZE, (1 << 62) - 1)),
    refused("active_connection_id_limit 0", sets(CID_LIMIT, 0)),
    refused("active_connection_id_limit 1", sets(CID_LIMIT, 1)),
    accepted("active_connection_id_limit 2", sets(CID_LIMIT, 2)),
    refused("initial_max_streams_bidi 2^60 + 1", sets(STREAMS_BIDI, (1 << 60) + 1)),
    refused("initial_max_streams_uni 2^60 + 1", sets(STREAMS_UNI, (1 << 60) + 1)),
    accepted("initial_max_streams_bidi 2^60", sets(STREAMS_BIDI, 1 << 60)),
    refused("a number with more", sets(IDLE, b"\x05\x00")),
    refused("a number with less", sets(IDLE, b"")),
    refused("the list cut short", lambda data: data[:-1]),
    refused("a flag with a value", sets(NO_MIGRATION, b"\x01")),
    accepted("a flag", sets(NO_MIGRATION, b"")),
    accepted("reserved and unknown ones",
             lambda data: serialized(parsed(data) | {31 * 9 + 27: b"any", (1 << 62) - 2: b""})),
    refused("a version in pieces", sets(VERSIONS, V1 + V1[:3])),
    refused("version 0 chosen", sets(VERSIONS, bytes(4) + V1)),
    refused("version 0 offered", sets(VERSIONS, V1 + V1 + bytes(4))),
    refused("the chosen version not offered", sets(VERSIONS, V1 + b"\x1a\x2a\x3a\x4a"), "client"),
    Case("another version chosen", BOTH, sets(VERSIONS, b"\x1a\x2a\x3a\x4a" * 2),
         VERSION_ERROR, VERSION_ERROR),
    Case("one twice", BOTH, lambda data: data + b"\x0a\x01\x03", REFUSED, None),
]  # fmt: skip

EACH = [
    pytest.param(case, sender, id=f"{sender}: {case.name}")
    for case in CASES
    for sender in case.senders
]


def outcome(certs: Path, case: Case, sender: str, receiver: type[Connection]) -> int | None:
    """The code that the receiver closes with; None if it is connected."""

    class Changing(Connection):
        def _serialize_transport_parameters(self) -> bytes:
            return case.change(super()._serialize_transport_parameters())

    from_client = sender == "client"
    pair = Pair(
        client_configuration(certs),
        server_configuration(certs),
        client_type=Changing if from_client else receiver,
        server_type=receiver if from_client else Changing,
    )
    pair.connect()
    pair.run_for(0.3)
    connection = pair.server if from_client else pair.client
    assert connection.is_confirmed is (connection.ending is None)
    return connection.ending.error_code if connection.ending else None


@pytest.mark.parametrize(("case", "sender"), EACH)
def test_a_parameter_is_taken_or_refused(certs: Path, case: Case, sender: str) -> None:
    assert outcome(certs, case, sender, Connection) == case.code


@pytest.mark.parametrize(("case", "sender"), EACH)
def test_aioquic_alone(certs: Path, case: Case, sender: str) -> None:
    assert outcome(certs, case, sender, Plain) == case.plainly
