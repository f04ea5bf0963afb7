from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.runner.trace.model import (
    VERSION_1,
    VERSION_2,
    Address,
    ClientHello,
    EncryptedExtensions,
    NewSessionTicket,
    OtherTlsMessage,
    PreferredAddress,
    ServerHello,
    TransportParameters,
    VersionInformation,
)
from quicmatrix.runner.trace.tls import client_random, parse_message, parse_transport_parameters

RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
RANDOM = bytes(range(32))


def vector(length_size: int, data: bytes) -> bytes:
    return len(data).to_bytes(length_size) + data


def extension(kind: int, data: bytes) -> bytes:
    return kind.to_bytes(2) + vector(2, data)


def parameter(identifier: int, value: bytes) -> bytes:
    return (0x4000 | identifier).to_bytes(2) + vector(1, value)


PARAMETERS = b"".join(
    [
        parameter(0x00, b"odcid"),
        parameter(0x01, b"\x40\x80"),
        parameter(0x04, b"\x80\x01\x00\x00"),
        parameter(0x08, b"\x10"),
        parameter(0x0C, b""),
        parameter(
            0x0D, bytes([192, 0, 2, 1]) + b"\x11\x5b" + bytes(18) + vector(1, b"cid") + bytes(16)
        ),
        parameter(0x0F, b"scid"),
        parameter(0x10, b"rscid"),
        parameter(0x11, VERSION_2.to_bytes(4) + VERSION_2.to_bytes(4) + VERSION_1.to_bytes(4)),
        parameter(0x20, b"\x44\xb0"),
        parameter(0x2AB2, b""),
        parameter(0x1B, b"\xff\xff"),  # reserved for greasing (RFC 9000, 18.1)
    ]
)
PARSED = TransportParameters(
    original_destination_connection_id=b"odcid",
    max_idle_timeout=128,
    initial_max_data=65536,
    initial_max_streams_bidi=16,
    disable_active_migration=True,
    has_preferred_address=True,
    preferred_address=PreferredAddress(b"cid", bytes(16), (Address("192.0.2.1", 4443),)),
    initial_source_connection_id=b"scid",
    retry_source_connection_id=b"rscid",
    version_information=VersionInformation(VERSION_2, (VERSION_2, VERSION_1)),
    max_datagram_frame_size=1200,
    grease_quic_bit=True,
)

HELLO = b"".join(
    [
        b"\x03\x03",
        RANDOM,
        vector(1, b"id"),
        vector(2, b"\x13\x03\x13\x01"),
        vector(1, b"\0"),
        vector(
            2,
            extension(0, vector(2, b"\0" + vector(2, b"server4")))
            + extension(16, vector(2, vector(1, b"h3") + vector(1, b"hq-interop")))
            + extension(42, b"")
            + extension(57, PARAMETERS)
            + extension(43, vector(1, b"\x0a\x0a\x03\x04"))
            + extension(41, b"..."),
        ),
    ]
)


def test_client_hello() -> None:
    assert parse_message(1, HELLO) == ClientHello(
        cipher_suites=(0x1303, 0x1301),
        alpn=("h3", "hq-interop"),
        offers_psk=True,
        offers_early_data=True,
        server_name="server4",
        transport_parameters=PARSED,
        extensions=(0, 16, 42, 57, 43, 41),
        supported_versions=(0x0A0A, 0x0304),
        legacy_session_id=b"id",
    )


def test_a_client_hello_without_extensions() -> None:
    hello = b"\x03\x03" + RANDOM + vector(1, b"") + vector(2, b"\x13\x01") + vector(1, b"\0")
    assert parse_message(1, hello) == ClientHello(cipher_suites=(0x1301,))


def server_hello(random: bytes, *extensions: bytes) -> bytes:
    return b"\x03\x03" + random + vector(1, b"") + b"\x13\x02\0" + vector(2, b"".join(extensions))


def test_server_hello() -> None:
    assert parse_message(2, server_hello(RANDOM)) == ServerHello(0x1302)
    assert parse_message(2, server_hello(RANDOM, extension(41, b"\0\0"))) == ServerHello(
        0x1302, selects_psk=True
    )
    assert parse_message(2, server_hello(RETRY_RANDOM)) == ServerHello(
        0x1302, is_hello_retry_request=True
    )


def test_encrypted_extensions() -> None:
    body = vector(
        2,
        extension(16, vector(2, vector(1, b"h3"))) + extension(42, b"") + extension(57, PARAMETERS),
    )
    assert parse_message(8, body) == EncryptedExtensions("h3", True, PARSED, (16, 42, 57))
    assert parse_message(8, vector(2, b"")) == EncryptedExtensions()


def test_new_session_ticket() -> None:
    start = bytes(8) + vector(1, b"nonce") + vector(2, b"ticket")
    early_data = vector(2, extension(42, b"\xff\xff\xff\xff"))
    assert parse_message(4, start + early_data) == NewSessionTicket(0xFFFFFFFF)
    assert parse_message(4, start + vector(2, b"")) == NewSessionTicket(None)
    assert parse_message(4, start[:9]) == OtherTlsMessage(4)


def test_preferred_addresses_of_both_families() -> None:
    both = b"\xc0\x00\x02\x01\x11\x5b" + b"\xfd" + bytes(14) + b"\x01\x11\x5c"
    parsed = parse_transport_parameters(parameter(0x0D, both + bytes(17)))
    addresses = (Address("192.0.2.1", 4443), Address("fd00::1", 4444))
    assert parsed.preferred_address == PreferredAddress(b"", bytes(16), addresses)


def test_other_messages_are_their_type() -> None:
    assert parse_message(11, b"a certificate") == OtherTlsMessage(11)


def test_client_random() -> None:
    assert client_random(b"\x01" + vector(3, HELLO)) == RANDOM
    assert client_random(b"\x02" + vector(3, HELLO)) == b""
    assert client_random(b"") == b""


def test_parameters_that_were_not_sent() -> None:
    assert parse_transport_parameters(b"") == TransportParameters()


@given(st.integers(0, len(HELLO) - 1), st.integers(0, 255))
def test_a_damaged_client_hello_is_read_or_is_its_type(position: int, value: int) -> None:
    damaged = HELLO[:position] + bytes([value]) + HELLO[position + 1 :]
    for body in (damaged, HELLO[:position]):
        message = parse_message(1, body)
        assert isinstance(message, ClientHello) or message == OtherTlsMessage(1)


@given(st.integers(1, 20), st.binary(max_size=200))
def test_any_message_is_read_or_is_its_type(handshake_type: int, body: bytes) -> None:
    message = parse_message(handshake_type, body)
    if isinstance(message, OtherTlsMessage):
        assert message.handshake_type == handshake_type


def test_a_preferred_address() -> None:
    value = bytes(24) + b"\x04cidP" + b"t" * 16
    parsed = parse_transport_parameters(b"\x0d" + bytes([len(value)]) + value)
    assert parsed.preferred_address == PreferredAddress(b"cidP", b"t" * 16)
    cut = parse_transport_parameters(b"\x0d\x20" + value[:32])
    assert (cut.has_preferred_address, cut.preferred_address) == (True, None)
