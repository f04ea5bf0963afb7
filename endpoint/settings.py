"""The QUIC configuration of each role in each test case."""

from __future__ import annotations

import ssl

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.packet import QuicProtocolVersion
from aioquic.tls import CipherSuite

from quicmatrix.endpoint.contract import Contract, TestCase
from quicmatrix.endpoint.errors import EndpointError
from quicmatrix.endpoint.http import hq
from quicmatrix.endpoint.logs import Logs
from quicmatrix.endpoint.transport.packets.recovery import INITIAL_RTT_S
from quicmatrix.endpoint.transport.streams.windows import INITIAL_WINDOW

IDLE_TIMEOUT_S = 30.0
RESERVED_VERSION = 0x1A2A3A4A
"""RFC 9000, 15: of the form 0x?a?a?a?a, which no server supports."""


def client_settings(contract: Contract, logs: Logs) -> QuicConfiguration:
    """A client's configuration.

    Raises:
        EndpointError: The root certificate cannot be read.
    """
    settings = _settings(contract, logs, is_client=True)
    root = contract.certs / "ca.pem"
    if not root.is_file():
        raise EndpointError(f"cannot read the root certificate {root}")
    settings.load_verify_locations(cafile=str(root))
    settings.server_name = contract.requests[0].host
    if contract.testcase is TestCase.V2:
        # RFC 9368, 2.3: begin in version 1, which every server knows, and say what we prefer.
        settings.original_version = QuicProtocolVersion.VERSION_1
    if contract.testcase is TestCase.VERSIONNEGOTIATION:
        settings.supported_versions = [RESERVED_VERSION]
    return settings


def server_settings(contract: Contract, logs: Logs) -> QuicConfiguration:
    """A server's configuration.

    Raises:
        EndpointError: The certificate chain or its key cannot be read.
    """
    settings = _settings(contract, logs, is_client=False)
    chain, key = contract.certs / "cert.pem", contract.certs / "priv.key"
    try:
        settings.load_cert_chain(chain, key)
    except (OSError, ValueError, ssl.SSLError) as error:
        raise EndpointError(f"cannot read {chain} and {key}: {error}") from None
    return settings


def _settings(contract: Contract, logs: Logs, *, is_client: bool) -> QuicConfiguration:
    testcase = contract.testcase
    versions = [QuicProtocolVersion.VERSION_1]
    if testcase is TestCase.V2:
        versions.insert(0, QuicProtocolVersion.VERSION_2)
    return QuicConfiguration(
        is_client=is_client,
        alpn_protocols=["h3" if testcase is TestCase.HTTP3 else hq.ALPN],
        cipher_suites=(
            [CipherSuite.CHACHA20_POLY1305_SHA256] if testcase is TestCase.CHACHA20 else None
        ),
        idle_timeout=IDLE_TIMEOUT_S,
        initial_rtt=INITIAL_RTT_S,
        max_data=INITIAL_WINDOW,
        max_stream_data=INITIAL_WINDOW,
        quic_logger=logs.qlog,
        secrets_log_file=logs.key_log,
        supported_versions=[int(version) for version in versions],
    )
