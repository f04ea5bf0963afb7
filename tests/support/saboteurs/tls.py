"""Reference endpoints that each break one requirement of the handshake.

A saboteur takes the connection's class and returns another one; it may change a module, since it
runs in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aioquic import tls
from aioquic._buffer import Buffer
from aioquic.quic.connection import QuicConnectionError
from aioquic.quic.crypto import CryptoPair
from aioquic.quic.packet import QuicErrorCode
from aioquic.tls import Direction, Epoch

from quicmatrix.endpoint.tester import tls_messages
from quicmatrix.endpoint.tester.frames import MOST_STREAMS, varint
from quicmatrix.endpoint.tester.parameters import (
    Parameter,
    Parameters,
    encoded,
    reserved,
    version_information,
)
from quicmatrix.endpoint.tester.tls_messages import CCM_8, UNKNOWN_SUITES
from quicmatrix.endpoint.transport.crypto import tls as own_tls
from quicmatrix.endpoint.transport.crypto import tls_messages as checks
from quicmatrix.endpoint.transport.packets.early_packets import KeepingCryptoPair
from tests.support.saboteurs.model import Class, Saboteur, overlooks

Repair = Callable[[Any], bytes | None]
"""Given the connection, the value that it reads in place of another; None: it ignores it."""

_VERSION_1, _VERSION_2 = 1, 0x6B3343CF
_CRYPTO = 0x06


# --- Transport parameters ---------------------------------------------------------------------


def repairs(identifier: int, repair: Repair = lambda _: None) -> Saboteur:
    """It reads a valid value of a transport parameter whatever the peer sends."""

    def change(connection: Any, found: Parameters) -> Parameters:
        value = repair(connection)
        others = [one for one in found if one[0] != identifier]
        return others if value is None else [*others, (identifier, value)]

    return _reads(change)


def refuses(identifier: int, value: int | None = None) -> Saboteur:
    """It refuses a valid value of a transport parameter, or any."""

    def change(_: Any, found: Parameters) -> Parameters:
        for name, data in found:
            if name == identifier and value in (None, Buffer(data=data).pull_uint_var()):
                raise QuicConnectionError(
                    error_code=QuicErrorCode.TRANSPORT_PARAMETER_ERROR,
                    frame_type=_CRYPTO,
                    reason_phrase="",
                )
        return found

    return _reads(change)


def refuses_reserved_version(base: Class) -> Class:
    """It refuses available versions that it does not know."""

    def change(_: Any, found: Parameters) -> Parameters:
        if bytes.fromhex("1a2a3a4a") in dict(found).get(Parameter.VERSION_INFORMATION, b""):
            raise QuicConnectionError(
                error_code=QuicErrorCode.TRANSPORT_PARAMETER_ERROR,
                frame_type=_CRYPTO,
                reason_phrase="",
            )
        return found

    return _reads(change)(base)


def _reads(change: Callable[[Any, Parameters], Parameters]) -> Saboteur:
    def make(base: Class) -> Class:
        class Reading(base):  # type: ignore[misc,valid-type]
            def _parse_transport_parameters(
                self, data: bytes, from_session_ticket: bool = False
            ) -> None:
                if not from_session_ticket:
                    data = encoded(change(self, _parsed(data)))
                super()._parse_transport_parameters(data, from_session_ticket)

        return Reading

    return make


def _parsed(data: bytes) -> Parameters:
    """The parameters that are whole."""
    buf, found = Buffer(data=data), []
    while not buf.eof():
        identifier, size = buf.pull_uint_var(), buf.pull_uint_var()
        if size > buf.capacity - buf.tell():
            break
        found.append((identifier, buf.pull_bytes(size)))
    return found


def _integer(value: int) -> Repair:
    return lambda _: varint(value)


def _peers_connection_id(connection: Any) -> bytes:
    return connection._remote_initial_source_connection_id  # type: ignore[no-any-return]


def _original_connection_id(connection: Any) -> bytes:
    return connection._original_destination_connection_id  # type: ignore[no-any-return]


def _retry_connection_id(connection: Any) -> bytes | None:
    return connection._retry_source_connection_id  # type: ignore[no-any-return]


def _versions(*versions: int) -> Saboteur:
    return repairs(Parameter.VERSION_INFORMATION, lambda _: version_information(*versions))


def _needs_no_versions(base: Class) -> Class:
    """After Version Negotiation, it does not look at the server's versions."""
    return type("Trusting", (base,), {"_refuse_downgrade": lambda self: None})


def lowers_limits(base: Class) -> Class:
    """It accepts 0-RTT, and allows less than before."""
    _takes_any_ticket(base)

    class Lowering(base):  # type: ignore[misc,valid-type]
        made = 0

        def _initialize(self, peer_cid: bytes) -> None:
            Lowering.made += 1
            if Lowering.made > 1:
                self._local_max_data.value //= 2
            super()._initialize(peer_cid)

    return Lowering


def overlooks_new_limit(base: Class) -> Class:
    """It sends as much as it likes."""

    class Greedy(base):  # type: ignore[misc,valid-type]
        def _parse_transport_parameters(
            self, data: bytes, from_session_ticket: bool = False
        ) -> None:
            super()._parse_transport_parameters(data, from_session_ticket)
            self._remote_max_data = 1 << 30

    return Greedy


# --- TLS messages -----------------------------------------------------------------------------


def drops(message: bytes) -> Saboteur:
    """It does not see a TLS message."""

    def make(base: Class) -> Class:
        original = own_tls.Context.handle_message

        def handle(self: Any, input_data: bytes, output_buf: dict[Epoch, Buffer]) -> None:
            original(self, input_data.replace(message, b""), output_buf)

        _replace(own_tls.Context, "handle_message", handle)
        return base

    return make


def buffers_little(base: Class) -> Class:
    """It has room for 2000 bytes of handshake messages."""
    _replace(own_tls, "most_bytes", lambda _: 2000)
    return base


def takes_any_finished(base: Class) -> Class:
    """It does not compare the Finished."""

    class Anything(bytes):
        __hash__ = bytes.__hash__

        def __ne__(self, other: object) -> bool:
            return False

    original = tls.pull_finished

    def pull_finished(buf: Buffer) -> tls.Finished:
        return tls.Finished(Anything(original(buf).verify_data))

    tls.pull_finished = pull_finished
    return base


def forgives_wrong_binder(base: Class) -> Class:
    """It goes on without the session where the binder is wrong."""

    def answer(self: Any, hello: Buffer, *outputs: Buffer) -> None:
        try:
            _answer_hello(self, hello, *outputs)
        except tls.AlertDecryptError:
            self.get_session_ticket_cb = None
            _answer_hello(self, Buffer(data=hello.data), *outputs)

    _replace(own_tls.Context, "_server_handle_hello", answer)
    return base


def takes_tls_1_2_for_1_3(base: Class) -> Class:
    """It does not look at supported_versions."""
    client_hello, server_hello = tls.pull_client_hello, tls.pull_server_hello

    def pull_client_hello(buf: Buffer) -> tls.ClientHello:
        hello = client_hello(buf)
        hello.supported_versions = [tls.TLS_VERSION_1_3]
        return hello

    def pull_server_hello(buf: Buffer) -> tls.ServerHello:
        hello = server_hello(buf)
        hello.supported_version = tls.TLS_VERSION_1_3
        return hello

    tls.pull_client_hello, tls.pull_server_hello = pull_client_hello, pull_server_hello
    _replace(checks, "_offers", lambda *_: True)
    return base


def refuses_unknown_suites(base: Class) -> Class:
    """It refuses a ClientHello with a cipher suite that it does not know."""

    def answer(self: Any, hello: Buffer, *outputs: Buffer) -> None:
        offered = tls.pull_client_hello(Buffer(data=hello.data)).cipher_suites
        if set(offered) & set(UNKNOWN_SUITES):
            raise tls.AlertHandshakeFailure
        _answer_hello(self, hello, *outputs)

    _replace(own_tls.Context, "_server_handle_hello", answer)
    return base


def selects_ccm_8(base: Class) -> Class:
    """It selects TLS_AES_128_CCM_8_SHA256 where nothing else is offered."""

    def answer(self: Any, hello: Buffer, *outputs: Buffer) -> None:
        try:
            _answer_hello(self, hello, *outputs)
        except tls.AlertHandshakeFailure:
            selected = tls.ServerHello(
                random=bytes(32),
                legacy_session_id=b"",
                cipher_suite=CCM_8,
                compression_method=0,
                key_share=(tls.Group.X25519, bytes(32)),
                supported_version=tls.TLS_VERSION_1_3,
            )
            tls.push_server_hello(outputs[0], selected)

    _replace(own_tls.Context, "_server_handle_hello", answer)
    return base


def reads_1_rtt_early(base: Class) -> Class:
    """It has the client's 1-RTT keys as soon as there is a secret, and uses them."""

    def answer(self: Any, hello: Buffer, *outputs: Buffer) -> None:
        _answer_hello(self, hello, *outputs)
        suite = self.key_schedule.cipher_suite
        self.update_traffic_key_cb(Direction.DECRYPT, Epoch.ONE_RTT, suite, self._next_dec_key)

    _replace(own_tls.Context, "_server_handle_hello", answer)
    return base


def reads_rejected_0_rtt(base: Class) -> Class:
    """It processes 0-RTT packets that it has rejected, if it can."""

    def answer(self: Any, hello: Buffer, *outputs: Buffer) -> None:
        tickets: list[Any] = []
        fetch = self._fetch_ticket

        def fetch_and_keep(identity: bytes) -> Any:
            tickets.append(fetch(identity))
            return tickets[-1]

        self._fetch_ticket = fetch_and_keep
        _answer_hello(self, hello, *outputs)
        for ticket in filter(None, tickets):
            schedule = tls.KeySchedule(ticket.cipher_suite)
            schedule.extract(ticket.resumption_secret)
            schedule.update_hash(hello.data)
            secret = schedule.derive_secret(b"c e traffic")
            self.update_traffic_key_cb(
                Direction.DECRYPT, Epoch.ZERO_RTT, ticket.cipher_suite, secret
            )

    _replace(own_tls.Context, "_server_handle_hello", answer)
    return base


def takes_any_application_protocol(base: Class) -> Class:
    """It takes its own application protocol for negotiated whatever the peer says."""
    own_name = "hq-interop"

    def answer(self: Any, hello: Buffer, *outputs: Buffer) -> None:
        self._alpn_protocols, self.alpn_negotiated = None, own_name
        _answer_hello(self, hello, *outputs)

    pull = tls.pull_encrypted_extensions

    def pull_encrypted_extensions(buf: Buffer) -> tls.EncryptedExtensions:
        extensions = pull(buf)
        extensions.alpn_protocol = own_name
        return extensions

    tls.pull_encrypted_extensions = pull_encrypted_extensions
    _replace(own_tls.Context, "_server_handle_hello", answer)
    return base


def needs_no_transport_parameters(base: Class) -> Class:
    """It takes the defaults where there are no transport parameters."""
    original = checks.check_client_hello

    def check_client_hello(message: bytes) -> checks.ClientHello:
        try:
            return original(message)
        except tls.AlertMissingExtension:
            empty = (int(tls_messages.TRANSPORT_PARAMETERS), b"")
            return original(tls_messages._with_extensions(message, lambda found: [*found, empty]))

    checks.check_client_hello = check_client_hello

    class Undemanding(base):  # type: ignore[misc,valid-type]
        def _alpn_handler(self, alpn_protocol: str) -> None:
            try:
                super()._alpn_handler(alpn_protocol)
            except QuicConnectionError as error:
                if "parameters received" not in error.reason_phrase:
                    raise

    return Undemanding


_answer_hello: Any = own_tls.Context._server_handle_hello


def _replace(owner: object, name: str, value: object) -> None:
    setattr(owner, name, value)


# --- Packets, versions and tickets ------------------------------------------------------------


def sends_handshake_done_once(base: Class) -> Class:
    """It does not send HANDSHAKE_DONE again."""

    class Once(base):  # type: ignore[misc,valid-type]
        is_done_sent = False

        def _write_handshake_done_frame(self, builder: Any) -> None:
            if not self.is_done_sent:
                super()._write_handshake_done_frame(builder)
            self.is_done_sent = True

    return Once


def forgets_rejected_streams(base: Class) -> Class:
    """It takes what was sent in 0-RTT for received though the server has rejected it."""

    class Forgetful(base):  # type: ignore[misc,valid-type]
        def _resend_rejected_early_data(self, now: float) -> None:
            space = self._spaces[Epoch.ONE_RTT]
            space.sent_packets.clear()
            self._loss._time_of_last_sent_ack_eliciting_packet = 0.0

    return Forgetful


def objects_to_early_packets(base: Class) -> Class:
    """It closes the connection for packets whose keys it does not have yet."""

    class Impatient(base):  # type: ignore[misc,valid-type]
        def receive_datagram(self, data: bytes, addr: Any, now: float) -> None:
            early = [keys for keys in self._cryptos.values() if isinstance(keys, KeepingCryptoPair)]
            room = [keys.room for keys in early]
            super().receive_datagram(data, addr, now)
            if any(0 < keys.room < before for keys, before in zip(early, room, strict=True)):
                self.close(QuicErrorCode.PROTOCOL_VIOLATION, _CRYPTO, "")

    return Impatient


def takes_any_version(base: Class) -> Class:
    """It does not look at the version of Handshake packets."""
    _replace(KeepingCryptoPair, "decrypt_packet", CryptoPair.decrypt_packet)
    return base


def _takes_any_ticket(base: Class) -> Class:
    """It resumes a session whatever has changed."""
    _replace(
        own_tls.Context, "_ticket_for_this", lambda self, identity: self._fetch_ticket(identity)
    )
    return base


# --- The table --------------------------------------------------------------------------------

_ISCID = repairs(Parameter.INITIAL_SOURCE_CONNECTION_ID, _peers_connection_id)
_ODCID = repairs(Parameter.ORIGINAL_DESTINATION_CONNECTION_ID, _original_connection_id)
_RSCID = repairs(Parameter.RETRY_SOURCE_CONNECTION_ID, _retry_connection_id)
_IDLE = repairs(Parameter.MAX_IDLE_TIMEOUT, _integer(30_000))
_TOKEN = repairs(Parameter.STATELESS_RESET_TOKEN)
_ADDRESS = repairs(Parameter.PREFERRED_ADDRESS)
_IDS = repairs(Parameter.ACTIVE_CONNECTION_ID_LIMIT, _integer(2))

SABOTEURS: dict[str, Saboteur] = {
    "rfc8446/4/unknown-message-in-the-handshake": drops(tls_messages.unknown()),
    "rfc8446/4/unknown-message-after-the-handshake": drops(tls_messages.unknown()),
    "rfc8446/4.2.11/wrong-binder": forgives_wrong_binder,
    "rfc8446/4.4.4/wrong-finished": takes_any_finished,
    "rfc9000/7.3/no-initial-source-connection-id": _ISCID,
    "rfc9000/7.3/wrong-initial-source-connection-id": _ISCID,
    "rfc9000/7.3/no-original-destination-connection-id": _ODCID,
    "rfc9000/7.3/wrong-original-destination-connection-id": _ODCID,
    "rfc9000/7.3/retry-source-connection-id-without-retry": _RSCID,
    "rfc9000/7.3/no-retry-source-connection-id": _RSCID,
    "rfc9000/7.3/wrong-retry-source-connection-id": _RSCID,
    "rfc9000/7.4/trailing-byte": _IDLE,
    "rfc9000/7.4/integer-cut-short": _IDLE,
    "rfc9000/7.4/list-cut-short": _IDLE,
    "rfc9000/7.4/duplicate": _IDLE,
    "rfc9000/7.4.1/limits-with-0-rtt": lowers_limits,
    "rfc9000/7.4.1/limits-after-rejected-0-rtt": overlooks_new_limit,
    "rfc9000/7.4.2/unknown": refuses((1 << 62) - 2),
    "rfc9000/7.5/4096-bytes-out-of-order": buffers_little,
    "rfc9000/7.5/buffer-exceeded": overlooks(QuicErrorCode.CRYPTO_BUFFER_EXCEEDED, _CRYPTO),
    "rfc9000/13.3/handshake-done": sends_handshake_done_once,
    "rfc9000/18.1/reserved": refuses(reserved(1000)),
    "rfc9000/18.2/original-destination-connection-id-of-a-client": repairs(
        Parameter.ORIGINAL_DESTINATION_CONNECTION_ID
    ),
    "rfc9000/18.2/retry-source-connection-id-of-a-client": repairs(
        Parameter.RETRY_SOURCE_CONNECTION_ID
    ),
    "rfc9000/18.2/stateless-reset-token-of-a-client": _TOKEN,
    "rfc9000/18.2/preferred-address-of-a-client": _ADDRESS,
    "rfc9000/18.2/max-udp-payload-size-1199": repairs(Parameter.MAX_UDP_PAYLOAD_SIZE),
    "rfc9000/18.2/max-udp-payload-size-1200": refuses(Parameter.MAX_UDP_PAYLOAD_SIZE, 1200),
    "rfc9000/18.2/initial-max-streams-bidi-above-2-60": repairs(
        Parameter.INITIAL_MAX_STREAMS_BIDI, _integer(MOST_STREAMS)
    ),
    "rfc9000/18.2/initial-max-streams-bidi-2-60": refuses(
        Parameter.INITIAL_MAX_STREAMS_BIDI, MOST_STREAMS
    ),
    "rfc9000/18.2/initial-max-streams-uni-above-2-60": repairs(Parameter.INITIAL_MAX_STREAMS_UNI),
    "rfc9000/18.2/initial-max-streams-uni-2-60": refuses(
        Parameter.INITIAL_MAX_STREAMS_UNI, MOST_STREAMS
    ),
    "rfc9000/18.2/ack-delay-exponent-21": repairs(Parameter.ACK_DELAY_EXPONENT),
    "rfc9000/18.2/ack-delay-exponent-20": refuses(Parameter.ACK_DELAY_EXPONENT, 20),
    "rfc9000/18.2/max-ack-delay-2-14": repairs(Parameter.MAX_ACK_DELAY),
    "rfc9000/18.2/max-ack-delay-below-2-14": refuses(Parameter.MAX_ACK_DELAY, (1 << 14) - 1),
    "rfc9000/18.2/active-connection-id-limit-0": _IDS,
    "rfc9000/18.2/active-connection-id-limit-1": _IDS,
    "rfc9000/18.2/active-connection-id-limit-2": refuses(Parameter.ACTIVE_CONNECTION_ID_LIMIT, 2),
    "rfc9000/18.2/disable-active-migration-with-a-value": repairs(
        Parameter.DISABLE_ACTIVE_MIGRATION
    ),
    "rfc9000/18.2/stateless-reset-token-15-bytes": _TOKEN,
    "rfc9000/18.2/stateless-reset-token-17-bytes": _TOKEN,
    "rfc9000/18.2/preferred-address-without-connection-id": _ADDRESS,
    "rfc9000/18.2/preferred-address-cut-short": _ADDRESS,
    "rfc9001/4.1.3/data-at-a-previous-level": overlooks(QuicErrorCode.PROTOCOL_VIOLATION, _CRYPTO),
    "rfc9001/4.1.3/unconsumed-data": drops(tls_messages.unknown()),
    "rfc9001/4.2/tls-1-2": takes_tls_1_2_for_1_3,
    "rfc9001/4.4/certificate-request-after-the-handshake": drops(
        tls_messages.certificate_request()
    ),
    "rfc9001/4.6.1/other-max-early-data-size": drops(tls_messages.new_session_ticket(0xFFFF)),
    "rfc9001/4.6.2/rejected-0-rtt-packet": reads_rejected_0_rtt,
    "rfc9001/4.6.2/streams-after-rejected-0-rtt": forgets_rejected_streams,
    "rfc9001/5.3/unknown-cipher-suites": refuses_unknown_suites,
    "rfc9001/5.3/ccm-8": selects_ccm_8,
    "rfc9001/5.7/1-rtt-packet-before-finished": reads_1_rtt_early,
    "rfc9001/5.7/1-rtt-packet-before-handshake-packets": objects_to_early_packets,
    "rfc9001/5.7/server-flight-last-packet-first": objects_to_early_packets,
    "rfc9001/6/tls-key-update": drops(tls_messages.key_update()),
    "rfc9001/6/tls-key-update-behind-finished": drops(tls_messages.key_update()),
    "rfc9001/8.1/unknown-application-protocol": takes_any_application_protocol,
    "rfc9001/8.1/no-application-protocol": takes_any_application_protocol,
    "rfc9001/8.1/application-protocol-that-was-not-offered": takes_any_application_protocol,
    "rfc9001/8.2/no-transport-parameters": needs_no_transport_parameters,
    "rfc9001/8.2/transport-parameters-of-a-draft": needs_no_transport_parameters,
    "rfc9001/8.3/crypto-in-0-rtt": overlooks(QuicErrorCode.PROTOCOL_VIOLATION, _CRYPTO),
    "rfc9001/8.3/end-of-early-data": drops(tls_messages.end_of_early_data()),
    "rfc9287/3/grease-quic-bit-with-a-value": repairs(Parameter.GREASE_QUIC_BIT),
    "rfc9368/3/reserved-version-available": refuses_reserved_version,
    "rfc9368/4/length-not-divisible-by-four": _versions(_VERSION_1, _VERSION_1),
    "rfc9368/4/too-short": _versions(_VERSION_1, _VERSION_1),
    "rfc9368/4/chosen-version-zero": _versions(_VERSION_1, _VERSION_1),
    "rfc9368/4/available-version-zero": _versions(_VERSION_1, _VERSION_1),
    "rfc9368/4/chosen-version-not-available": _versions(_VERSION_1, _VERSION_1),
    "rfc9368/4/chosen-version-not-in-use": _versions(_VERSION_1, _VERSION_1),
    "rfc9368/4/chosen-version-not-offered": _versions(_VERSION_1, _VERSION_1),
    "rfc9368/4/missing-after-version-negotiation": _needs_no_versions,
    "rfc9368/4/nothing-available-after-version-negotiation": _needs_no_versions,
    "rfc9369/4.1/handshake-packet-of-the-original-version": takes_any_version,
    "rfc9369/5/ticket-of-version-1-in-version-2": _takes_any_ticket,
    "rfc9369/5/ticket-of-version-2-in-version-1": _takes_any_ticket,
}
"""The saboteur of each case that can be violated, by the case's id."""
