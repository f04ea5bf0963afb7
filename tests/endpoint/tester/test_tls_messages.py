"""TLS messages that a tester alters or sends itself, against our own endpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aioquic import tls
from aioquic._buffer import Buffer
from aioquic.quic.packet import QuicPacketType
from aioquic.tls import Epoch, ExtensionType, HandshakeType

from quicmatrix.endpoint.tester import certificates, tls_messages
from quicmatrix.endpoint.tester.connection import TesterConnection, withholding
from quicmatrix.endpoint.tester.parameters import (
    Parameter,
    added,
    all_of,
    preferred_address,
    reserved,
    version_information,
    without,
)
from quicmatrix.endpoint.tester.tls import Alter
from tests.support.quic_pair import SERVER_ADDRESS, Pair, client_configuration, server_configuration

SESSION_ID = bytes(range(32))


def client_that(alter: Alter) -> type[TesterConnection]:
    return type("Altering", (TesterConnection,), {"alter_message": staticmethod(alter)})


def hello_of(certs: Path, alter: Alter) -> tls.ClientHello:
    """The ClientHello that a tester sends."""
    pair = Pair(
        client_configuration(certs), server_configuration(certs), client_type=client_that(alter)
    )
    pair.client.connect(SERVER_ADDRESS, now=0.0)
    sender = pair.client._crypto_streams[Epoch.INITIAL].sender
    return tls.pull_client_hello(Buffer(data=bytes(sender._buffer)))


def test_a_client_hello_has_another_session_id(certs: Path) -> None:
    hello = hello_of(certs, tls_messages.with_session_id(SESSION_ID))
    assert hello.legacy_session_id == SESSION_ID
    assert hello.alpn_protocols


def test_a_client_hello_offers_other_suites(certs: Path) -> None:
    added_suites = tls_messages.with_cipher_suites(lambda known: [0x1305, *known])
    hello = hello_of(certs, added_suites)
    assert hello.cipher_suites[0] == 0x1305
    assert len(hello.cipher_suites) == 4


def test_extensions_are_left_out_renumbered_and_changed(certs: Path) -> None:
    alpn, parameters = ExtensionType.ALPN, ExtensionType.QUIC_TRANSPORT_PARAMETERS
    assert hello_of(certs, tls_messages.without_extension(alpn)).alpn_protocols is None
    renumbered = hello_of(certs, tls_messages.renumbered_extension(parameters, 0xFFA5))
    assert [kind for kind, _ in renumbered.other_extensions] == [0xFFA5]
    changed = hello_of(certs, tls_messages.with_extension(parameters, lambda _: b"other"))
    assert changed.other_extensions == [(parameters, b"other")]


@pytest.mark.parametrize("kind", [QuicPacketType.INITIAL, QuicPacketType.HANDSHAKE])
def test_messages_are_withheld(certs: Path, kind: QuicPacketType) -> None:
    pair = Pair(
        client_configuration(certs), server_configuration(certs), client_type=TesterConnection
    )
    connection = pair.client
    assert isinstance(connection, TesterConnection)
    withholding(kind)(connection)
    pair.connect()
    pair.run_for(1.0)
    first = HandshakeType.CLIENT_HELLO, HandshakeType.FINISHED
    is_initial = kind is QuicPacketType.INITIAL
    assert connection.withheld_messages(kind)[0] == first[not is_initial]
    if not is_initial:
        assert not pair.server.is_confirmed


@pytest.mark.parametrize(
    ("message", "pull"),
    [
        (tls_messages.certificate_request(), tls.pull_certificate_request),
        (tls_messages.new_session_ticket(1), tls.pull_new_session_ticket),
    ],
)
def test_messages_are_well_formed(message: bytes, pull: Callable[[Buffer], Any]) -> None:
    buf = Buffer(data=message)
    pull(buf)
    assert buf.eof()


def test_parameters_are_what_they_are_called() -> None:
    assert reserved(2) % 31 == 27
    assert len(preferred_address(b"12345678")) == 49
    assert version_information(1, 2) == bytes.fromhex("0000000100000002")
    alter = all_of(without(Parameter.MAX_IDLE_TIMEOUT), added(Parameter.MAX_ACK_DELAY, 1))
    assert alter([(Parameter.MAX_IDLE_TIMEOUT, b"")]) == [(Parameter.MAX_ACK_DELAY, b"\1")]


def test_a_self_signed_certificate_is_refused(certs: Path) -> None:
    configuration = server_configuration(certs)
    certificates.self_signed("localhost")(configuration)
    pair = Pair(client_configuration(certs), configuration, server_type=TesterConnection)
    pair.connect()
    pair.run_until(lambda: pair.client.is_ending)
    assert pair.client.ending is not None
    assert pair.client.ending.error_code in {0x12A, 0x130}
