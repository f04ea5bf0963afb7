"""TLS handshake messages as bytes, and what a script may alter in them (RFC 8446, 4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aioquic import tls
from aioquic._buffer import Buffer
from aioquic.tls import ExtensionType, HandshakeType

from quicmatrix.endpoint.tester.tls import Alter

Extensions = list[tuple[int, bytes]]

UNKNOWN_TYPE = 0xF0
"""A handshake type that nobody assigned."""
TRANSPORT_PARAMETERS = ExtensionType.QUIC_TRANSPORT_PARAMETERS
OLD_TRANSPORT_PARAMETERS = 0xFFA5
"""The extension of the drafts before RFC 9001, 8.2."""
CCM_8 = 0x1305
"""TLS_AES_128_CCM_8_SHA256, which QUIC cannot use (RFC 9001, 5.3)."""
UNKNOWN_SUITES = (CCM_8, 0x0A0A, 0xFEFE)
_WITH_EXTENSIONS = (
    HandshakeType.CLIENT_HELLO,
    HandshakeType.SERVER_HELLO,
    HandshakeType.ENCRYPTED_EXTENSIONS,
)
_SESSION_ID_AT = 4 + 2 + 32


def message(handshake_type: int, body: bytes = b"") -> bytes:
    """A handshake message."""
    return bytes([handshake_type]) + len(body).to_bytes(3) + body


def unknown() -> bytes:
    """A message of an unknown type."""
    return message(UNKNOWN_TYPE, b"unknown")


def key_update() -> bytes:
    """RFC 8446, 4.6.3, without a request for another one."""
    return message(HandshakeType.KEY_UPDATE, b"\0")


def end_of_early_data() -> bytes:
    """RFC 8446, 4.5."""
    return message(HandshakeType.END_OF_EARLY_DATA)


def certificate_request() -> bytes:
    """RFC 8446, 4.3.2, for ECDSA with P-256."""
    buf = Buffer(capacity=64)
    algorithms = [int(tls.SignatureAlgorithm.ECDSA_SECP256R1_SHA256)]
    tls.push_certificate_request(buf, tls.CertificateRequest(b"context", algorithms))
    return buf.data


def new_session_ticket(max_early_data_size: int) -> bytes:
    """RFC 8446, 4.6.1."""
    buf = Buffer(capacity=256)
    ticket = tls.NewSessionTicket(
        ticket_lifetime=3600,
        ticket_age_add=0x01020304,
        ticket_nonce=b"nonce",
        ticket=bytes(range(64)),
        max_early_data_size=max_early_data_size,
    )
    tls.push_new_session_ticket(buf, ticket)
    return buf.data


# --- Alterations -------------------------------------------------------------------------------


def of_type(handshake_type: int, alter: Callable[[bytes], bytes]) -> Alter:
    """Alter the messages of one type."""
    return lambda kind, data: alter(data) if kind == handshake_type else data


def with_extension(extension: int, alter: Callable[[bytes], bytes]) -> Alter:
    """Give an extension another value in hellos and EncryptedExtensions, where it is there."""
    return _extensions(
        lambda found: [
            (number, alter(value) if number == extension else value) for number, value in found
        ]
    )


def without_extension(extension: int) -> Alter:
    """Leave an extension out of hellos and EncryptedExtensions."""
    return _extensions(lambda found: [one for one in found if one[0] != extension])


def renumbered_extension(extension: int, other: int) -> Alter:
    """Give an extension another number in hellos and EncryptedExtensions."""
    return _extensions(
        lambda found: [(other if number == extension else number, data) for number, data in found]
    )


def with_session_id(session_id: bytes) -> Alter:
    """Put a legacy_session_id into a ClientHello (RFC 8446, 4.1.2)."""

    def alter(hello: bytes) -> bytes:
        end = _SESSION_ID_AT + 1 + hello[_SESSION_ID_AT]
        session = bytes([len(session_id)]) + session_id
        return message(hello[0], hello[4:_SESSION_ID_AT] + session + hello[end:])

    return of_type(HandshakeType.CLIENT_HELLO, alter)


def with_cipher_suites(choose: Callable[[Sequence[int]], Sequence[int]]) -> Alter:
    """Offer other cipher suites in a ClientHello, given those that it offers."""

    def alter(hello: bytes) -> bytes:
        at = _SESSION_ID_AT + 1 + hello[_SESSION_ID_AT]
        end = at + 2 + int.from_bytes(hello[at : at + 2])
        offered = [int.from_bytes(hello[one : one + 2]) for one in range(at + 2, end, 2)]
        suites = b"".join(suite.to_bytes(2) for suite in choose(offered))
        return message(hello[0], hello[4:at] + len(suites).to_bytes(2) + suites + hello[end:])

    return of_type(HandshakeType.CLIENT_HELLO, alter)


def with_flipped_byte(handshake_type: int) -> Alter:
    """Flip a bit of the last byte of the messages of one type."""
    return of_type(handshake_type, lambda data: data[:-1] + bytes([data[-1] ^ 1]))


def _extensions(alter: Callable[[Extensions], Extensions]) -> Alter:
    def altered(kind: int, data: bytes) -> bytes:
        return _with_extensions(data, alter) if kind in _WITH_EXTENSIONS else data

    return altered


def _with_extensions(data: bytes, alter: Callable[[Extensions], Extensions]) -> bytes:
    at = _extensions_at(data)
    buf, found = Buffer(data=data[at + 2 :]), []
    while not buf.eof():
        number = buf.pull_uint16()
        found.append((number, buf.pull_bytes(buf.pull_uint16())))
    block = b"".join(
        number.to_bytes(2) + len(value).to_bytes(2) + value for number, value in alter(found)
    )
    return message(data[0], data[4:at] + len(block).to_bytes(2) + block)


def _extensions_at(data: bytes) -> int:
    """Where the length of the extensions is (RFC 8446, 4.1.2, 4.1.3 and 4.3.1)."""
    if data[0] == HandshakeType.ENCRYPTED_EXTENSIONS:
        return 4
    at = _SESSION_ID_AT + 1 + data[_SESSION_ID_AT]
    if data[0] == HandshakeType.SERVER_HELLO:
        return at + 2 + 1
    at += 2 + int.from_bytes(data[at : at + 2])
    return at + 1 + data[at]
