"""Packet protection of our own does what aioquic's does, to the byte."""

from __future__ import annotations

import pytest
from aioquic._crypto import CryptoError
from aioquic.quic.crypto import CryptoContext, KeyUnavailableError, next_key_phase
from aioquic.tls import CipherSuite, cipher_suite_hash
from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.endpoint.transport.crypto.packet_protection import PacketProtection

SUITES = [
    CipherSuite.AES_128_GCM_SHA256,
    CipherSuite.AES_256_GCM_SHA384,
    CipherSuite.CHACHA20_POLY1305_SHA256,
]


def keys(suite: CipherSuite = SUITES[0], *, version: int = 1) -> CryptoContext:
    theirs = CryptoContext()
    secret = bytes(range(cipher_suite_hash(suite).digest_size))
    theirs.setup(cipher_suite=suite, secret=secret, version=version)
    return theirs


def header(number: int, number_bytes: int, *, is_long: bool) -> bytes:
    first = (0xE0 if is_long else 0x40) | (number_bytes - 1)
    return bytes([first]) + bytes(9) + (number % (1 << 8 * number_bytes)).to_bytes(number_bytes)


@given(
    suite=st.sampled_from(SUITES),
    number=st.integers(0, (1 << 62) - 1),
    number_bytes=st.integers(1, 4),
    is_long=st.booleans(),
    payload=st.binary(min_size=4, max_size=1500),
)
def test_packets_are_protected_as_by_aioquic(
    suite: CipherSuite, number: int, number_bytes: int, is_long: bool, payload: bytes
) -> None:
    theirs = keys(suite)
    ours = PacketProtection(theirs)
    plain = header(number, number_bytes, is_long=is_long)
    packet = theirs.encrypt_packet(plain, payload, number)
    assert ours.encrypt_packet(plain, payload, number) == packet
    expected = theirs.decrypt_packet(packet, 10, number)
    assert ours.decrypt_packet(packet, 10, number) == expected == (plain, payload, number, False)


@given(garbage=st.binary(max_size=60), at=st.integers(1, 25))
def test_garbage_is_refused_as_by_aioquic(garbage: bytes, at: int) -> None:
    theirs = keys()
    for context in (theirs, PacketProtection(theirs)):
        with pytest.raises(CryptoError):
            context.decrypt_packet(b"\x40" + garbage, at, 0)


def test_a_packet_of_the_next_phase_is_known() -> None:
    theirs = keys()
    following = next_key_phase(theirs)
    following.hp = theirs.hp  # RFC 9001, 6.1
    plain = bytes([0x41 | 4]) + bytes(9) + b"\x00\x07"
    packet = following.encrypt_packet(plain, b"payload", 7)
    assert PacketProtection(theirs).decrypt_packet(packet, 10, 7) == (plain, b"payload", 7, True)


def test_keys_that_come_later_are_used() -> None:
    ours = PacketProtection(CryptoContext())
    with pytest.raises(KeyUnavailableError):
        ours.decrypt_packet(bytes(100), 10, 0)
    suite = SUITES[1]
    ours.setup(cipher_suite=suite, secret=bytes(48), version=1)
    plain = header(7, 2, is_long=False)
    packet = ours.encrypt_packet(plain, b"payload", 7)
    assert ours.decrypt_packet(packet, 10, 7)[1] == b"payload"
    ours.teardown()
    with pytest.raises(KeyUnavailableError):
        ours.decrypt_packet(packet, 10, 7)
