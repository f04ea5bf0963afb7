"""Certificates as the contract's /certs has them: cert.pem, priv.key, ca.pem."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAMES = ("localhost", "server4", "server6", "server46")
ADDRESSES = ("127.0.0.1", "::1")


def write_certificates(
    folder: Path, *, names: tuple[str, ...] = NAMES, extra_names: int = 0
) -> Path:
    """Write a fresh root and a leaf to the folder.

    Args:
        folder: Made if it is not there.
        names: The leaf's names, beside the loopback addresses.
        extra_names: Random names of 250 characters that make the leaf bigger.
    """
    folder.mkdir(parents=True, exist_ok=True)
    root_key = ec.generate_private_key(ec.SECP256R1())
    root_name = _name("root")
    root = _builder(root_name, root_name, root_key.public_key(), is_root=True)
    leaf_key = ec.generate_private_key(ec.SECP256R1())
    padding = [f"{os.urandom(30).hex()}." * 4 + "a" * 6 for _ in range(extra_names)]
    leaf = _builder(_name("server"), root_name, leaf_key.public_key(), is_root=False)
    leaf = leaf.add_extension(
        x509.SubjectAlternativeName(
            [
                *(x509.DNSName(name) for name in (*names, *padding)),
                *(x509.IPAddress(ipaddress.ip_address(address)) for address in ADDRESSES),
            ]
        ),
        critical=False,
    )
    for file, builder in (("ca.pem", root), ("cert.pem", leaf)):
        certificate = builder.sign(root_key, hashes.SHA256())
        (folder / file).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "priv.key").write_bytes(
        leaf_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, is_root: bool
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
    )
