from __future__ import annotations

import pytest

from quicmatrix.runner.trace.headers import parse_header
from quicmatrix.runner.trace.model import VERSION_1, VERSION_2, Side
from quicmatrix.runner.trace.protection import SUITES, Keys, full_number, initial_keys

ODCID = bytes.fromhex("8394c8f03e515708")


@pytest.mark.parametrize(
    ("version", "sender", "key", "iv", "header_key"),
    [
        (  # RFC 9001, A.1
            VERSION_1,
            Side.CLIENT,
            "1f369613dd76d5467730efcbe3b1a22d",
            "fa044b2f42a3fd3b46fb255c",
            "9f50449e04a0e810283a1e9933adedd2",
        ),
        (
            VERSION_1,
            Side.SERVER,
            "cf3a5331653c364c88f0f379b6067e37",
            "0ac1493ca1905853b0bba03e",
            "c206b8d9b9f0f37644430b490eeaa314",
        ),
        (  # RFC 9369, A.1
            VERSION_2,
            Side.CLIENT,
            "8b1a0bc121284290a29e0971b5cd045d",
            "91f73e2351d8fa91660e909f",
            "45b95e15235d6f45a6b19cbcb0294ba9",
        ),
    ],
)
def test_initial_keys(version: int, sender: Side, key: str, iv: str, header_key: str) -> None:
    keys = initial_keys(ODCID, sender, version)
    assert (keys.key.hex(), keys.iv.hex(), keys.header_key.hex()) == (key, iv, header_key)


SERVER_INITIAL = bytes.fromhex(  # RFC 9001, A.3
    "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554"
    "780bb38cc5a99f5ede4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b"
    "562bfb19fb84022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc42158407dd074ee"
)


def test_the_servers_initial() -> None:
    keys = initial_keys(ODCID, Side.SERVER, VERSION_1)
    offset = parse_header(SERVER_INITIAL, 0).packet_number_offset
    assert offset is not None
    clear = keys.unprotect(SERVER_INITIAL, offset)
    assert clear is not None
    assert clear.data.hex() == "c1000000010008f067a5502a4262b50040750001"
    assert (clear.truncated_number, clear.number_size, clear.key_phase) == (1, 2, None)
    plaintext = keys.decrypt(clear, SERVER_INITIAL, 1)
    assert plaintext is not None
    assert plaintext.startswith(bytes.fromhex("02000000000600405a020000560303"))
    assert keys.decrypt(clear, SERVER_INITIAL, 2) is None
    assert keys.decrypt(clear, SERVER_INITIAL[:-1] + b"\0", 1) is None


CHACHA_SECRET = bytes.fromhex("9ac312a7f877468ebe69422748ad00a15443f18203a07d6060f688f30f21632b")
CHACHA_PACKET = bytes.fromhex("4cfe4189655e5cd55c41f69080575d7999c25a5bfb")


def test_a_short_header_with_chacha20() -> None:
    keys = Keys.of(CHACHA_SECRET, SUITES[2], VERSION_1)  # RFC 9001, A.5
    clear = keys.unprotect(CHACHA_PACKET, 1)
    assert clear is not None
    assert clear.data.hex() == "4200bff4"
    number = full_number(clear.truncated_number, clear.number_size, 654_360_564)
    assert number == 654_360_564
    assert clear.key_phase == 0
    assert keys.decrypt(clear, CHACHA_PACKET, number) == b"\x01"


def test_a_key_update_leaves_header_protection() -> None:
    keys = Keys.of(CHACHA_SECRET, SUITES[2], VERSION_1)
    updated = keys.updated()
    assert updated.secret.hex() == (
        "1223504755036d556342ee9361d253421a826c9ecdf3c7148684b36b714881f9"
    )
    assert updated.header_key == keys.header_key
    assert updated.key != keys.key


def test_a_packet_too_short_for_a_sample() -> None:
    assert initial_keys(ODCID, Side.SERVER, VERSION_1).unprotect(SERVER_INITIAL[:37], 18) is None


@pytest.mark.parametrize(
    ("truncated", "size", "expected", "number"),
    [
        (0x9B32, 2, 0xA82F30EB, 0xA82F9B32),  # RFC 9000, A.3
        (0, 1, 0, 0),
        (0xFF, 1, 0x100, 0xFF),
        (0x00, 1, 0xFF, 0x100),
    ],
)
def test_full_number(truncated: int, size: int, expected: int, number: int) -> None:
    assert full_number(truncated, size, expected) == number
