from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import VERSION_1, VERSION_2
from quicmatrix.runner.trace.retry_tag import integrity_tag, is_valid

ODCID = bytes.fromhex("8394c8f03e515708")
RETRIES = {
    # RFC 9001, A.4
    VERSION_1: bytes.fromhex(
        "ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba"
    ),
    # RFC 9369, A.4
    VERSION_2: bytes.fromhex(
        "cf6b3343cf0008f067a5502a4262b5746f6b656ec8646ce8bfe33952d955543665dcc7b6"
    ),
}


@pytest.mark.parametrize("version", RETRIES)
def test_the_vectors(version: int) -> None:
    packet = RETRIES[version]
    assert integrity_tag(version, packet[:-16], ODCID) == packet[-16:]
    assert is_valid(version, packet, [b"another one", ODCID]) is True


@pytest.mark.parametrize("version", RETRIES)
def test_any_changed_byte_is_noticed(version: int) -> None:
    packet = RETRIES[version]
    for position in range(len(packet)):
        changed = bytearray(packet)
        changed[position] ^= 1
        assert is_valid(version, bytes(changed), [ODCID]) is False
    assert is_valid(version, packet, [ODCID[:-1]]) is False


def test_what_cannot_be_determined() -> None:
    assert is_valid(VERSION_1, RETRIES[VERSION_1], []) is None
    assert is_valid(0xFF00001D, RETRIES[VERSION_1], [ODCID]) is None
