"""HelloRetryRequest in both roles (RFC 8446, 4.1.4), which aioquic does not have.

A client offers all its groups, and sends shares of two, which most servers take. A server that
wants another one of them asks for it, and both go on with a transcript in which a hash stands for
the first ClientHello (RFC 8446, 4.4.1).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any, cast

from aioquic import tls
from aioquic._buffer import Buffer
from aioquic.tls import CipherSuite, Direction, Epoch, ExtensionType, Group, HandshakeType
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, x448, x25519

from quicmatrix.endpoint.transport.crypto.tls_messages import (
    HELLO_RETRY_REQUEST,
    ClientHello,
    ServerHello,
)

SHARED_GROUPS: tuple[int, ...] = (Group.X25519, Group.SECP256R1)
"""Of which a client sends shares at once; of all that it has if it has none of them."""
MOST_TICKET_BYTES = 64_000
"""Of a ticket that is offered: the extensions of a ClientHello have 65,535 in all."""
_GROUP_BYTES = 2


class HelloRetry(tls.Context):
    """TLS that asks for another key share, and gives one when it is asked."""

    def __init__(self, replaced: tls.Context) -> None:
        vars(self).update(vars(replaced))
        self._first_hello = b""
        self._shares: list[tls.KeyShareEntry] = []
        self._before = b""
        """What the transcript has of all that came before the second ClientHello."""
        self._retried: tuple[int, int | None] | None = None
        """Cipher suite and group of the HelloRetryRequest that was sent or received."""

    @property
    def is_retried(self) -> bool:
        """Whether there was a HelloRetryRequest."""
        return self._retried is not None

    # --- Client ---------------------------------------------------------------------------------

    def _client_send_hello(self, output_buf: Buffer) -> None:
        """Send the first ClientHello; aioquic makes a key for each group that it knows."""
        some = [group for group in SHARED_GROUPS if group in self._supported_groups]
        self._shares = self._new_shares(some or self._supported_groups)
        at = output_buf.tell()
        self._send_hello(output_buf, [])
        self._first_hello = output_buf.data_slice(at, output_buf.tell())
        self._set_state(tls.State.CLIENT_EXPECT_SERVER_HELLO)

    def _retry_received(self, message: bytes, retry: ServerHello, output_buf: Buffer) -> None:
        """Send the second ClientHello, with what the server asks for."""
        if self.is_retried:
            raise tls.AlertUnexpectedMessage("a second HelloRetryRequest")
        selected = retry.extensions.get(ExtensionType.KEY_SHARE)
        cookie = retry.extensions.get(ExtensionType.COOKIE)
        if selected is None and cookie is None:
            raise tls.AlertIllegalParameter("HelloRetryRequest changes nothing")
        group = None
        if selected is not None:
            group = int.from_bytes(selected)
            is_shared = any(group == shared for shared, _ in self._shares)
            if len(selected) != _GROUP_BYTES or is_shared or group not in self._supported_groups:
                raise tls.AlertIllegalParameter("HelloRetryRequest asks for no other group of ours")
            self._shares = self._new_shares([group])
        self._retried = retry.cipher_suite, group
        suite = CipherSuite(retry.cipher_suite)
        self._before = _message_hash(suite, self._first_hello) + message
        self._send_hello(output_buf, [] if cookie is None else [(ExtensionType.COOKIE, cookie)])

    def _send_hello(self, output_buf: Buffer, more: list[tls.Extension]) -> None:
        assert self.client_random is not None
        ticket = self.session_ticket
        if ticket is not None and not self._can_offer(ticket):
            ticket = None
        hello = tls.ClientHello(
            random=self.client_random,
            legacy_session_id=b"",
            cipher_suites=[int(suite) for suite in self._cipher_suites],
            legacy_compression_methods=self._legacy_compression_methods,
            alpn_protocols=self._alpn_protocols,
            key_share=self._shares,
            server_name=None if _is_address(self._server_name) else self._server_name,
            signature_algorithms=self._signature_algorithms,
            supported_groups=[int(group) for group in self._supported_groups],
            supported_versions=self._supported_versions,
            other_extensions=[*self.handshake_extensions, *more],
        )
        if self.session_ticket is not None or self.new_session_ticket_cb is not None:
            hello.psk_key_exchange_modes = self._psk_key_exchange_modes
        at = output_buf.tell()
        if ticket is None:
            self._key_schedule_psk = None
            tls.push_client_hello(output_buf, hello)
        else:
            self._push_bound_hello(output_buf, hello, ticket)
        self._hello_written(output_buf, at)
        transcript = tls.KeyScheduleProxy(self._cipher_suites)
        transcript.extract(None)
        transcript.update_hash(self._before + output_buf.data_slice(at, output_buf.tell()))
        self._key_schedule_proxy = transcript

    def _hello_written(self, output_buf: Buffer, at: int) -> None:
        """A ClientHello is in the buffer, and not yet in the transcript: for variants of this."""

    def _can_offer(self, ticket: tls.SessionTicket) -> bool:
        """Whether it is valid, fits, and has the hash that the server has chosen meanwhile."""
        if not ticket.is_valid or len(ticket.ticket) > MOST_TICKET_BYTES:
            return False
        if self._retried is None:
            return True
        return _hash_of(ticket.cipher_suite).name == _hash_of(CipherSuite(self._retried[0])).name

    def _can_send_early_data(self, ticket: tls.SessionTicket) -> bool:
        """Whether the server takes it, and knows the same application (RFC 8446, 4.2.10)."""
        if ticket.max_early_data_size is None or self.is_retried:
            return False
        alpn = dict(ticket.other_extensions).get(ExtensionType.ALPN)
        return alpn is None or alpn.decode() in (self._alpn_protocols or [""])

    def _push_bound_hello(
        self, output_buf: Buffer, hello: tls.ClientHello, ticket: tls.SessionTicket
    ) -> None:
        """Write a ClientHello with a ticket and its binder (RFC 8446, 4.2.11.2)."""
        schedule = self._key_schedule_psk = tls.KeySchedule(ticket.cipher_suite)
        schedule.extract(ticket.resumption_secret)
        binder_key = schedule.derive_secret(b"res binder")
        schedule.update_hash(self._before)
        size = schedule.algorithm.digest_size
        hello.early_data = self._can_send_early_data(ticket)
        hello.pre_shared_key = tls.OfferedPsks(
            identities=[(ticket.ticket, ticket.obfuscated_age)], binders=[bytes(size)]
        )
        at = output_buf.tell()
        tls.push_client_hello(output_buf, hello)
        end = output_buf.tell()
        schedule.update_hash(output_buf.data_slice(at, end - size - 3))
        binder = schedule.finished_verify_data(binder_key)
        output_buf.seek(end - size)
        output_buf.push_bytes(binder)
        schedule.update_hash(output_buf.data_slice(end - size - 3, end))
        if hello.early_data:
            self.update_traffic_key_cb(
                Direction.ENCRYPT,
                Epoch.ZERO_RTT,
                schedule.cipher_suite,
                schedule.derive_secret(b"c e traffic"),
            )

    def _new_shares(self, groups: Sequence[int]) -> list[tls.KeyShareEntry]:
        """A new key for each group, kept where aioquic looks for it."""
        self._ec_private_keys = []
        self._x25519_private_key = self._x448_private_key = None
        shares = []
        for group in groups:
            if group == Group.X25519:
                self._x25519_private_key = x25519.X25519PrivateKey.generate()
                shares.append(tls.encode_public_key(self._x25519_private_key.public_key()))
            elif group == Group.X448:
                self._x448_private_key = x448.X448PrivateKey.generate()
                shares.append(tls.encode_public_key(self._x448_private_key.public_key()))
            else:
                key = ec.generate_private_key(tls.GROUP_TO_CURVE[group]())
                self._ec_private_keys.append(key)
                shares.append(tls.encode_public_key(key.public_key()))
        return shares

    # --- Server ---------------------------------------------------------------------------------

    def _wants_retry(self, hello: ClientHello) -> bool:
        """Whether the client has a group of ours, but sent no share of one.

        Raises:
            Alert: It was asked for a share already.
        """
        shared = [group for group in hello.shared_groups if group in self._supported_groups]
        if self._retried is not None:
            if hello.shared_groups != (self._retried[1],):
                raise tls.AlertIllegalParameter("ClientHello has not the share that we asked for")
            return False
        return not shared and any(group in hello.groups for group in self._supported_groups)

    def _send_retry(self, message: bytes, hello: ClientHello, output_buf: Buffer) -> None:
        """Ask for the share of a group that both have."""
        group = next(group for group in hello.groups if group in self._supported_groups)
        suite = tls.negotiate(
            self._cipher_suites,
            list(hello.cipher_suites),
            tls.AlertHandshakeFailure("No supported cipher suite"),
        )
        self._retried = suite, group
        at = output_buf.tell()
        tls.push_server_hello(
            output_buf,
            tls.ServerHello(
                random=HELLO_RETRY_REQUEST,
                legacy_session_id=hello.session_id,
                cipher_suite=suite,
                compression_method=tls.CompressionMethod.NULL,
                supported_version=tls.TLS_VERSION_1_3,
                other_extensions=[(ExtensionType.KEY_SHARE, group.to_bytes(_GROUP_BYTES))],
            ),
        )
        retry = output_buf.data_slice(at, output_buf.tell())
        self._before = _message_hash(suite, message) + retry

    def _continued(self, message: bytes) -> Buffer:
        """A ClientHello to read, which goes into the transcript after what came before it."""
        if not self._before:
            return Buffer(data=message)
        return cast("Buffer", _ContinuedHello(message, self._before))


class _ContinuedHello:
    """Reads like a Buffer; as a whole, and from its beginning, it has the transcript before it."""

    def __init__(self, message: bytes, before: bytes) -> None:
        self._buf = Buffer(data=message)
        self._before = before

    @property
    def data(self) -> bytes:
        return self._before + self._buf.data

    def data_slice(self, start: int, end: int) -> bytes:
        part = self._buf.data_slice(start, end)
        return part if start else self._before + part

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a Buffer has
        return getattr(self._buf, name)


def _hash_of(suite: CipherSuite) -> hashes.HashAlgorithm:
    return tls.cipher_suite_hash(suite)


def _message_hash(suite: CipherSuite, hello: bytes) -> bytes:
    """What stands for the first ClientHello in the transcript (RFC 8446, 4.4.1)."""
    digest = hashes.Hash(_hash_of(suite))
    digest.update(hello)
    value = digest.finalize()
    return bytes([HandshakeType.MESSAGE_HASH]) + len(value).to_bytes(3) + value


def _is_address(name: str | None) -> bool:
    """Whether it is an IP address, which is no server name (RFC 6066, 3)."""
    if name is None:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
