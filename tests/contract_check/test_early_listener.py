from __future__ import annotations

import struct

import pytest

from quicmatrix.runner.contract_check.early_listener import is_for_server


def frame(version: int, protocol: int = 17, port: int = 443, options: int = 0) -> bytes:
    datagram = struct.pack("!HHHH", 40000, port, 8, 0)
    if version == 4:
        ip = bytes([0x45 + options]) + bytes(8) + bytes([protocol]) + bytes(10 + 4 * options)
        return bytes(12) + b"\x08\x00" + ip + datagram
    return bytes(12) + b"\x86\xdd" + bytes(6) + bytes([protocol]) + bytes(33) + datagram


@pytest.mark.parametrize("version", [4, 6])
def test_udp_to_the_server_counts_and_nothing_else(version: int) -> None:
    assert is_for_server(frame(version))
    assert not is_for_server(frame(version, protocol=6))
    assert not is_for_server(frame(version, port=57832))


def test_ip_options_are_skipped() -> None:
    assert is_for_server(frame(4, options=2))


def test_other_protocols_and_cut_frames_are_not_for_it() -> None:
    assert not is_for_server(bytes(12) + b"\x08\x06" + bytes(40))
    for length in range(len(frame(4)) - 4):
        assert not is_for_server(frame(4)[:length])
