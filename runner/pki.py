"""Certificates of an attempt: made fresh, valid for the names of the topology, and thrown away."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SERVER_NAMES = ("server", "server4", "server6", "server46")
_BACKDATED = dt.timedelta(days=1)  # a peer's clock may be behind ours
_VALID = dt.timedelta(days=10)
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


def issue(now: dt.datetime) -> Credentials:
    """A root and a leaf (quic-interop-runner's chain of length 1): ECDSA P-256 with SHA-256."""
    root_key = ec.generate_private_key(ec.SECP256R1())
    leaf_key = ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "quicmatrix root")])
    leaf_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "quicmatrix server")])
    signing = _KEY_USAGE | {"key_cert_sign": True, "crl_sign": True}
    root = (
        _certificate(root_name, root_name, root_key.public_key(), root_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**signing), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    names = x509.SubjectAlternativeName([x509.DNSName(name) for name in SERVER_NAMES])
    leaf = (
        _certificate(leaf_name, root_name, leaf_key.public_key(), root_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**_KEY_USAGE | {"digital_signature": True}), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(names, critical=False)
        .sign(root_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return Credentials(
        chain=leaf.public_bytes(pem),
        key=leaf_key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        root=root.public_bytes(pem),
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
