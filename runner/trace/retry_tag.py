"""The Retry integrity tag (RFC 9001, 5.8; RFC 9369, 3.3.3)."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from quicmatrix.runner.trace.headers import INTEGRITY_TAG_SIZE
from quicmatrix.runner.trace.model import VERSION_1, VERSION_2

_KEYS = {
    VERSION_1: ("be0c690b9f66575a1d766b54e368c84e", "461599d35d632bf2239825bb"),
    VERSION_2: ("8fb4b01b56ac48e260fbcbcead7ccc92", "d86969bc2d7c6d9990efb04a"),
}


def integrity_tag(version: int, retry: bytes, odcid: bytes) -> bytes | None:
    """The tag that a Retry must have; None for a version whose key is not known.

    Args:
        version: The version in its header.
        retry: The whole packet but its tag.
        odcid: The Destination Connection ID of the Initial that it answers.
    """
    if version not in _KEYS:
        return None
    key, nonce = map(bytes.fromhex, _KEYS[version])
    pseudo_packet = bytes([len(odcid)]) + odcid + retry
    return AESGCM(key).encrypt(nonce, b"", pseudo_packet)


def is_valid(version: int, packet: bytes, odcids: Iterable[bytes]) -> bool | None:
    """Whether the tag of a whole Retry is right; None if that cannot be determined.

    Args:
        version: The version in its header.
        packet: The whole packet.
        odcids: The Destination Connection IDs of all Initials that it may answer.
    """
    verdict = None
    for odcid in odcids:
        expected = integrity_tag(version, packet[:-INTEGRITY_TAG_SIZE], odcid)
        if expected is None:
            return None
        if hmac.compare_digest(expected, packet[-INTEGRITY_TAG_SIZE:]):
            return True
        verdict = False
    return verdict
