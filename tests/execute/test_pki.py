from __future__ import annotations

import datetime as dt
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import verification

from quicmatrix.runner.execute import pki

NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)


def certificates(credentials: pki.Credentials) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(credentials.chain)


def verify(credentials: pki.Credentials, name: str, roots: bytes) -> None:
    """As a strict client does (RFC 5280, and the CA/Browser Forum's rules beyond it)."""
    leaf, *intermediates = certificates(credentials)
    store = verification.Store(x509.load_pem_x509_certificates(roots))
    verifier = verification.PolicyBuilder().store(store).time(NOW.replace(tzinfo=None))
    verifier.build_server_verifier(x509.DNSName(name)).verify(leaf, intermediates)


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
    (leaf,) = certificates(credentials)
    key = load_pem_private_key(credentials.key, None)
    assert key.public_key() == leaf.public_key()


def test_each_attempt_has_its_own() -> None:
    assert pki.issue(NOW).root != pki.issue(NOW).root


@pytest.fixture(scope="module")
def long_chain() -> pki.Credentials:
    """As amplificationlimit has it."""
    return pki.issue(NOW, certificates=9, further_names=pki.filler_names(20, seed=7))


@pytest.mark.parametrize("name", pki.SERVER_NAMES)
def test_a_strict_client_accepts_a_long_chain(long_chain: pki.Credentials, name: str) -> None:
    verify(long_chain, name, long_chain.root)


def test_a_long_chain_is_as_long_as_quic_interop_runners(long_chain: pki.Credentials) -> None:
    sizes = [len(one.public_bytes(Encoding.DER)) for one in certificates(long_chain)]
    assert len(sizes) == 9
    assert 9_400 < sum(sizes) < 9_800, sizes
    assert sizes[0] > 5_000, "the leaf is the inflated one"


def test_each_certificate_is_issued_by_the_next(long_chain: pki.Credentials) -> None:
    chain = [*certificates(long_chain), *x509.load_pem_x509_certificates(long_chain.root)]
    for one, issuer in pairwise(chain):
        one.verify_directly_issued_by(issuer)


def test_without_an_intermediate_the_chain_is_broken(long_chain: pki.Credentials) -> None:
    leaf, _, *others = certificates(long_chain)
    pem = b"".join(one.public_bytes(Encoding.PEM) for one in (leaf, *others))
    with pytest.raises(verification.VerificationError):
        verify(replace(long_chain, chain=pem), "server", long_chain.root)


def test_filler_names_are_host_names_that_the_seed_repeats() -> None:
    names = pki.filler_names(20, seed=7)
    assert {len(name) for name in names} == {250}
    assert max(len(label) for name in names for label in name.split(".")) <= 63
    assert names == pki.filler_names(20, seed=7) != pki.filler_names(20, seed=8)


def test_the_files_of_the_contract(tmp_path: Path) -> None:
    credentials = pki.issue(NOW)
    credentials.write(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "cert.pem": credentials.chain,
        "priv.key": credentials.key,
        "ca.pem": credentials.root,
    }
