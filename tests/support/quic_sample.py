"""A QUIC client and server of aioquic's, in memory: their datagrams and their secrets."""

from __future__ import annotations

import datetime as dt
import io

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from quicmatrix.runner.network.topology import CLIENT, SERVER
from tests.support import frames


def server_configuration(secrets: io.StringIO | None = None) -> QuicConfiguration:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "server4")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return QuicConfiguration(
        is_client=False,
        alpn_protocols=["hq-interop"],
        certificate=certificate,
        private_key=key,
        secrets_log_file=secrets,
    )


def handshake() -> tuple[list[bytes], bytes]:
    """All frames of a handshake, and its key log."""
    secrets = io.StringIO()
    client = QuicConnection(
        configuration=QuicConfiguration(
            alpn_protocols=["hq-interop"], verify_mode=0, secrets_log_file=secrets
        )
    )
    client.connect((SERVER.ipv4, 443), now=0)
    server = QuicConnection(
        configuration=server_configuration(),
        original_destination_connection_id=client.original_destination_connection_id,
    )
    seen: list[bytes] = []
    for step in range(6):
        up = [data for data, _ in client.datagrams_to_send(step)]
        for data in up:
            server.receive_datagram(data, (CLIENT.ipv4, 50_000), step)
        down = [data for data, _ in server.datagrams_to_send(step)]
        for data in down:
            client.receive_datagram(data, (SERVER.ipv4, 443), step)
        seen += [frames.udp(data) for data in up]
        seen += [frames.udp(data, SERVER.ipv4, CLIENT.ipv4, (443, 50_000)) for data in down]
    return seen, secrets.getvalue().encode()
