"""Certificate chains that are long, and chains that are not to be trusted."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from aioquic.quic.packet import QuicErrorCode
from aioquic.tls import AlertDescription, Epoch, HandshakeType
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.crypto.tls import MOST_BYTES, MOST_HELLO_BYTES
from tests.support.certificate_chains import FUTURE, PAST, write_chain
from tests.support.quic_pair import Pair, client_configuration, random_loss, server_configuration
from tests.support.tampering import Plain, message

KB = 1024


def pair_of(
    certs: Path,
    client_type: type[Connection] = Connection,
    server_type: type[Connection] = Connection,
) -> Pair:
    return Pair(
        client_configuration(certs),
        server_configuration(certs),
        client_type=client_type,
        server_type=server_type,
    )


def ending_of(pair: Pair, connection: Connection | None = None) -> tuple[int, str]:
    connection = connection or pair.client
    pair.run_until(lambda: connection.is_ending, limit_s=5.0)
    assert connection.ending is not None
    return connection.ending.error_code, connection.ending.reason_phrase


@pytest.mark.parametrize(("size", "links"), [(16 * KB, 3), (40 * KB, 8), (63 * KB, 20)])
def test_a_long_chain_is_sent_and_verified(tmp_path: Path, size: int, links: int) -> None:
    certs = write_chain(tmp_path, size, links=links)
    pair = pair_of(certs)
    pair.complete_handshake(limit_s=5.0)
    chain = pair.client.tls._peer_certificate_chain
    assert len(chain) == links
    leaf = pair.client.tls._peer_certificate
    assert leaf is not None
    sent = sum(len(each.public_bytes(Encoding.DER)) for each in (leaf, *chain))
    assert size < sent < size + (links + 1) * 512


def test_a_long_chain_survives_loss(tmp_path: Path) -> None:
    pair = pair_of(write_chain(tmp_path, 60 * KB, links=12))
    pair.to_client.drops = random_loss(0.2, seed=3)
    pair.to_server.drops = random_loss(0.2, seed=4)
    pair.complete_handshake(limit_s=20.0)
    assert pair.to_client.dropped > 0
    assert len(pair.client.tls._peer_certificate_chain) == 12


def test_a_server_sends_three_times_what_it_got_until_the_client_is_validated(
    tmp_path: Path,
) -> None:
    """RFC 9000, 8.1: the longest chain is no amplifier."""
    pair = pair_of(write_chain(tmp_path, 63 * KB, links=20))
    pair.to_server.drops = lambda number, _: number > 1
    pair.connect()
    pair.run_for(5.0)
    received = len(pair.to_server.sent[0][1])
    assert received < sum(len(datagram) for _, datagram in pair.to_client.sent) <= 3 * received


def test_plain_aioquic_cannot_send_a_long_chain(tmp_path: Path) -> None:
    pair = pair_of(write_chain(tmp_path, 17 * KB), server_type=Plain)
    pair.connect()
    with pytest.raises(ValueError, match="Write out of bounds"):
        pair.run_until(lambda: pair.client.is_confirmed)


def test_a_chain_beyond_the_limit_closes_the_connection(tmp_path: Path) -> None:
    """RFC 9000, 7.5."""
    pair = pair_of(write_chain(tmp_path, 2 * MOST_BYTES, links=8))
    pair.connect()
    code, _ = ending_of(pair)
    assert code == QuicErrorCode.CRYPTO_BUFFER_EXCEEDED
    assert ending_of(pair, pair.server)[0] == code
    assert len(pair.client.tls._receive_buffer) < 4 * KB


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_message_that_never_ends_closes_the_connection(tmp_path: Path, side: str) -> None:
    """Its length alone is enough: nothing of 16 MB is kept."""
    pair = pair_of(write_chain(tmp_path))
    pair.complete_handshake()
    sender, drive, receiver = (
        (pair.server, pair.drive_server, pair.client)
        if side == "client"
        else (pair.client, pair.drive_client, pair.server)
    )
    endless = message(HandshakeType.NEW_SESSION_TICKET, bytes((1 << 24) - 1))
    sender._crypto_streams[Epoch.ONE_RTT].sender.write(endless[: 64 * KB])
    tracemalloc.start()
    drive()
    code, _ = ending_of(pair, receiver)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert code == QuicErrorCode.CRYPTO_BUFFER_EXCEEDED
    assert peak < 4 * KB * KB


def test_nothing_is_kept_for_a_hello_with_a_hole(tmp_path: Path) -> None:
    """One datagram of a stranger, with data far ahead: aioquic makes room for half a megabyte."""

    class Ahead(Connection):
        def _push_crypto_data(self) -> None:
            super()._push_crypto_data()
            sender = self._crypto_streams[Epoch.INITIAL].sender
            hole = MOST_HELLO_BYTES
            sender._buffer_start = sender._buffer_start + hole
            sender._buffer_stop += hole
            sender._pending.shift()
            sender._pending.add(sender._buffer_start, sender._buffer_stop)

    pair = pair_of(write_chain(tmp_path), client_type=Ahead)
    pair.connect()
    code, _ = ending_of(pair)
    assert code == QuicErrorCode.CRYPTO_BUFFER_EXCEEDED
    assert pair.server._crypto_streams[Epoch.INITIAL].receiver._buffer == b""


@pytest.mark.parametrize(
    ("fault", "alert", "reason"),
    [
        ({"is_trusted": False}, AlertDescription.unknown_ca, "unable to get"),
        ({"is_trusted": False, "links": 0}, AlertDescription.unknown_ca, "unable to get"),
        ({"leaf": PAST}, AlertDescription.certificate_expired, "no longer valid"),
        ({"leaf": FUTURE}, AlertDescription.certificate_expired, "not valid yet"),
        ({"intermediate": PAST}, AlertDescription.certificate_expired, "expired"),
        ({"names": ("elsewhere",)}, AlertDescription.bad_certificate, "doesn't match"),
    ],
    ids=["unknown root", "no chain", "expired", "not yet valid", "expired link", "other name"],
)
def test_a_certificate_that_is_not_to_be_trusted_has_its_alert(
    tmp_path: Path, fault: dict[str, Any], alert: AlertDescription, reason: str
) -> None:
    """RFC 8446, 6.2; aioquic says bad_certificate of every chain."""
    pair = pair_of(write_chain(tmp_path, **fault))
    pair.connect()
    code, phrase = ending_of(pair)
    assert code == QuicErrorCode.CRYPTO_ERROR + alert
    assert reason in phrase
    assert ending_of(pair, pair.server)[0] == code


def key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=True,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


@pytest.mark.parametrize(
    ("usage", "is_fit"),
    [
        (key_usage(signs=True), True),
        (key_usage(signs=False), False),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
    ],
    ids=["signs", "does not sign", "for servers", "for clients"],
)
def test_a_certificate_is_for_what_it_says(
    tmp_path: Path, usage: x509.ExtensionType, is_fit: bool
) -> None:
    """RFC 8446, 4.4.2.2; aioquic takes all of them."""
    certs = write_chain(tmp_path, usage=usage)
    expected = (
        None if is_fit else QuicErrorCode.CRYPTO_ERROR + AlertDescription.unsupported_certificate
    )
    for client_type, code in ((Connection, expected), (Plain, None)):
        pair = pair_of(certs, client_type=client_type)
        pair.connect()
        pair.run_for(0.5)
        assert (pair.client.ending and pair.client.ending.error_code) == code


def test_the_reason_for_refusing_a_certificate_with_many_names_fits_a_packet(
    tmp_path: Path,
) -> None:
    names = tuple(f"host-{number}.example.org" for number in range(2000))
    pair = pair_of(write_chain(tmp_path, names=names))
    pair.connect()
    ending_of(pair)
    code, phrase = ending_of(pair, pair.server)
    assert code == QuicErrorCode.CRYPTO_ERROR + AlertDescription.bad_certificate
    assert phrase.startswith("hostname 'server4' doesn't match")
