from __future__ import annotations

import pytest
from aioquic._crypto import CryptoError
from aioquic.quic.crypto import CryptoPair
from aioquic.quic.packet import QuicErrorCode
from aioquic.tls import CipherSuite, Epoch

from quicmatrix.endpoint.transport.crypto.keys import (
    CONFIDENTIALITY_LIMIT,
    UpdatingCryptoPair,
    integrity_limit,
)
from tests.support.injection import deliver, is_alive, short_packet
from tests.support.quic_pair import Pair

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


# --- In a connection ---------------------------------------------------------------------------


def phases(pair: Pair) -> tuple[int, int]:
    """The client's and the server's key phase."""
    return tuple(  # type: ignore[return-value]
        connection._cryptos[Epoch.ONE_RTT].recv.key_phase
        for connection in (pair.client, pair.server)
    )


def ping(pair: Pair) -> None:
    pair.client.send_ping(uid=1)
    pair.drive_client()


def test_a_second_update_waits_for_the_acknowledgment_of_the_first(pair: Pair) -> None:
    """RFC 9001, 6.1."""
    pair.to_client.drops = lambda *_: True
    for _ in range(3):
        pair.client.request_key_update()
        ping(pair)
        pair.run_for(0.01)
        assert phases(pair)[0] == 1
    pair.to_client.drops = lambda *_: False
    pair.run_for(3.0)
    ping(pair)
    pair.run_for(0.2)
    assert phases(pair) == (0, 0), "the second, and no third"


def test_old_keys_after_new_ones_are_an_error(pair: Pair) -> None:
    """RFC 9001, 6.4."""
    client = pair.client
    old = UpdatingCryptoPair(CryptoPair())
    vars(old.send).update(vars(client._cryptos[Epoch.ONE_RTT].send))
    client.request_key_update()
    ping(pair)
    pair.run_for(0.1)
    assert phases(pair) == (1, 1)
    keys, client._cryptos[Epoch.ONE_RTT] = client._cryptos[Epoch.ONE_RTT], old
    late = short_packet(client, b"\x01", number=client._packet_number - 2)
    forbidden = short_packet(client, b"\x01")
    client._cryptos[Epoch.ONE_RTT] = keys
    deliver(pair, [late])
    assert pair.server.ending is None, "it was sent before the update"
    deliver(pair, [forbidden])
    assert pair.server.ending is not None
    assert pair.server.ending.error_code == QuicErrorCode.KEY_UPDATE_ERROR


def test_keys_are_updated_before_they_are_used_up(pair: Pair) -> None:
    """RFC 9001, 6.6."""
    pair.client.confidentiality_limit = 64
    before = pair.client._packet_number
    updates = 0
    for _ in range(150):
        phase = phases(pair)[0]
        ping(pair)
        pair.run_for(0.1)
        updates += phases(pair)[0] != phase
    used = pair.client._packet_number - before
    assert updates == pytest.approx(used / 56, abs=2)
    assert not pair.client.is_ending
    assert is_alive(pair)


def test_keys_that_are_used_up_are_not_used(pair: Pair) -> None:
    """RFC 9001, 6.6: without an acknowledgment there is no update."""
    pair.client.confidentiality_limit = 64
    pair.client._first_of_phase = pair.client._packet_number
    pair.client._cryptos[Epoch.ONE_RTT].update_key()
    pair.to_client.drops = lambda *_: True
    first = pair.client._packet_number
    for _ in range(100):
        ping(pair)
        pair.run_for(0.005)
    assert pair.client._packet_number - first <= 64, "CONNECTION_CLOSE among them"
    assert pair.client.ending is not None
    assert pair.client.ending.error_code == QuicErrorCode.AEAD_LIMIT_REACHED


def test_chacha20_has_no_such_limit(pair: Pair) -> None:
    pair.client.confidentiality_limit = 1
    pair.client._cryptos[Epoch.ONE_RTT].send.cipher_suite = CipherSuite.CHACHA20_POLY1305_SHA256
    for _ in range(5):
        ping(pair)
        pair.run_for(0.1)
    assert phases(pair) == (0, 0)


def test_forged_packets_are_dropped_up_to_a_limit(pair: Pair) -> None:
    """RFC 9001, 5.5 and 6.6."""
    pair.server.integrity_limit = 20
    forged = [b"\x40" + pair.server.host_cid + bytes([n]) * 40 for n in range(19)]
    deliver(pair, forged)
    assert is_alive(pair)
    deliver(pair, forged[:1])
    assert pair.server.ending is not None
    assert pair.server.ending.error_code == QuicErrorCode.AEAD_LIMIT_REACHED


def test_the_limits_are_those_of_the_rfc() -> None:
    assert CONFIDENTIALITY_LIMIT == 2**23
    assert integrity_limit(CipherSuite.AES_128_GCM_SHA256) == 2**52
    assert integrity_limit(CipherSuite.CHACHA20_POLY1305_SHA256) == 2**36
