"""TLS 1.3 as QUIC uses it (RFC 9001, 4 and 8): aioquic's, with the checks that it lacks.

A violation by the peer raises the alert that RFC 8446 names, which is sent as CRYPTO_ERROR
(RFC 9001, 4.8); no input of the peer raises anything else.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import NoReturn

from aioquic import tls
from aioquic._buffer import Buffer, BufferReadError
from aioquic.quic.connection import MAX_EARLY_DATA, QuicConnectionError
from aioquic.quic.packet import (
    QuicErrorCode,
    QuicFrameType,
    QuicTransportParameters,
    pull_quic_transport_parameters,
)
from aioquic.tls import Epoch, ExtensionType, HandshakeType, State
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL.crypto import X509StoreContextError

from quicmatrix.endpoint.transport.crypto import tls_messages
from quicmatrix.endpoint.transport.crypto.hello_retry import HelloRetry
from quicmatrix.endpoint.transport.crypto.tls_messages import AlertUnknownCa

MOST_HELLO_BYTES = 16 * 1024
MOST_BYTES = 128 * 1024
REASON_CHARACTERS = 200
"""Of an alert: aioquic lists all names of a certificate, which no CONNECTION_CLOSE has room for."""
WRONG_BINDER = "PSK validation failed"
"""aioquic's reason for the alert."""
LONGEST_LIFETIME_S = 604800
"""Seven days, for a ticket (RFC 8446, 4.6.1)."""

_READS = {
    State.CLIENT_HANDSHAKE_START: Epoch.INITIAL,
    State.CLIENT_EXPECT_SERVER_HELLO: Epoch.INITIAL,
    State.CLIENT_POST_HANDSHAKE: Epoch.ONE_RTT,
    State.SERVER_EXPECT_CLIENT_HELLO: Epoch.INITIAL,
    State.SERVER_POST_HANDSHAKE: Epoch.ONE_RTT,
}
"""At which level the next message comes in each state; HANDSHAKE in all others."""
_REMEMBERED = (
    "active_connection_id_limit",
    "initial_max_data",
    "initial_max_stream_data_bidi_local",
    "initial_max_stream_data_bidi_remote",
    "initial_max_stream_data_uni",
    "initial_max_streams_bidi",
    "initial_max_streams_uni",
    "max_datagram_frame_size",
)
_FOR_SERVERS = frozenset(
    {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
)
_NO_ISSUER = frozenset({2, 18, 19, 20, 21})
"""OpenSSL's X509_V_ERR_* for chains that end at no root of ours."""
_OUT_OF_DATE = frozenset({9, 10})


def most_bytes(epoch: Epoch) -> int:
    """How long a handshake message may be, and how far ahead of a gap the peer may send.

    RFC 9000, 7.5, wants 4096 at least. A chain of certificates, which is one message, can have
    64 KB; hellos come from anybody, and stay small.
    """
    return MOST_HELLO_BYTES if epoch is Epoch.INITIAL else MOST_BYTES


class Context(HelloRetry):
    """The TLS side of a connection; takes the place of aioquic's before anything was sent."""

    def __init__(self, replaced: tls.Context) -> None:
        super().__init__(replaced)
        self.retried_parameters = b""
        """The transport parameters of the ClientHello that got a HelloRetryRequest."""
        self.original_version: int | None = None
        """The QUIC version of the client's first packet."""
        self._fetch_ticket = self.get_session_ticket_cb
        if self._fetch_ticket is not None:
            self.get_session_ticket_cb = self._ticket_for_this

    @property
    def reads(self) -> Epoch:
        """The encryption level of the messages that come next."""
        return _READS.get(self.state, Epoch.HANDSHAKE)

    def handle_message(self, input_data: bytes, output_buf: dict[Epoch, Buffer]) -> None:
        """Take in what has come of messages, in order, at the level that is read now.

        aioquic keeps up to 16 MB of a message in memory, and reads what follows the last message
        of one encryption level as if it had come at the next one (RFC 9001, 4.1.3).
        """
        if self.state is State.CLIENT_HANDSHAKE_START:
            super().handle_message(input_data, output_buf)
            return
        epoch = self.reads
        self._receive_buffer += input_data
        while self.reads is epoch and len(self._receive_buffer) >= 4:
            size = 4 + int.from_bytes(self._receive_buffer[1:4])
            if size > most_bytes(epoch):
                _close(QuicErrorCode.CRYPTO_BUFFER_EXCEEDED, f"a handshake message of {size} bytes")
            if len(self._receive_buffer) < size:
                return
            message = self._receive_buffer[:size]
            self._receive_buffer = self._receive_buffer[size:]
            try:
                self._received(message, output_buf)
            except BufferReadError:
                raise tls.AlertDecodeError("a handshake message is cut short") from None
        if self._receive_buffer and self.reads is not epoch:
            if self._receive_buffer[0] == HandshakeType.KEY_UPDATE:  # RFC 9001, 6
                raise tls.AlertUnexpectedMessage("KeyUpdate")
            _close(
                QuicErrorCode.PROTOCOL_VIOLATION,
                "data follows the last message of an encryption level",
            )

    def _received(self, message: bytes, output_buf: dict[Epoch, Buffer]) -> None:
        kind, state = message[0], self.state
        if state is State.SERVER_EXPECT_CLIENT_HELLO and kind == HandshakeType.CLIENT_HELLO:
            client_hello = tls_messages.check_client_hello(message)
            if self._wants_retry(client_hello):
                self.retried_parameters = client_hello.transport_parameters
                self._send_retry(message, client_hello, output_buf[Epoch.INITIAL])
                return
            self._handle_reassembled_message(kind, self._continued(message), output_buf)
            return
        if state is State.CLIENT_EXPECT_SERVER_HELLO and kind == HandshakeType.SERVER_HELLO:
            server_hello = self._checked_server_hello(message)
            if server_hello.random == tls_messages.HELLO_RETRY_REQUEST:
                self._retry_received(message, server_hello, output_buf[Epoch.INITIAL])
                return
        else:
            self._check(message)
        self._handle_reassembled_message(kind, Buffer(data=message), output_buf)

    def _check(self, message: bytes) -> None:
        """What aioquic does not check of a message that is no hello."""
        kind, state = message[0], self.state
        if kind == HandshakeType.ENCRYPTED_EXTENSIONS and self._is_client:
            offered = self._offered
            if not self._session_resumed or self.is_retried:
                offered.discard(ExtensionType.EARLY_DATA)
            tls_messages.check_encrypted_extensions(message, offered)
        elif kind == HandshakeType.CERTIFICATE_REQUEST and self._is_client:
            if state is State.CLIENT_POST_HANDSHAKE:  # RFC 9001, 4.4
                _close(QuicErrorCode.PROTOCOL_VIOLATION, "a CertificateRequest after the handshake")
            tls_messages.check_certificate_request(message)
        elif kind == HandshakeType.CERTIFICATE:
            tls_messages.check_certificate(message)
        elif kind == HandshakeType.NEW_SESSION_TICKET and self._is_client:
            size = tls_messages.check_new_session_ticket(message)
            if size not in {None, MAX_EARLY_DATA}:  # RFC 9001, 4.6.1
                _close(QuicErrorCode.PROTOCOL_VIOLATION, f"max_early_data_size is {size}")

    @property
    def _offered(self) -> set[int]:
        """The extensions of our ClientHello."""
        offered: set[int] = {
            ExtensionType.KEY_SHARE,
            ExtensionType.SUPPORTED_VERSIONS,
            ExtensionType.SIGNATURE_ALGORITHMS,
            ExtensionType.SUPPORTED_GROUPS,
            ExtensionType.SERVER_NAME,
            *(kind for kind, _ in self.handshake_extensions),
        }
        if self._alpn_protocols is not None:
            offered.add(ExtensionType.ALPN)
        ticket = self.session_ticket
        if ticket is not None:
            offered |= {ExtensionType.PRE_SHARED_KEY, ExtensionType.PSK_KEY_EXCHANGE_MODES}
            if ticket.max_early_data_size is not None:
                offered.add(ExtensionType.EARLY_DATA)
        return offered

    def _checked_server_hello(self, message: bytes) -> tls_messages.ServerHello:
        hello = tls_messages.check_server_hello(message, self._offered)
        if hello.session_id != self.legacy_session_id:
            raise tls.AlertIllegalParameter("ServerHello echoes another legacy_session_id")
        if hello.cipher_suite not in self._cipher_suites:
            raise tls.AlertIllegalParameter("ServerHello has a cipher suite we did not offer")
        if self._retried is not None and hello.cipher_suite != self._retried[0]:
            raise tls.AlertIllegalParameter("ServerHello has not the suite of HelloRetryRequest")
        return hello

    def _server_handle_hello(
        self, input_buf: Buffer, initial_buf: Buffer, handshake_buf: Buffer
    ) -> None:
        """Answer a ClientHello; a wrong binder, handshake_failure to aioquic, is a decrypt_error.

        RFC 8446, 6.2, has that alert for binders that do not validate.
        """
        try:
            super()._server_handle_hello(input_buf, initial_buf, handshake_buf)
        except tls.AlertHandshakeFailure as alert:
            if str(alert) != WRONG_BINDER:
                raise
            raise tls.AlertDecryptError(WRONG_BINDER) from alert

    def _set_peer_certificate(self, certificate: tls.Certificate) -> None:
        """Read a chain; the parser has errors that aioquic does not know, such as InvalidVersion.

        An unreadable certificate is a bad one (RFC 8446, 6.2).
        """
        try:
            super()._set_peer_certificate(certificate)
        except tls.Alert:
            raise
        except Exception as error:
            raise tls.AlertBadCertificate("Certificate could not be parsed") from error

    def _check_certificate_verify_signature(self, verify: tls.CertificateVerify) -> None:
        if verify.algorithm not in self._signature_algorithms:
            raise tls.AlertIllegalParameter("CertificateVerify has an algorithm we did not offer")
        try:
            super()._check_certificate_verify_signature(verify)
        except tls.Alert:
            raise
        except Exception as error:
            raise tls.AlertBadCertificate("Certificate has a key that cannot verify") from error

    def _client_handle_certificate_verify(self, input_buf: Buffer) -> None:
        """Verify the server's chain; all that is wrong with it is bad_certificate to aioquic."""
        try:
            super()._client_handle_certificate_verify(input_buf)
            if self._verify_mode != ssl.CERT_NONE and self._peer_certificate is not None:
                _check_usage(self._peer_certificate)
        except tls.AlertBadCertificate as alert:
            raise _refined(alert) from alert
        except (tls.Alert, BufferReadError):
            raise
        except Exception as error:
            raise tls.AlertBadCertificate("Certificate could not be verified") from error

    def _build_session_ticket(
        self,
        new_session_ticket: tls.NewSessionTicket,
        other_extensions: list[tls.Extension],
    ) -> tls.SessionTicket:
        """The ticket to store, with its ALPN and a limited lifetime; aioquic has neither."""
        lifetime = new_session_ticket.ticket_lifetime
        new_session_ticket.ticket_lifetime = min(lifetime, LONGEST_LIFETIME_S)
        kept = [*other_extensions, (ExtensionType.ALPN, self._alpn)]
        return super()._build_session_ticket(new_session_ticket, kept)

    def _ticket_for_this(self, identity: bytes) -> tls.SessionTicket | None:
        """The ticket, if the session can go on as it was.

        0-RTT has the same ALPN (RFC 8446, 4.2.10), the limits that a client remembers hold
        (RFC 9000, 7.4.1), and the version that the client begins with is that of the connection
        which gave the ticket (RFC 9369, 5). Otherwise the session begins anew.
        """
        assert self._fetch_ticket is not None
        ticket = self._fetch_ticket(identity)
        if ticket is None or (ExtensionType.ALPN, self._alpn) not in ticket.other_extensions:
            return None
        kept, now = (
            _parsed(dict(extensions)[ExtensionType.QUIC_TRANSPORT_PARAMETERS])
            for extensions in (ticket.other_extensions, self.handshake_extensions)
        )
        given_in = kept.version_information
        if given_in is not None and given_in.chosen_version != self.original_version:
            return None
        limits = zip(_limits(kept), _limits(now), strict=True)
        return ticket if all(was <= is_now for was, is_now in limits) else None

    @property
    def _alpn(self) -> bytes:
        return (self.alpn_negotiated or "").encode()


def _check_usage(certificate: x509.Certificate) -> None:
    """A server's certificate is one to sign with, and for servers (RFC 8446, 4.4.2.2).

    aioquic does not look.
    """
    with suppress(x509.ExtensionNotFound):
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        if not usage.digital_signature:
            raise tls.AlertUnsupportedCertificate("Certificate is not for signatures")
    with suppress(x509.ExtensionNotFound):
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        if _FOR_SERVERS.isdisjoint(purposes):
            raise tls.AlertUnsupportedCertificate("Certificate is not for servers")


def _parsed(parameters: bytes) -> QuicTransportParameters:
    return pull_quic_transport_parameters(Buffer(data=parameters))


def _limits(parameters: QuicTransportParameters) -> list[int]:
    """What a client may use in 0-RTT, of a server's transport parameters (RFC 9000, 7.4.1)."""
    return [getattr(parameters, name) or 0 for name in _REMEMBERED]


def _refined(alert: tls.AlertBadCertificate) -> tls.Alert:
    """The alert that says best what was found wrong with a chain (RFC 8446, 6.2)."""
    cause, reason = alert.__context__, str(alert)[:REASON_CHARACTERS]
    code = cause.errors[0] if isinstance(cause, X509StoreContextError) else None
    if code in _NO_ISSUER:
        return AlertUnknownCa(reason)
    if code in _OUT_OF_DATE:
        return tls.AlertCertificateExpired(reason)
    return tls.AlertBadCertificate(reason)


def _close(error_code: QuicErrorCode, reason: str) -> NoReturn:
    raise QuicConnectionError(
        error_code=error_code, frame_type=QuicFrameType.CRYPTO, reason_phrase=reason
    )
