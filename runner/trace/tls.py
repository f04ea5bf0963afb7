"""TLS handshake messages, as far as checks need them (RFC 8446, 4; RFC 9000, 18)."""

from __future__ import annotations

import contextlib
from ipaddress import ip_address

from quicmatrix.runner.trace.model import (
    Address,
    ClientHello,
    EncryptedExtensions,
    NewSessionTicket,
    OtherTlsMessage,
    PreferredAddress,
    ServerHello,
    TlsMessage,
    TransportParameters,
    VersionInformation,
)
from quicmatrix.runner.trace.reader import MalformedError, Reader

HEADER_SIZE = 4
"""Bytes of a message's type and length."""

_CLIENT_HELLO, _SERVER_HELLO, _NEW_SESSION_TICKET, _ENCRYPTED_EXTENSIONS = 1, 2, 4, 8
_SERVER_NAME, _ALPN, _PRE_SHARED_KEY, _EARLY_DATA, _QUIC_PARAMETERS = 0, 16, 41, 42, 57
_SUPPORTED_VERSIONS = 43
_RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""The Random of a ServerHello that is a HelloRetryRequest (RFC 8446, 4.1.3)."""


def parse_message(handshake_type: int, body: bytes) -> TlsMessage:
    """A message; of one that is malformed only the type."""
    try:
        if handshake_type == _CLIENT_HELLO:
            return _client_hello(Reader(body))
        if handshake_type == _SERVER_HELLO:
            return _server_hello(Reader(body))
        if handshake_type == _NEW_SESSION_TICKET:
            return _new_session_ticket(Reader(body))
        if handshake_type == _ENCRYPTED_EXTENSIONS:
            return _encrypted_extensions(Reader(body))
    except MalformedError:
        pass
    return OtherTlsMessage(handshake_type)


def client_random(message: bytes) -> bytes:
    """The Random of a ClientHello, which identifies its secrets in key logs; empty if it is none.

    Args:
        message: The message with its header.
    """
    return message[HEADER_SIZE + 2 : HEADER_SIZE + 34] if message[:1] == b"\x01" else b""


def _client_hello(reader: Reader) -> ClientHello:
    reader.take(2 + 32)  # legacy_version, random
    session_id = reader.opaque(1)
    suites = Reader(reader.opaque(2))
    cipher_suites = tuple(suites.uint(2) for _ in range(suites.remaining // 2))
    reader.opaque(1)  # legacy_compression_methods
    extensions = _extensions(reader)
    return ClientHello(
        cipher_suites=cipher_suites,
        alpn=_alpn(extensions.get(_ALPN)),
        offers_psk=_PRE_SHARED_KEY in extensions,
        offers_early_data=_EARLY_DATA in extensions,
        server_name=_server_name(extensions.get(_SERVER_NAME)),
        transport_parameters=parse_transport_parameters(extensions.get(_QUIC_PARAMETERS, b"")),
        extensions=tuple(extensions),
        supported_versions=_supported_versions(extensions.get(_SUPPORTED_VERSIONS)),
        legacy_session_id=session_id,
    )


def _server_hello(reader: Reader) -> ServerHello:
    reader.take(2)  # legacy_version
    random = reader.take(32)
    reader.opaque(1)  # legacy_session_id_echo
    cipher_suite = reader.uint(2)
    reader.take(1)  # legacy_compression_method
    extensions = _extensions(reader)
    return ServerHello(cipher_suite, _PRE_SHARED_KEY in extensions, random == _RETRY_RANDOM)


def _new_session_ticket(reader: Reader) -> NewSessionTicket:
    reader.take(4 + 4)  # ticket_lifetime, ticket_age_add
    reader.opaque(1)  # ticket_nonce
    reader.opaque(2)  # ticket
    early_data = _extensions(reader).get(_EARLY_DATA)
    return NewSessionTicket(None if early_data is None else Reader(early_data).uint(4))


def _encrypted_extensions(reader: Reader) -> EncryptedExtensions:
    extensions = _extensions(reader)
    alpn = _alpn(extensions.get(_ALPN))
    return EncryptedExtensions(
        alpn=alpn[0] if alpn else None,
        accepts_early_data=_EARLY_DATA in extensions,
        transport_parameters=parse_transport_parameters(extensions.get(_QUIC_PARAMETERS, b"")),
        extensions=tuple(extensions),
    )


def _extensions(reader: Reader) -> dict[int, bytes]:
    if not reader.remaining:
        return {}
    block = Reader(reader.opaque(2))
    found: dict[int, bytes] = {}
    while block.remaining:
        kind = block.uint(2)
        found[kind] = block.opaque(2)
    return found


def _alpn(extension: bytes | None) -> tuple[str, ...]:
    """RFC 7301, 3.1."""
    if extension is None:
        return ()
    names = Reader(Reader(extension).opaque(2))
    found = []
    while names.remaining:
        found.append(names.opaque(1).decode(errors="replace"))
    return tuple(found)


def _supported_versions(extension: bytes | None) -> tuple[int, ...]:
    """RFC 8446, 4.2.1, of a ClientHello."""
    if extension is None:
        return ()
    versions = Reader(Reader(extension).opaque(1))
    return tuple(versions.uint(2) for _ in range(versions.remaining // 2))


def _server_name(extension: bytes | None) -> str | None:
    """RFC 6066, 3."""
    if not extension:
        return None
    names = Reader(Reader(extension).opaque(2))
    names.take(1)  # name_type: host_name is the only one
    return names.opaque(2).decode(errors="replace")


_INTEGERS = {
    0x01: "max_idle_timeout",
    0x03: "max_udp_payload_size",
    0x04: "initial_max_data",
    0x05: "initial_max_stream_data_bidi_local",
    0x06: "initial_max_stream_data_bidi_remote",
    0x07: "initial_max_stream_data_uni",
    0x08: "initial_max_streams_bidi",
    0x09: "initial_max_streams_uni",
    0x0A: "ack_delay_exponent",
    0x0B: "max_ack_delay",
    0x0E: "active_connection_id_limit",
    0x20: "max_datagram_frame_size",
}
_BYTES = {
    0x00: "original_destination_connection_id",
    0x02: "stateless_reset_token",
    0x0F: "initial_source_connection_id",
    0x10: "retry_source_connection_id",
}
_PREFERRED_ADDRESS = 0x0D
_FLAGS = {
    0x0C: "disable_active_migration",
    _PREFERRED_ADDRESS: "has_preferred_address",
    0x2AB2: "grease_quic_bit",
}
_VERSION_INFORMATION = 0x11


def parse_transport_parameters(extension: bytes) -> TransportParameters:
    """The parameters in a quic_transport_parameters extension (RFC 9000, 18).

    Raises:
        MalformedError: They are cut off.
    """
    reader = Reader(extension)
    found: dict[str, bytes | int | bool | VersionInformation | PreferredAddress] = {}
    identifiers: list[int] = []
    while reader.remaining:
        identifier = reader.varint()
        identifiers.append(identifier)
        value = reader.take(reader.varint())
        if identifier in _INTEGERS:
            found[_INTEGERS[identifier]] = Reader(value).varint()
        elif identifier in _BYTES:
            found[_BYTES[identifier]] = value
        elif identifier in _FLAGS:
            found[_FLAGS[identifier]] = True
            if identifier == _PREFERRED_ADDRESS:
                with contextlib.suppress(MalformedError):
                    found["preferred_address"] = _preferred_address(Reader(value))
        elif identifier == _VERSION_INFORMATION:
            found["version_information"] = _version_information(Reader(value))
    repeated = tuple(sorted({one for one in identifiers if identifiers.count(one) > 1}))
    return TransportParameters(**found, repeated=repeated)  # type: ignore[arg-type]  # each table has one type


def _preferred_address(reader: Reader) -> PreferredAddress:
    """RFC 9000, 18.2: a family whose address is all zero is not offered."""
    fields = [(reader.take(size), reader.uint(2)) for size in (4, 16)]
    addresses = tuple(Address(str(ip_address(host)), port) for host, port in fields if any(host))
    return PreferredAddress(reader.opaque(1), reader.take(16), addresses)


def _version_information(reader: Reader) -> VersionInformation:
    """RFC 9368, 3."""
    chosen = reader.uint(4)
    return VersionInformation(chosen, tuple(reader.uint(4) for _ in range(reader.remaining // 4)))
