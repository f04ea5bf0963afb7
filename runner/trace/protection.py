"""Removal of packet protection (RFC 9001, 5 and 6; RFC 9369, 3.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from quicmatrix.runner.trace.model import VERSION_2, Side

SAMPLE_SIZE = 16
"""Bytes of ciphertext that the header protection mask is derived from (RFC 9001, 5.4.2)."""

LONGEST_NUMBER = 4
"""Bytes that the longest packet number has; the sample is behind them."""

_SALT_V1 = bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")
_SALT_V2 = bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9")
_LONG_FORM, _KEY_PHASE = 0x80, 0x04

_Aead = AESGCM | AESCCM | ChaCha20Poly1305


def _aes_mask(key: bytes, sample: bytes) -> bytes:
    """RFC 9001, 5.4.3."""
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - as specified
    return encryptor.update(sample)[:5]


def _chacha_mask(key: bytes, sample: bytes) -> bytes:
    """RFC 9001, 5.4.4."""
    return Cipher(algorithms.ChaCha20(key, sample), None).encryptor().update(bytes(5))


@dataclass(frozen=True, slots=True)
class Suite:
    """A cipher suite of TLS 1.3, as QUIC uses it."""

    hash: type[hashes.SHA256 | hashes.SHA384]
    key_size: int
    aead: Callable[[bytes], _Aead]
    mask: Callable[[bytes, bytes], bytes]


AES_128_GCM = Suite(hashes.SHA256, 16, AESGCM, _aes_mask)
SUITES = (
    AES_128_GCM,
    Suite(hashes.SHA384, 32, AESGCM, _aes_mask),
    Suite(hashes.SHA256, 32, ChaCha20Poly1305, _chacha_mask),
    Suite(hashes.SHA256, 16, partial(AESCCM, tag_length=16), _aes_mask),
)


@dataclass(frozen=True, slots=True)
class Unprotected:
    """A header without its protection."""

    number_size: int
    truncated_number: int
    key_phase: int | None
    """None in a long header."""
    data: bytes
    """The header: what the AEAD authenticates."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one side for one encryption level and key phase."""

    suite: Suite
    version: int
    secret: bytes
    key: bytes
    iv: bytes
    header_key: bytes

    @classmethod
    def of(cls, secret: bytes, suite: Suite, version: int, header_key: bytes = b"") -> Keys:
        """The keys that follow from a traffic secret (RFC 9001, 5.1).

        Args:
            secret: The secret.
            suite: The cipher suite; its hash must be as long as the secret.
            version: The QUIC version.
            header_key: The key of header protection, if it is not to follow from this secret.
        """
        expand = partial(_expand_label, suite.hash(), secret)
        prefix = b"quicv2 " if version == VERSION_2 else b"quic "
        return cls(
            suite=suite,
            version=version,
            secret=secret,
            key=expand(prefix + b"key", suite.key_size),
            iv=expand(prefix + b"iv", 12),
            header_key=header_key or expand(prefix + b"hp", suite.key_size),
        )

    def updated(self) -> Keys:
        """The keys of the next key phase (RFC 9001, 6.1): header protection stays."""
        label = b"quicv2 ku" if self.version == VERSION_2 else b"quic ku"
        secret = _expand_label(self.suite.hash(), self.secret, label, len(self.secret))
        return Keys.of(secret, self.suite, self.version, self.header_key)

    def unprotect(self, packet: bytes, number_offset: int) -> Unprotected | None:
        """Remove header protection; None if the packet is too short for a sample."""
        sample_at = number_offset + LONGEST_NUMBER
        sample = packet[sample_at : sample_at + SAMPLE_SIZE]
        if len(sample) < SAMPLE_SIZE:
            return None
        mask = self.suite.mask(self.header_key, sample)
        is_long = packet[0] & _LONG_FORM
        first = packet[0] ^ (mask[0] & (0x0F if is_long else 0x1F))
        size = (first & 3) + 1
        protected = packet[number_offset : number_offset + size]
        number = bytes(a ^ b for a, b in zip(protected, mask[1:], strict=False))
        return Unprotected(
            number_size=size,
            truncated_number=int.from_bytes(number),
            key_phase=None if is_long else int(bool(first & _KEY_PHASE)),
            data=bytes([first]) + packet[1:number_offset] + number,
        )

    def decrypt(self, header: Unprotected, packet: bytes, number: int) -> bytes | None:
        """The payload; None if it is not authentic."""
        nonce = (int.from_bytes(self.iv) ^ number).to_bytes(12)
        try:
            return self.suite.aead(self.key).decrypt(nonce, packet[len(header.data) :], header.data)
        except InvalidTag:
            return None


def initial_keys(odcid: bytes, sender: Side, version: int) -> Keys:
    """The keys of Initial packets (RFC 9001, 5.2).

    Args:
        odcid: The Destination Connection ID of the client's first Initial.
        sender: Whose packets.
        version: The QUIC version.
    """
    extract = hmac.HMAC(_SALT_V2 if version == VERSION_2 else _SALT_V1, hashes.SHA256())
    extract.update(odcid)
    label = b"client in" if sender is Side.CLIENT else b"server in"
    secret = _expand_label(hashes.SHA256(), extract.finalize(), label, 32)
    return Keys.of(secret, AES_128_GCM, version)


def full_number(truncated: int, size: int, expected: int) -> int:
    """The packet number nearest to the expected one (RFC 9000, A.3).

    Args:
        truncated: The number in the packet.
        size: Its length in bytes.
        expected: The highest number that was authentic so far, plus one.
    """
    window = 1 << (8 * size)
    candidate = (expected & ~(window - 1)) | truncated
    if candidate <= expected - window // 2 and candidate < (1 << 62) - window:
        return candidate + window
    if candidate > expected + window // 2 and candidate >= window:
        return candidate - window
    return candidate


def _expand_label(
    algorithm: hashes.HashAlgorithm, secret: bytes, label: bytes, length: int
) -> bytes:
    """HKDF-Expand-Label without a context (RFC 8446, 7.1)."""
    full = b"tls13 " + label
    info = length.to_bytes(2) + bytes([len(full)]) + full + b"\0"
    return HKDFExpand(algorithm, length, info).derive(secret)
