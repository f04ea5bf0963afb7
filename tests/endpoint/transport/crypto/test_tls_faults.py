"""Who breaks the TLS handshake is told so, with the alert that RFC 8446 names (RFC 9001, 4.8).

Each fault has a second test with the TLS of aioquic as it is. When that one fails, aioquic has
mended it, and ours can go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from aioquic import tls
from aioquic._buffer import Buffer
from aioquic.quic.packet import QuicErrorCode
from aioquic.tls import AlertDescription, ExtensionType, HandshakeType

from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.crypto.tls_messages import HELLO_RETRY_REQUEST
from tests.support.quic_pair import Pair, client_configuration, server_configuration
from tests.support.tampering import Change, Plain, message, pushed, tampering

VIOLATION = int(QuicErrorCode.PROTOCOL_VIOLATION)
TLS_1_2 = 0x0303
SOME_EXTENSION = (0xFF77, b"any")
SHARE_OF_OTHERS = (0x11EC, b"ML-KEM")


def crypto_error(alert: AlertDescription) -> int:
    return QuicErrorCode.CRYPTO_ERROR + alert


def edited(
    pull: Callable[[Buffer], Any], push: Callable[[Buffer, Any], None], **fields: object
) -> Change:
    """Sends a message with other fields; a function as a field is applied to the old value."""

    def change(sent: bytes) -> bytes:
        parsed = pull(Buffer(data=sent))
        values = {
            name: value(getattr(parsed, name)) if callable(value) else value
            for name, value in fields.items()
        }
        return pushed(lambda buf: push(buf, replace(parsed, **values)))

    return change


def hello(**fields: object) -> Change:
    return edited(tls.pull_client_hello, tls.push_client_hello, **fields)


def answer(**fields: object) -> Change:
    return edited(tls.pull_server_hello, tls.push_server_hello, **fields)


def extensions(**fields: object) -> Change:
    return edited(tls.pull_encrypted_extensions, tls.push_encrypted_extensions, **fields)


def chain(**fields: object) -> Change:
    return edited(tls.pull_certificate, tls.push_certificate, **fields)


def plus(*more: tuple[int, bytes]) -> Callable[[list[tuple[int, bytes]]], object]:
    return lambda present: [*present, *more]


def swapped(old: bytes, new: bytes) -> Change:
    """Sends bytes of the same length in place of others."""

    def change(sent: bytes) -> bytes:
        assert old in sent
        return sent.replace(old, new)

    return change


def extension(kind: ExtensionType, body: bytes) -> bytes:
    return kind.to_bytes(2) + len(body).to_bytes(2) + body


def with_hello_extensions(*more: bytes, without: ExtensionType | None = None) -> Change:
    """Sends a ClientHello without one of its extensions, and with others at its end."""

    def change(sent: bytes) -> bytes:
        buf = Buffer(data=sent[4:])
        buf.pull_bytes(34)
        for capacity in (1, 2, 1):
            tls.pull_opaque(buf, capacity)
        fixed = sent[4 : 4 + buf.tell()]
        block = Buffer(data=tls.pull_opaque(buf, 2))
        kept = b""
        while not block.eof():
            kind, body = block.pull_uint16(), tls.pull_opaque(block, 2)
            if kind != without:
                kept += kind.to_bytes(2) + len(body).to_bytes(2) + body
        kept += b"".join(more)
        return message(HandshakeType.CLIENT_HELLO, fixed + len(kept).to_bytes(2) + kept)

    return change


def cut(sent: bytes) -> bytes:
    """Sends a message whose end is missing, though its length agrees."""
    return message(HandshakeType(sent[0]), sent[4:-7])


def with_last_bit_flipped(sent: bytes) -> bytes:
    return sent[:-1] + bytes([sent[-1] ^ 1])


@dataclass(frozen=True, slots=True)
class Fault:
    """What one side does to a message of its own, and how the other one closes the connection.

    ``plainly`` is what aioquic alone says: None if it goes on, an exception if it fails.
    """

    name: str
    kind: HandshakeType
    change: Change
    code: int
    plainly: int | type[Exception] | None

    @property
    def by_client(self) -> bool:
        return self.kind in {HandshakeType.CLIENT_HELLO, HandshakeType.FINISHED}


def fault(
    name: str,
    kind: HandshakeType,
    change: Change,
    alert: AlertDescription | int,
    plainly: AlertDescription | type[Exception] | int | None,
) -> Fault:
    def code(value: Any) -> Any:
        return crypto_error(value) if isinstance(value, AlertDescription) else value

    return Fault(name, kind, change, code(alert), code(plainly))


A = AlertDescription
NO_TP = A.missing_extension
NO_ALPN = A.no_application_protocol
CH, SH, EE = (
    HandshakeType.CLIENT_HELLO,
    HandshakeType.SERVER_HELLO,
    HandshakeType.ENCRYPTED_EXTENSIONS,
)
CERT, VERIFY, FIN = (
    HandshakeType.CERTIFICATE,
    HandshakeType.CERTIFICATE_VERIFY,
    HandshakeType.FINISHED,
)
A_TICKET = tls.OfferedPsks(identities=[(b"ticket", 0)], binders=[bytes(32)])

FAULTS = [
    # What aioquic refuses as we want it.
    fault("no common ALPN", CH, hello(alpn_protocols=["h9"]), *[NO_ALPN] * 2),
    fault("no ALPN", CH, hello(alpn_protocols=None), *[NO_ALPN] * 2),
    fault("only TLS 1.2", CH, hello(supported_versions=[TLS_1_2]), *[A.protocol_version] * 2),
    fault("only CCM_8", CH, hello(cipher_suites=[0x1305]), *[A.handshake_failure] * 2),
    fault("a session id", CH, hello(legacy_session_id=bytes(32)), *[VIOLATION] * 2),
    fault("no parameters", CH, hello(other_extensions=[]), *[A.missing_extension] * 2),
    fault(
        "no group in common", CH,
        hello(key_share=[SHARE_OF_OTHERS], supported_groups=[SHARE_OF_OTHERS[0]]),
        *[A.handshake_failure] * 2,
    ),
    fault("a short share", CH, hello(key_share=[(0x1D, b"ab")]), *[A.illegal_parameter] * 2),
    fault("a cut ClientHello", CH, cut, *[A.decode_error] * 2),
    fault("garbage", CH, lambda _: b"\xee\x00\x00\x02ab", *[A.unexpected_message] * 2),
    fault("a changed Finished", FIN, with_last_bit_flipped, *[A.decrypt_error] * 2),
    fault("an answer without ALPN", EE, extensions(alpn_protocol=None), *[NO_ALPN] * 2),
    fault("an answer with other ALPN", EE, extensions(alpn_protocol="h9"), *[NO_ALPN] * 2),
    fault("an answer without parameters", EE, extensions(other_extensions=[]), *[NO_TP] * 2),
    fault("an answer without share", SH, answer(key_share=None), *[A.missing_extension] * 2),
    fault("no certificate", CERT, chain(certificates=[]), *[A.decode_error] * 2),
    fault("a cut ServerHello", SH, cut, *[A.decode_error] * 2),
    fault("a cut Certificate", CERT, cut, *[A.decode_error] * 2),
    fault("a changed CertificateVerify", VERIFY, with_last_bit_flipped, *[A.decrypt_error] * 2),
    # What it refuses with another code, or not at all.
    fault(
        "a ClientHello of TLS 1.2", CH,
        hello(supported_versions=[TLS_1_2], cipher_suites=[0xC02F]),
        A.protocol_version, A.handshake_failure,
    ),
    fault(
        "compression", CH, hello(legacy_compression_methods=[1, 0]), A.illegal_parameter, None
    ),
    fault(
        "no signature algorithms", CH,
        with_hello_extensions(without=ExtensionType.SIGNATURE_ALGORITHMS),
        A.missing_extension, A.handshake_failure,
    ),
    fault(
        "no groups", CH, with_hello_extensions(without=ExtensionType.SUPPORTED_GROUPS),
        A.missing_extension, None,
    ),
    fault(
        "a ticket without modes", CH,
        hello(pre_shared_key=A_TICKET, psk_key_exchange_modes=None), A.missing_extension, None,
    ),
    fault(
        "an extension twice", CH,
        hello(other_extensions=plus(SOME_EXTENSION, SOME_EXTENSION)), A.illegal_parameter, None,
    ),
    fault(
        "an extension within another", CH,
        with_hello_extensions(
            extension(ExtensionType.PSK_KEY_EXCHANGE_MODES, b"\x01\x01" + b"\xff\x78\x00\x00"),
            without=ExtensionType.PSK_KEY_EXCHANGE_MODES,
        ),
        A.decode_error, None,
    ),
    fault("an echo of nothing", SH, answer(legacy_session_id=b"echo"), A.illegal_parameter, None),
    fault(
        "a suite not offered", SH, answer(cipher_suite=0x1304),
        A.illegal_parameter, A.handshake_failure,
    ),
    fault(
        "a ServerHello of TLS 1.2", SH, answer(supported_version=None),
        A.protocol_version, A.illegal_parameter,
    ),
    fault(
        "a ServerHello with an unknown extension", SH,
        answer(other_extensions=[SOME_EXTENSION]), A.unsupported_extension, None,
    ),
    fault(
        "a ServerHello with ALPN", SH,
        answer(other_extensions=[(ExtensionType.SUPPORTED_GROUPS, b"\x00\x02\x00\x1d")]),
        A.illegal_parameter, None,
    ),
    fault(
        "a HelloRetryRequest for nothing", SH, answer(random=HELLO_RETRY_REQUEST),
        A.illegal_parameter, None,
    ),
    fault(
        "an answer to no question", EE, extensions(other_extensions=plus(SOME_EXTENSION)),
        A.unsupported_extension, A.decrypt_error,
    ),
    fault(
        "an answer in the wrong place", EE,
        extensions(other_extensions=plus((ExtensionType.SIGNATURE_ALGORITHMS, b""))),
        A.illegal_parameter, A.decrypt_error,
    ),
    fault(
        "early data that was not offered", EE, extensions(early_data=True),
        A.unsupported_extension, A.decrypt_error,
    ),
    fault("a context", CERT, chain(request_context=b"c"), A.illegal_parameter, A.decrypt_error),
    fault(
        "a certificate's extension", CERT,
        chain(certificates=lambda present: [(present[0][0], b"\x00\x05\x00\x00")]),
        A.unsupported_extension, A.decrypt_error,
    ),
    fault(
        "a certificate of an unknown version", CERT,
        swapped(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07"),
        A.bad_certificate, Exception,
    ),
    fault(
        "an algorithm not offered", VERIFY, lambda sent: sent[:4] + b"\x06\x03" + sent[6:],
        A.illegal_parameter, A.decrypt_error,
    ),
]  # fmt: skip


def after_fault(certs: Path, case: Fault, receiver: type[Connection]) -> Connection:
    """The side that received the fault, when both have had their time."""
    sender = tampering(case.kind, case.change)
    pair = Pair(
        client_configuration(certs),
        server_configuration(certs),
        client_type=sender if case.by_client else receiver,
        server_type=receiver if case.by_client else sender,
    )
    pair.connect()
    receives: Callable[[], Connection] = lambda: pair.server if case.by_client else pair.client  # noqa: E731
    pair.run_for(0.04)  # there is the ClientHello
    pair.run_for(0.5)
    return receives()


@pytest.mark.parametrize("case", FAULTS, ids=lambda case: case.name)
def test_a_fault_has_its_code(certs: Path, case: Fault) -> None:
    ending = after_fault(certs, case, Connection).ending
    assert ending is not None
    assert f"{ending.error_code:#x}" == f"{case.code:#x}", ending.reason_phrase


@pytest.mark.parametrize("case", FAULTS, ids=lambda case: case.name)
def test_aioquic_alone(certs: Path, case: Fault) -> None:
    if isinstance(case.plainly, type):
        with pytest.raises(case.plainly):
            after_fault(certs, case, Plain)
        return
    ending = after_fault(certs, case, Plain).ending
    assert (ending and ending.error_code) == case.plainly
