from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.packet import QuicProtocolVersion
from aioquic.tls import CipherSuite

from quicmatrix.endpoint.contract import Contract, Request, Role, TestCase
from quicmatrix.endpoint.errors import EndpointError
from quicmatrix.endpoint.logs import Logs
from quicmatrix.endpoint.settings import RESERVED_VERSION, client_settings, server_settings
from quicmatrix.endpoint.transport.connection import Connection
from tests.support.certificates import write_certificates

NOTHING = Logs(None, None)
V1, V2 = int(QuicProtocolVersion.VERSION_1), int(QuicProtocolVersion.VERSION_2)


def contract(certs: Path, role: Role, testcase: TestCase = TestCase.TRANSFER) -> Contract:
    return Contract(role, testcase, (Request("server4", 443, "/x", "x"),), certs=certs)


@pytest.mark.parametrize("testcase", TestCase)
def test_both_roles_agree_on_what_they_speak(certs: Path, testcase: TestCase) -> None:
    client = client_settings(contract(certs, Role.CLIENT, testcase), NOTHING)
    server = server_settings(contract(certs, Role.SERVER, testcase), NOTHING)
    assert client.is_client
    assert not server.is_client
    assert client.alpn_protocols == server.alpn_protocols
    assert client.cipher_suites == server.cipher_suites
    assert client.idle_timeout == server.idle_timeout == 30.0
    assert client.server_name == "server4"
    agree = set(client.supported_versions) & set(server.supported_versions)
    assert bool(agree) == (testcase is not TestCase.VERSIONNEGOTIATION)


def test_http3_and_chacha20_restrict(certs: Path) -> None:
    http3 = client_settings(contract(certs, Role.CLIENT, TestCase.HTTP3), NOTHING)
    assert http3.alpn_protocols == ["h3"]
    for settings in (
        client_settings(contract(certs, Role.CLIENT, TestCase.CHACHA20), NOTHING),
        server_settings(contract(certs, Role.SERVER, TestCase.CHACHA20), NOTHING),
    ):
        assert settings.alpn_protocols == ["hq-interop"]
        assert settings.cipher_suites == [CipherSuite.CHACHA20_POLY1305_SHA256]


def test_v2_begins_in_version_1_and_prefers_version_2(certs: Path) -> None:
    client = client_settings(contract(certs, Role.CLIENT, TestCase.V2), NOTHING)
    assert client.original_version == V1
    assert client.supported_versions == [V2, V1]
    assert server_settings(
        contract(certs, Role.SERVER, TestCase.V2), NOTHING
    ).supported_versions == [V2, V1]
    assert server_settings(contract(certs, Role.SERVER), NOTHING).supported_versions == [V1]


def test_a_client_that_negotiates_begins_in_a_reserved_version(certs: Path) -> None:
    testcase = TestCase.VERSIONNEGOTIATION
    client = client_settings(contract(certs, Role.CLIENT, testcase), NOTHING)
    assert client.supported_versions == [RESERVED_VERSION]
    assert RESERVED_VERSION & 0x0F0F0F0F == 0x0A0A0A0A, "RFC 9000, 15"


@pytest.mark.parametrize("broken", ["missing", "garbage", "another key"])
def test_certificates_that_are_not_right_are_named(tmp_path: Path, broken: str) -> None:
    certs = write_certificates(tmp_path / "certs")
    match broken:
        case "missing":
            (certs / "cert.pem").unlink()
        case "garbage":
            (certs / "cert.pem").write_text("garbage")
        case _:
            (certs / "priv.key").write_text("garbage")
    with pytest.raises(EndpointError, match=r"cert\.pem"):
        server_settings(contract(certs, Role.SERVER), NOTHING)


def test_a_missing_root_is_named(tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match=r"cannot read the root certificate .*ca\.pem"):
        client_settings(contract(tmp_path, Role.CLIENT), NOTHING)


@pytest.mark.parametrize("make", [client_settings, server_settings])
def test_the_initial_probe_timeout_is_one_second(
    certs: Path, make: Callable[[Contract, Logs], QuicConfiguration]
) -> None:
    """RFC 9002, 6.2.2."""
    role = Role.CLIENT if make is client_settings else Role.SERVER
    connection = Connection(
        configuration=make(contract(certs, role), NOTHING),
        original_destination_connection_id=b"original" if role is Role.SERVER else None,
    )
    assert connection.probe_timeout == 1.0
