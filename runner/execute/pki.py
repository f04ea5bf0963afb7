"""Certificates of an attempt: made fresh, valid for the names of the topology, and thrown away."""

from __future__ import annotations

import datetime as dt
import random
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SERVER_NAMES = ("server", "server4", "server6", "server46")
_BACKDATED = dt.timedelta(days=1)  # a peer's clock may be behind ours
_VALID = dt.timedelta(days=10)
_LABELS = (62, 62, 62, 61)
"""Characters in each label of a filler name: 250 with the dots between them."""
_KEY_USAGE = dict.fromkeys(
    (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    ),
    False,
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What lies in /certs, as PEM."""

    chain: bytes
    """cert.pem: the leaf, then its intermediates."""
    key: bytes
    """priv.key: the leaf's key, PKCS #8, unencrypted."""
    root: bytes
    """ca.pem: the only certificate that a client trusts."""

    def write(self, folder: Path) -> None:
        """Put the three files into a folder, readable by any user of the sandbox."""
        for name, data in (
            ("cert.pem", self.chain),
            ("priv.key", self.key),
            ("ca.pem", self.root),
        ):
            path = folder / name
            path.write_bytes(data)
            path.chmod(0o644)


def issue(
    now: dt.datetime, *, certificates: int = 1, further_names: Sequence[str] = ()
) -> Credentials:
    """A root and the server's chain, ECDSA P-256 with SHA-256 throughout.

    Args:
        now: They are valid from a day before.
        certificates: Length of the chain: the leaf and its intermediates, without the root.
        further_names: What the leaf is valid for, beside :data:`SERVER_NAMES`.
    """
    root = issuer = _authority("quicmatrix root", None, now)
    chain: list[x509.Certificate] = []
    for number in range(1, certificates):
        issuer = _authority(f"quicmatrix intermediate {number}", issuer, now)
        chain.insert(0, issuer.certificate)
    leaf = _leaf((*SERVER_NAMES, *further_names), issuer, now)
    pem = serialization.Encoding.PEM
    return Credentials(
        chain=b"".join(one.public_bytes(pem) for one in (leaf.certificate, *chain)),
        key=leaf.key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        root=root.certificate.public_bytes(pem),
    )


def filler_names(count: int, seed: int) -> tuple[str, ...]:
    """Random host names of 250 characters each, the same for the same seed.

    quic-interop-runner inflates a certificate so; but its names have no dots, and a label of a host
    name has 63 characters at most (RFC 1035, 2.3.4).
    """
    source = random.Random(f"{seed}/names")  # noqa: S311 - replayable, not secret
    return tuple(
        ".".join("".join(source.choices(string.ascii_lowercase, k=size)) for size in _LABELS)
        for _ in range(count)
    )


@dataclass(frozen=True, slots=True)
class _Issued:
    """A certificate, and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def _authority(name: str, issuer: _Issued | None, now: dt.datetime) -> _Issued:
    """A certificate that may issue others; a root if it has no issuer."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    signing = _KEY_USAGE | {"key_cert_sign": True, "crl_sign": True}
    issuer_name = issuer.certificate.subject if issuer else subject
    issuer_key = issuer.key if issuer else key
    certificate = (
        _certificate(subject, issuer_name, key.public_key(), issuer_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**signing), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )
    return _Issued(certificate, key)


def _leaf(names: Sequence[str], issuer: _Issued, now: dt.datetime) -> _Issued:
    """The server's own certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject, issuer_name = _name("quicmatrix server"), issuer.certificate.subject
    certificate = (
        _certificate(subject, issuer_name, key.public_key(), issuer.key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**_KEY_USAGE | {"digital_signature": True}), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False
        )
        .sign(issuer.key, hashes.SHA256())
    )
    return _Issued(certificate, key)


def _name(text: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "quicmatrix test runner"),
            x509.NameAttribute(NameOID.COMMON_NAME, text),
        ]
    )


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    now: dt.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False
        )
    )
