"""What RFC 8446 demands of the form of a handshake message, which aioquic does not check.

aioquic reads the extensions that it knows without looking at their length, takes one that is there
twice, and one that was never asked for. Each function here takes a whole message, type and length
included, and raises the alert that the RFC names; one that is cut short raises BufferReadError.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from aioquic._buffer import Buffer
from aioquic.tls import (
    TLS_VERSION_1_3,
    Alert,
    AlertDecodeError,
    AlertDescription,
    AlertIllegalParameter,
    AlertMissingExtension,
    AlertProtocolVersion,
    ExtensionType,
)

HELLO_RETRY_REQUEST = bytes.fromhex(
    "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c"
)
"""The random of a ServerHello that is a HelloRetryRequest (RFC 8446, 4.1.3)."""

_HEADER_BYTES = 4
_LEGACY_VERSION_AND_RANDOM_BYTES = 34
_NO_COMPRESSION = b"\x00"
_CLIENT_HELLO_VECTORS = {
    ExtensionType.KEY_SHARE: 2,
    ExtensionType.SUPPORTED_VERSIONS: 1,
    ExtensionType.SIGNATURE_ALGORITHMS: 2,
    ExtensionType.SUPPORTED_GROUPS: 2,
    ExtensionType.PSK_KEY_EXCHANGE_MODES: 1,
    ExtensionType.SERVER_NAME: 2,
    ExtensionType.ALPN: 2,
}
"""Extensions that are one vector, with the bytes of its length field."""
_OF_SERVER_HELLO = frozenset(
    {ExtensionType.SUPPORTED_VERSIONS, ExtensionType.KEY_SHARE, ExtensionType.PRE_SHARED_KEY}
)
_OF_HELLO_RETRY_REQUEST = frozenset(
    {ExtensionType.SUPPORTED_VERSIONS, ExtensionType.KEY_SHARE, ExtensionType.COOKIE}
)
_OF_ENCRYPTED_EXTENSIONS = frozenset(
    {
        ExtensionType.SERVER_NAME,
        ExtensionType.SUPPORTED_GROUPS,
        ExtensionType.ALPN,
        ExtensionType.EARLY_DATA,
        ExtensionType.QUIC_TRANSPORT_PARAMETERS,
    }
)


class AlertUnsupportedExtension(Alert):
    """An extension in answer to none (RFC 8446, 4.2)."""

    description = AlertDescription.unsupported_extension


class AlertUnknownCa(Alert):
    """No chain leads to a root that we trust (RFC 8446, 6.2)."""

    description = AlertDescription.unknown_ca


@dataclass(frozen=True, slots=True)
class ClientHello:
    """The parts of a ClientHello that decide whether it has to be sent again."""

    session_id: bytes
    cipher_suites: tuple[int, ...]
    groups: tuple[int, ...]
    shared_groups: tuple[int, ...]
    transport_parameters: bytes


@dataclass(frozen=True, slots=True)
class ServerHello:
    """The parts of a ServerHello that aioquic does not compare with the ClientHello."""

    random: bytes
    session_id: bytes
    cipher_suite: int
    extensions: Mapping[int, bytes]


def check_client_hello(message: bytes) -> ClientHello:
    """A ClientHello that a TLS 1.3 server may go on with (RFC 8446, 4.1.2 and 9.2)."""
    buf = _body(message)
    buf.pull_bytes(_LEGACY_VERSION_AND_RANDOM_BYTES)
    session_id = _vector(buf, 1)
    cipher_suites = _numbers(_vector(buf, 2))
    compression = _vector(buf, 1)
    found = _extensions(buf)
    if not _offers(found.get(ExtensionType.SUPPORTED_VERSIONS), TLS_VERSION_1_3):
        raise AlertProtocolVersion("ClientHello does not offer TLS 1.3")
    if compression != _NO_COMPRESSION:
        raise AlertIllegalParameter("ClientHello has other compression methods than null")
    for kind, prefix in _CLIENT_HELLO_VECTORS.items():
        if kind in found and not _is_vector(found[kind], prefix):
            raise AlertDecodeError(f"extension {kind.name} does not have the length that it says")
    _check_length(found, ExtensionType.EARLY_DATA, 0)
    has_psk = ExtensionType.PRE_SHARED_KEY in found
    needed = (
        (ExtensionType.KEY_SHARE, ExtensionType.SUPPORTED_GROUPS in found),
        (ExtensionType.SUPPORTED_GROUPS, True),
        (ExtensionType.SIGNATURE_ALGORITHMS, not has_psk),
        (ExtensionType.PSK_KEY_EXCHANGE_MODES, has_psk),
        (ExtensionType.QUIC_TRANSPORT_PARAMETERS, True),
    )
    for kind, is_needed in needed:
        if is_needed and kind not in found:
            raise AlertMissingExtension(f"ClientHello has no extension {kind.name}")
    return ClientHello(
        session_id,
        cipher_suites,
        _numbers(found[ExtensionType.SUPPORTED_GROUPS][2:]),
        tuple(_shared_groups(Buffer(data=found[ExtensionType.KEY_SHARE][2:]))),
        found[ExtensionType.QUIC_TRANSPORT_PARAMETERS],
    )


def check_server_hello(message: bytes, offered: Collection[int]) -> ServerHello:
    """A ServerHello that answers extensions which were offered (RFC 8446, 4.1.3)."""
    buf = _body(message)
    buf.pull_uint16()
    random = buf.pull_bytes(32)
    session_id = _vector(buf, 1)
    cipher_suite = buf.pull_uint16()
    buf.pull_uint8()
    found = _extensions(buf)
    if ExtensionType.SUPPORTED_VERSIONS not in found:
        raise AlertProtocolVersion("ServerHello is one of TLS 1.2")
    allowed = _OF_SERVER_HELLO
    if random == HELLO_RETRY_REQUEST:
        allowed = _OF_HELLO_RETRY_REQUEST
        offered = {*offered, ExtensionType.COOKIE}  # the one that needs no question
    else:
        share = found.get(ExtensionType.KEY_SHARE)
        if share is not None and not _is_vector(share[2:], 2):
            raise AlertDecodeError("extension KEY_SHARE does not have the length that it says")
    _check_answers(found, allowed, offered)
    _check_length(found, ExtensionType.SUPPORTED_VERSIONS, 2)
    _check_length(found, ExtensionType.PRE_SHARED_KEY, 2)
    return ServerHello(random, session_id, cipher_suite, found)


def check_encrypted_extensions(message: bytes, offered: Collection[int]) -> None:
    """Extensions that were asked for, each in its form (RFC 8446, 4.3.1)."""
    found = _extensions(_body(message))
    _check_answers(found, _OF_ENCRYPTED_EXTENSIONS, offered)
    _check_length(found, ExtensionType.EARLY_DATA, 0)
    alpn = found.get(ExtensionType.ALPN)
    if alpn is not None and not _is_vector(alpn, 2):
        raise AlertDecodeError("extension ALPN does not have the length that it says")


def check_certificate_request(message: bytes) -> None:
    """A request within the handshake: it has no context, and says what can be verified."""
    buf = _body(message)
    if _vector(buf, 1):
        raise AlertIllegalParameter("CertificateRequest has a context within the handshake")
    if ExtensionType.SIGNATURE_ALGORITHMS not in _extensions(buf):
        raise AlertMissingExtension("CertificateRequest has no signature algorithms")


def check_certificate(message: bytes) -> None:
    """A chain within the handshake: no context, no extensions, as none are asked for."""
    buf = _body(message)
    if _vector(buf, 1):
        raise AlertIllegalParameter("Certificate has a context within the handshake")
    entries = Buffer(data=_vector(buf, 3))
    while not entries.eof():
        if not _vector(entries, 3):
            raise AlertDecodeError("Certificate has an empty entry")
        if _extensions(entries):
            raise AlertUnsupportedExtension("Certificate has extensions that were not offered")


def check_new_session_ticket(message: bytes) -> int | None:
    """A ticket; returns its max_early_data_size, if it has one (RFC 8446, 4.6.1)."""
    buf = _body(message)
    buf.pull_bytes(8)
    _vector(buf, 1)
    if not _vector(buf, 2):
        raise AlertDecodeError("NewSessionTicket has an empty ticket")
    found = _extensions(buf)
    _check_length(found, ExtensionType.EARLY_DATA, 4)
    size = found.get(ExtensionType.EARLY_DATA)
    return None if size is None else int.from_bytes(size)


def _body(message: bytes) -> Buffer:
    return Buffer(data=message[_HEADER_BYTES:])


def _extensions(buf: Buffer) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    extensions = Buffer(data=_vector(buf, 2))
    while not extensions.eof():
        kind = extensions.pull_uint16()
        if kind in found:
            raise AlertIllegalParameter(f"extension {kind} is there twice")
        found[kind] = _vector(extensions, 2)
    return found


def _vector(buf: Buffer, prefix: int) -> bytes:
    """The content of a vector with a length field of so many bytes (RFC 8446, 3.4)."""
    return buf.pull_bytes(int.from_bytes(buf.pull_bytes(prefix)))


def _check_answers(
    found: Collection[int], allowed: Collection[int], offered: Collection[int]
) -> None:
    for kind in found:
        if kind not in offered:
            raise AlertUnsupportedExtension(f"extension {kind} answers none of ours")
        if kind not in allowed:
            raise AlertIllegalParameter(f"extension {kind} does not belong into this message")


def _check_length(found: Mapping[int, bytes], kind: ExtensionType, length: int) -> None:
    if kind in found and len(found[kind]) != length:
        raise AlertDecodeError(f"extension {kind.name} has {len(found[kind])} bytes, not {length}")


def _is_vector(value: bytes, prefix: int) -> bool:
    """Whether it is a length field of so many bytes, and as many bytes as that says."""
    return len(value) >= prefix and len(value) - prefix == int.from_bytes(value[:prefix])


def _numbers(value: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(value[at : at + 2]) for at in range(0, len(value), 2))


def _shared_groups(shares: Buffer) -> Iterator[int]:
    while not shares.eof():
        yield shares.pull_uint16()
        _vector(shares, 2)


def _offers(versions: bytes | None, version: int) -> bool:
    if versions is None:
        return False
    return version in _numbers(versions[1:])
