"""What the tester's connections are made of."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TextIO

from aioquic.quic.configuration import QuicConfiguration

from quicmatrix.endpoint.contract import Contract, Role
from quicmatrix.endpoint.tester.arrivals import CONNECTION_ID_BYTES

IDLE_TIMEOUT_S = 30.0
INITIAL_RTT_S = 0.1
"""The link of a case is 1 ms long."""
WINDOW = 1 << 20


@dataclass(frozen=True, slots=True)
class Settings:
    """What a flow needs of the tester."""

    alpn: str
    versions: tuple[int, ...]


def configuration(
    contract: Contract, settings: Settings, key_log: TextIO | None
) -> QuicConfiguration:
    """The configuration of a connection, before a script changes it."""
    is_client = contract.role is Role.CLIENT
    configuration = QuicConfiguration(
        is_client=is_client,
        alpn_protocols=[settings.alpn],
        connection_id_length=CONNECTION_ID_BYTES,
        idle_timeout=IDLE_TIMEOUT_S,
        initial_rtt=INITIAL_RTT_S,
        max_data=WINDOW,
        max_stream_data=WINDOW,
        secrets_log_file=key_log,
        supported_versions=list(settings.versions),
    )
    if is_client:
        configuration.verify_mode = ssl.CERT_NONE
        configuration.original_version = min(settings.versions)
        configuration.server_name = contract.requests[0].host
    else:
        certs = contract.certs
        configuration.load_cert_chain(certs / "cert.pem", certs / "priv.key")
    return configuration
