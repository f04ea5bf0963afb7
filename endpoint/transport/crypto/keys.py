"""1-RTT packet protection across key updates (RFC 9001, 6).

aioquic drops the old keys the moment that it updates. Packets that the peer sent before it saw
the update are then undecryptable: with an update at the start of a transfer, the whole first
flight. Here the old receive keys stay for three PTOs (RFC 9001, 6.5).

Nor does it enforce that no update begins before the last one was acknowledged (6.1), that the
peer sends nothing with old keys after new ones (6.4), and the AEADs' usage limits (6.6).
"""

from __future__ import annotations

from typing import Any

from aioquic import tls
from aioquic._crypto import CryptoError
from aioquic.quic.connection import NetworkAddress, QuicConnection
from aioquic.quic.crypto import CryptoContext, CryptoPair, KeyUnavailableError
from aioquic.quic.packet import QuicErrorCode, QuicFrameType
from aioquic.tls import CipherSuite

from quicmatrix.endpoint.transport.packets.early_packets import KeepingCryptoPair

CONFIDENTIALITY_LIMIT = 1 << 23
"""RFC 9001, 6.6: packets that one key of AES-GCM may protect; of ChaCha20, more than there are."""
_UPDATE_AT = 7 / 8
"""Share of the confidentiality limit at which keys are updated."""
_CLOSE_AT = 63 / 64
"""Share at which the connection is closed, since they could not be; the rest is for one batch."""
_NO_NUMBER = 1 << 62
_KEY_PHASE = 0x04
_LONG_HEADER = 0x80


def integrity_limit(suite: CipherSuite | None) -> int:
    """Packets of a connection that may fail to authenticate (RFC 9001, 6.6)."""
    return 1 << 36 if suite is CipherSuite.CHACHA20_POLY1305_SHA256 else 1 << 52


class UpdatingCryptoPair(KeepingCryptoPair):
    """A pair of 1-RTT keys; takes the place of one that has no keys yet."""

    def __init__(self, replaced: CryptoPair) -> None:
        super().__init__(replaced)
        self.previous: CryptoContext | None = None
        """The receive keys of the last phase, while they are kept."""
        self.retire_at: float | None = None
        """When to forget them; None until somebody says."""
        self.updates = 0
        """How often the keys were updated."""
        self.undecryptable = 0
        """Packets that no key fitted."""
        self.is_violated = False
        """Whether the peer used old keys after it had used new ones (RFC 9001, 6.4)."""
        self._lowest_of_phase = _NO_NUMBER

    def retire(self, now: float, probe_timeout: float) -> None:
        """Forget the keys of the last phase three PTOs after the update was first noticed."""
        if self.previous is None:
            return
        if self.retire_at is None:
            self.retire_at = now + 3 * probe_timeout
        elif now >= self.retire_at:
            self.previous = None

    def decrypt_packet(
        self, packet: bytes, encrypted_offset: int, expected_packet_number: int
    ) -> tuple[bytes, bytes, int]:
        """Remove the protection of a packet of the last, the current or the next phase."""
        if self.previous is not None and self._is_of_other_phase(packet, encrypted_offset):
            try:
                header, payload, number, _ = self.previous.decrypt_packet(
                    packet, encrypted_offset, expected_packet_number
                )
            except CryptoError:
                pass  # then it is the peer's next update
            else:
                if number > self._lowest_of_phase:
                    self.is_violated = True
                    raise CryptoError("old keys after new ones")
                return header, payload, number
        try:
            header, payload, number, is_next = self.recv.decrypt_packet(
                packet, encrypted_offset, expected_packet_number
            )
        except KeyUnavailableError:
            self.keep(packet)
            raise
        except CryptoError:
            self.undecryptable += 1
            raise
        if is_next:
            self._update_key("remote_update")
        self._lowest_of_phase = min(self._lowest_of_phase, number)
        return header, payload, number

    def _is_of_other_phase(self, packet: bytes, encrypted_offset: int) -> bool:
        # The header protection key does not change with an update (RFC 9001, 5.4).
        if packet[0] & _LONG_HEADER or self.recv.hp is None:
            return False
        header, _ = self.recv.hp.remove(packet, encrypted_offset)
        return bool(header[0] & _KEY_PHASE) != bool(self.recv.key_phase)

    def _update_key(self, trigger: str) -> None:
        previous = CryptoContext(key_phase=self.recv.key_phase)
        for part in ("aead", "cipher_suite", "hp", "secret", "version"):
            setattr(previous, part, getattr(self.recv, part))
        super()._update_key(trigger)
        self.previous = previous
        self.retire_at = None
        self.updates += 1
        self._lowest_of_phase = _NO_NUMBER


class KeyUpdates(QuicConnection):
    """A connection that updates its 1-RTT keys when it may, and when it must."""

    confidentiality_limit = CONFIDENTIALITY_LIMIT
    integrity_limit: int | None = None
    """Packets that may fail to authenticate; None: what the cipher suite allows."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the base class's
        super().__init__(**arguments)
        self._updates_seen = 0
        self._first_of_phase = 0
        self._update_is_due = False
        self._keys = UpdatingCryptoPair(CryptoPair())
        """The connection's 1-RTT keys; looked at for each datagram."""

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        keys = self._cryptos[tls.Epoch.ONE_RTT]
        assert isinstance(keys, UpdatingCryptoPair), "the handshake made it"
        self._keys = keys

    def request_key_update(self) -> None:
        """Update the keys as soon as RFC 9001, 6.1, lets us."""
        if self._may_update:
            super().request_key_update()
        else:
            self._update_is_due = True

    @property
    def key_updates(self) -> int:
        """How often the 1-RTT keys were updated, by either side."""
        return self._keys.updates

    @property
    def _may_update(self) -> bool:
        """Whether the handshake is confirmed, and a packet of this phase acknowledged."""
        space = self._spaces.get(tls.Epoch.ONE_RTT)
        return (
            self._handshake_confirmed
            and space is not None
            and space.largest_acked_packet >= self._first_of_phase
        )

    def _check_received(self, now: float) -> None:
        """Whether the packets that came in keep the rules for keys."""
        keys = self._keys
        if keys.previous is not None:
            keys.retire(now, self._loss.get_probe_timeout())
        if keys.is_violated:
            self._close_for(QuicErrorCode.KEY_UPDATE_ERROR, "old keys after new ones")
        elif keys.undecryptable and keys.undecryptable >= self._integrity_limit:
            self._close_for(QuicErrorCode.AEAD_LIMIT_REACHED, "too many forged packets")

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, NetworkAddress]]:
        """Datagrams, each with where to."""
        self._check_received(now)
        self._update_in_time()
        first = self._packet_number
        datagrams = super().datagrams_to_send(now)
        if self._keys.updates != self._updates_seen:
            self._updates_seen = self._keys.updates
            self._first_of_phase = first
        return datagrams

    def _update_in_time(self) -> None:
        used = self._packet_number - self._first_of_phase
        if (
            used >= _UPDATE_AT * self.confidentiality_limit
            and self._keys.send.cipher_suite is not CipherSuite.CHACHA20_POLY1305_SHA256
        ):
            self._update_is_due = True
            if used >= _CLOSE_AT * self.confidentiality_limit:
                self._close_for(QuicErrorCode.AEAD_LIMIT_REACHED, "the keys are used up")
        if self._update_is_due and self._may_update:
            self._update_is_due = False
            super().request_key_update()

    @property
    def _integrity_limit(self) -> int:
        if self.integrity_limit is not None:
            return self.integrity_limit
        return integrity_limit(self._keys.recv.cipher_suite)

    def _close_for(self, error: QuicErrorCode, reason: str) -> None:
        self.close(error_code=error, frame_type=QuicFrameType.PADDING, reason_phrase=reason)
