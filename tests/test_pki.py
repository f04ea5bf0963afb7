from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import verification

from runner import pki

NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)


def verify(credentials: pki.Credentials, name: str, roots: bytes) -> None:
    """As a strict client does (RFC 5280, and the CA/Browser Forum's rules beyond it)."""
    (leaf,) = x509.load_pem_x509_certificates(credentials.chain)
    store = verification.Store(x509.load_pem_x509_certificates(roots))
    verifier = verification.PolicyBuilder().store(store).time(NOW.replace(tzinfo=None))
    verifier.build_server_verifier(x509.DNSName(name)).verify(leaf, [])


@pytest.mark.parametrize("name", pki.SERVER_NAMES)
def test_a_client_that_trusts_the_root_accepts_each_name(name: str) -> None:
    credentials = pki.issue(NOW)
    verify(credentials, name, credentials.root)


def test_no_other_name_and_no_other_root_is_accepted() -> None:
    credentials = pki.issue(NOW)
    with pytest.raises(verification.VerificationError):
        verify(credentials, "client", credentials.root)
    with pytest.raises(verification.VerificationError):
        verify(credentials, "server", pki.issue(NOW).root)


def test_the_key_is_the_leafs() -> None:
    credentials = pki.issue(NOW)
    (leaf,) = x509.load_pem_x509_certificates(credentials.chain)
    key = load_pem_private_key(credentials.key, None)
    assert key.public_key() == leaf.public_key()


def test_each_attempt_has_its_own() -> None:
    assert pki.issue(NOW).root != pki.issue(NOW).root


def test_the_files_of_the_contract(tmp_path: Path) -> None:
    credentials = pki.issue(NOW)
    credentials.write(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "cert.pem": credentials.chain,
        "priv.key": credentials.key,
        "ca.pem": credentials.root,
    }
