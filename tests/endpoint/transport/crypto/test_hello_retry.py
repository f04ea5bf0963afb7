from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from aioquic import tls
from aioquic._buffer import Buffer
from aioquic.quic.events import StreamDataReceived
from aioquic.quic.packet import QuicErrorCode, QuicPacketType
from aioquic.tls import AlertDescription, CipherSuite, Epoch, ExtensionType, Group, HandshakeType

from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.crypto.hello_retry import (
    SHARED_GROUPS,
    HelloRetry,
    _message_hash,
)
from quicmatrix.endpoint.transport.crypto.tls import Context
from quicmatrix.endpoint.transport.crypto.tls_messages import HELLO_RETRY_REQUEST, ClientHello
from quicmatrix.endpoint.transport.packets.coalescing import packet_starts
from tests.support.quic_pair import Idle, Link, Pair, client_configuration, server_configuration
from tests.support.tampering import Plain, pushed, tampering

ILLEGAL = QuicErrorCode.CRYPTO_ERROR + AlertDescription.illegal_parameter
FAILURE = QuicErrorCode.CRYPTO_ERROR + AlertDescription.handshake_failure
UNEXPECTED = QuicErrorCode.CRYPTO_ERROR + AlertDescription.unexpected_message
UNSUPPORTED = QuicErrorCode.CRYPTO_ERROR + AlertDescription.unsupported_extension
V1, V2 = 0x00000001, 0x6B3343CF
OTHER_GROUPS = [Group.SECP384R1, Group.X448]


def having(groups: Sequence[Group], base: type[Connection] = Connection) -> type[Connection]:
    """A connection that knows these groups and no others."""

    class Having(base):  # type: ignore[misc,valid-type]
        def _initialize(self, peer_cid: bytes) -> None:
            super()._initialize(peer_cid)
            self.tls._supported_groups = list(groups)

    return Having


def code_of(connection: Connection) -> int | None:
    return connection.ending.error_code if connection.ending else None


def is_retried(connection: Connection) -> bool:
    assert isinstance(connection.tls, Context)
    return connection.tls.is_retried


@pytest.mark.parametrize("group", OTHER_GROUPS, ids=lambda group: group.name)
def test_a_server_asks_for_a_group_that_both_have(certs: Path, group: Group) -> None:
    pair = Pair(
        client_configuration(certs), server_configuration(certs), server_type=having([group])
    )
    pair.complete_handshake(limit_s=1.0)
    assert is_retried(pair.client)
    assert is_retried(pair.server)
    assert [shared for shared, _ in pair.client.tls._shares] == [group]  # type: ignore[attr-defined]


@pytest.mark.parametrize("group", SHARED_GROUPS)
def test_a_group_that_most_have_costs_no_round_trip(certs: Path, group: Group) -> None:
    pair = Pair(
        client_configuration(certs), server_configuration(certs), server_type=having([group])
    )
    pair.complete_handshake(limit_s=1.0)
    assert not is_retried(pair.client)


def test_a_client_without_the_usual_groups_shares_what_it_has(certs: Path) -> None:
    pair = Pair(
        client_configuration(certs), server_configuration(certs), client_type=having(OTHER_GROUPS)
    )
    pair.complete_handshake(limit_s=1.0)
    assert not is_retried(pair.client)


def test_no_group_in_common_is_a_failure(certs: Path) -> None:
    pair = Pair(
        client_configuration(certs),
        server_configuration(certs),
        client_type=having([Group.X25519]),
        server_type=having([Group.SECP384R1]),
    )
    pair.connect()
    pair.run_for(0.5)
    assert code_of(pair.client) == code_of(pair.server) == FAILURE


def test_aioquic_alone_does_not_ask(certs: Path) -> None:
    pair = Pair(
        client_configuration(certs),
        server_configuration(certs),
        server_type=having([Group.SECP384R1], Plain),
    )
    pair.connect()
    pair.run_for(0.5)
    assert code_of(pair.server) == FAILURE


def versions_of_initials(link: Link) -> list[int | None]:
    headers = [header for _, data in link.sent for _, header in packet_starts(data, 8)[:1]]
    return [each.version for each in headers if each.packet_type is QuicPacketType.INITIAL]


def test_the_version_is_negotiated_with_the_first_client_hello(certs: Path) -> None:
    """RFC 9369, 4.1: CRYPTO in the original version would say that it stays."""
    pair = Pair(
        client_configuration(certs, supported_versions=[V1, V2], original_version=V1),
        server_configuration(certs, supported_versions=[V2, V1]),
        server_type=having([Group.SECP384R1]),
    )
    pair.complete_handshake(limit_s=1.0)
    assert is_retried(pair.client)
    assert pair.client._version == pair.server._version == V2
    assert set(versions_of_initials(pair.to_client)) == {V2}
    first, second, *_ = versions_of_initials(pair.to_server)
    assert (first, second) == (V1, V2)


@pytest.mark.parametrize("versions", [[V1, V2], [V1]], ids=["preferred", "only"])
def test_a_server_stays_in_the_version_of_its_own_order(certs: Path, versions: list[int]) -> None:
    pair = Pair(
        client_configuration(certs, supported_versions=[V1, V2], original_version=V1),
        server_configuration(certs, supported_versions=versions),
        server_type=having([Group.SECP384R1]),
    )
    pair.complete_handshake(limit_s=1.0)
    assert is_retried(pair.client)
    assert pair.client._version == pair.server._version == V1


def test_a_second_client_hello_may_come_in_the_original_version(certs: Path) -> None:
    """RFC 9369, 4.1: the server keeps the keys, as the client only SHOULD change its Initials."""

    class Slow(Connection):
        def _retry_handled(self, packet_version: int | None) -> None:
            pass

    pair = Pair(
        client_configuration(certs, supported_versions=[V1, V2], original_version=V1),
        server_configuration(certs, supported_versions=[V2, V1]),
        client_type=Slow,
        server_type=having([Group.SECP384R1]),
    )
    pair.complete_handshake(limit_s=1.0)
    assert versions_of_initials(pair.to_server)[:2] == [V1, V1]
    assert pair.client._version == pair.server._version == V2


def test_bad_transport_parameters_are_refused_before_a_retry(certs: Path) -> None:
    class Faulty(Connection):
        def _serialize_transport_parameters(self) -> bytes:
            return super()._serialize_transport_parameters() + b"\x0a\x01\x15"

    pair = Pair(
        client_configuration(certs),
        server_configuration(certs),
        client_type=Faulty,
        server_type=having([Group.SECP384R1]),
    )
    pair.connect()
    pair.run_for(0.5)
    assert code_of(pair.server) == QuicErrorCode.TRANSPORT_PARAMETER_ERROR
    assert not is_retried(pair.client)


# --- With tickets ------------------------------------------------------------------------------


class Early(Idle):
    """A client application that sends its request as soon as it can."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection
        self.is_sent = False

    def pump(self) -> None:
        if not self.is_sent:
            self.is_sent = True
            self._connection.send_stream_data(0, b"request", end_stream=True)


@pytest.mark.parametrize("suite", [None, CipherSuite.AES_128_GCM_SHA256])
def test_a_ticket_survives_a_retry_and_early_data_comes_again(
    certs: Path, suite: CipherSuite | None
) -> None:
    """With the same hash the session is resumed; with another one there is a full handshake."""
    first = Pair(client_configuration(certs), server_configuration(certs))
    first.connect()
    first.run_until(lambda: bool(first.client_tickets))
    pair = Pair(
        client_configuration(certs, session_ticket=first.client_tickets[0]),
        server_configuration(certs, cipher_suites=[suite] if suite else None),
        server_type=having([Group.SECP384R1]),
        tickets=first.tickets,
    )
    pair.client_app = Early(pair.client)
    server_app = Idle()
    pair.new_server_app = lambda _: server_app
    pair.complete_handshake(limit_s=1.0)
    pair.run_for(0.1)
    assert is_retried(pair.client)
    assert pair.client.tls.session_resumed is (suite is None)
    assert not pair.client.tls.early_data_accepted
    data = [each.data for each in server_app.events if isinstance(each, StreamDataReceived)]
    assert data == [b"request"]


# --- What may not be ---------------------------------------------------------------------------


def retry(
    *extensions: tuple[int, bytes], suite: int = CipherSuite.AES_256_GCM_SHA384
) -> tls.ServerHello:
    return tls.ServerHello(
        random=HELLO_RETRY_REQUEST,
        legacy_session_id=b"",
        cipher_suite=suite,
        compression_method=0,
        supported_version=tls.TLS_VERSION_1_3,
        other_extensions=list(extensions),
    )


def asking(group: int) -> tuple[int, bytes]:
    return ExtensionType.KEY_SHARE, group.to_bytes(2)


COOKIE = (int(ExtensionType.COOKIE), b"\x00\x04abcd")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ([retry(asking(Group.SECP384R1))], None),
        ([retry(COOKIE)], None),
        ([retry(asking(Group.X25519))], ILLEGAL),
        ([retry(asking(Group.SECP521R1))], ILLEGAL),
        ([retry()], ILLEGAL),
        ([retry(asking(Group.SECP384R1), (0xFF77, b""))], UNSUPPORTED),
        ([retry(asking(Group.SECP384R1), suite=0x1304)], ILLEGAL),
        ([retry(asking(Group.SECP384R1)), retry(asking(Group.X448))], UNEXPECTED),
    ],
    ids=[
        "another group",
        "a cookie",
        "a group that was shared",
        "an unknown group",
        "nothing",
        "an unknown extension",
        "an unknown suite",
        "twice",
    ],
)
def test_a_client_looks_at_what_it_is_asked(
    certs: Path, sent: list[tls.ServerHello], code: int | None
) -> None:
    hellos = b"".join(pushed(lambda buf, h=h: tls.push_server_hello(buf, h)) for h in sent)  # type: ignore[misc]
    server = tampering(HandshakeType.SERVER_HELLO, lambda _: hellos)
    pair = Pair(client_configuration(certs), server_configuration(certs), server_type=server)
    pair.connect()
    pair.run_for(0.05)
    assert code_of(pair.client) == code
    assert isinstance(pair.client.tls, Context)
    sent_bytes = pair.client._crypto_streams[Epoch.INITIAL].sender._buffer_stop
    has_answered = sent_bytes > len(pair.client.tls._first_hello)
    assert has_answered is (code is None)


def test_a_server_insists_on_the_share_that_it_asked_for(certs: Path) -> None:
    class Stubborn(Connection):
        def _push_crypto_data(self) -> None:
            if is_retried(self):
                buf = self._crypto_buffers[Epoch.INITIAL]
                assert isinstance(self.tls, Context)
                self._crypto_streams[Epoch.INITIAL].sender.write(self.tls._first_hello)
                buf.seek(0)
            super()._push_crypto_data()

    pair = Pair(
        client_configuration(certs),
        server_configuration(certs),
        client_type=Stubborn,
        server_type=having([Group.SECP384R1]),
    )
    pair.connect()
    pair.run_for(0.5)
    assert code_of(pair.server) == ILLEGAL


def test_another_suite_than_in_the_retry_is_refused(certs: Path) -> None:
    class Fickle(having([Group.SECP384R1])):  # type: ignore[misc]
        def _push_crypto_data(self) -> None:
            super()._push_crypto_data()
            self.tls._cipher_suites = [CipherSuite.CHACHA20_POLY1305_SHA256]

    pair = Pair(client_configuration(certs), server_configuration(certs), server_type=Fickle)
    pair.connect()
    pair.run_for(0.5)
    assert code_of(pair.client) == ILLEGAL


def test_a_cookie_comes_back(certs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server without a state asks for nothing but its cookie."""

    def with_cookie(self: HelloRetry, message: bytes, _: ClientHello, output_buf: Buffer) -> None:
        request = pushed(lambda buf: tls.push_server_hello(buf, retry(COOKIE)))
        output_buf.push_bytes(request)
        self._retried = CipherSuite.AES_256_GCM_SHA384, None
        self._before = _message_hash(CipherSuite.AES_256_GCM_SHA384, message) + request

    def once(self: HelloRetry, _: ClientHello) -> bool:
        return not self.is_retried

    monkeypatch.setattr(HelloRetry, "_send_retry", with_cookie)
    monkeypatch.setattr(HelloRetry, "_wants_retry", once)
    pair = Pair(client_configuration(certs), server_configuration(certs))
    pair.complete_handshake(limit_s=1.0)
    assert COOKIE in (pair.server.tls.received_extensions or [])
