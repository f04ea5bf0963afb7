from __future__ import annotations

import pytest
from aioquic._crypto import CryptoError
from aioquic.quic.crypto import CryptoPair
from aioquic.tls import CipherSuite

from endpoint.transport.keys import UpdatingCryptoPair

HEADER = bytes([0x41]) + bytes(8) + b"\0\0"


def pairs() -> tuple[CryptoPair, UpdatingCryptoPair]:
    """A sender as aioquic has it, and a receiver of ours."""
    sender, receiver = CryptoPair(), UpdatingCryptoPair(CryptoPair())
    for context in (sender.send, sender.recv, receiver.send, receiver.recv):
        context.setup(cipher_suite=CipherSuite.AES_128_GCM_SHA256, secret=bytes(32), version=1)
    return sender, receiver


def packet(sender: CryptoPair, number: int) -> bytes:
    header = bytes([0x41 | sender.key_phase << 2]) + bytes(8) + number.to_bytes(2, "big")
    return sender.encrypt_packet(header, b"payload!", number)


def test_packets_of_the_old_phase_are_read_after_an_update() -> None:
    sender, receiver = pairs()
    late = packet(sender, 0)
    sender.update_key()
    early = packet(sender, 1)
    assert receiver.decrypt_packet(early, 9, 0)[1:] == (b"payload!", 1)
    assert receiver.recv.key_phase == 1
    assert receiver.decrypt_packet(late, 9, 2)[1:] == (b"payload!", 0)
    assert receiver.recv.key_phase == 1


def test_old_keys_go_three_probe_timeouts_later() -> None:
    sender, receiver = pairs()
    late = packet(sender, 0)
    sender.update_key()
    receiver.decrypt_packet(packet(sender, 1), 9, 0)
    receiver.retire(now=10.0, probe_timeout=1.0)
    receiver.retire(now=12.9, probe_timeout=1.0)
    assert receiver.previous is not None
    receiver.retire(now=13.0, probe_timeout=1.0)
    assert receiver.previous is None
    with pytest.raises(CryptoError):
        receiver.decrypt_packet(late, 9, 2)


def test_the_next_update_is_followed_while_old_keys_are_kept() -> None:
    sender, receiver = pairs()
    for number, phase in enumerate((1, 0, 1)):
        sender.update_key()
        assert receiver.decrypt_packet(packet(sender, number), 9, number)[2] == number
        assert receiver.recv.key_phase == phase


def test_a_forged_packet_changes_nothing() -> None:
    sender, receiver = pairs()
    sender.update_key()
    forged = packet(sender, 0)[:-1] + b"\0"
    with pytest.raises(CryptoError):
        receiver.decrypt_packet(forged, 9, 0)
    assert receiver.recv.key_phase == 0
    assert receiver.previous is None
