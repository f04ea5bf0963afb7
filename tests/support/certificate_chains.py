"""Chains of certificates, of any length and with any fault."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PADDING = x509.ObjectIdentifier("1.3.6.1.4.1.99999.1")
DAY = dt.timedelta(days=1)
NOW = (-DAY, DAY)
PAST = (-3 * DAY, -DAY)
FUTURE = (DAY, 3 * DAY)
Validity = tuple[dt.timedelta, dt.timedelta]


@dataclass(frozen=True, slots=True)
class Party:
    name: x509.Name
    key: ec.EllipticCurvePrivateKey


def write_chain(
    folder: Path,
    size: int = 0,
    *,
    links: int = 1,
    names: tuple[str, ...] = ("server4",),
    leaf: Validity = NOW,
    intermediate: Validity = NOW,
    usage: x509.ExtensionType | None = None,
    is_trusted: bool = True,
) -> Path:
    """Write cert.pem, priv.key and ca.pem: a root, as many intermediates, and a leaf.

    Args:
        folder: Made if it is not there.
        size: Bytes of the DER of all that the server sends, at least.
        links: How many intermediates.
        names: The leaf's.
        leaf, intermediate: Since when and until when they are valid, from now.
        usage: What the leaf says that it is for, if it does.
        is_trusted: Whether ca.pem is the root of this chain.
    """
    folder.mkdir(parents=True, exist_ok=True)
    root = Party(_name("root"), _key())
    other = root if is_trusted else Party(_name("other"), _key())
    anchor = _sign(other, other, NOW, is_ca=True)
    chain: list[x509.Certificate] = []
    issuer = root
    pad = size // (links + 1)
    for number in range(links):
        subject = Party(_name(f"intermediate {number}"), _key())
        chain.append(
            _sign(subject, issuer, intermediate, pad=pad, is_ca=True),
        )
        issuer = subject
    end = Party(_name("leaf"), _key())
    chain.append(_sign(end, issuer, leaf, names=names, pad=pad, usage=usage))
    encoding = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(anchor.public_bytes(encoding))
    pem = [certificate.public_bytes(encoding) for certificate in reversed(chain)]
    (folder / "cert.pem").write_bytes(b"".join(pem))
    (folder / "priv.key").write_bytes(
        end.key.private_bytes(
            encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return folder


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _sign(
    subject: Party,
    issuer: Party,
    validity: Validity,
    *,
    names: tuple[str, ...] = (),
    pad: int = 0,
    usage: x509.ExtensionType | None = None,
    is_ca: bool = False,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject.name)
        .issuer_name(issuer.name)
        .public_key(subject.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + validity[0])
        .not_valid_after(now + validity[1])
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    )
    if names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(alternatives, critical=False)
    if usage is not None:
        builder = builder.add_extension(usage, critical=True)
    if pad:
        filler = x509.UnrecognizedExtension(PADDING, bytes(pad))
        builder = builder.add_extension(filler, critical=False)
    return builder.sign(issuer.key, hashes.SHA256())
