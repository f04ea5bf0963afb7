"""1-RTT packet protection across key updates (RFC 9001, 6).

aioquic drops the old keys the moment that it updates. Packets that the peer sent before it saw
the update are then undecryptable: with an update at the start of a transfer, the whole first
flight. Here the old receive keys stay for three PTOs (RFC 9001, 6.5).
"""

from __future__ import annotations

from aioquic._crypto import CryptoError
from aioquic.quic.crypto import CryptoContext, CryptoPair

_KEY_PHASE = 0x04
_LONG_HEADER = 0x80


class UpdatingCryptoPair(CryptoPair):
    """A pair of 1-RTT keys; takes the place of one that has no keys yet."""

    def __init__(self, replaced: CryptoPair) -> None:
        super().__init__(
            recv_setup_cb=replaced.recv._setup_cb,  # noqa: SLF001
            recv_teardown_cb=replaced.recv._teardown_cb,  # noqa: SLF001
            send_setup_cb=replaced.send._setup_cb,  # noqa: SLF001
            send_teardown_cb=replaced.send._teardown_cb,  # noqa: SLF001
        )
        self.previous: CryptoContext | None = None
        """The receive keys of the last phase, while they are kept."""
        self.retire_at: float | None = None
        """When to forget them; None until somebody says."""

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
                return header, payload, number
        return super().decrypt_packet(packet, encrypted_offset, expected_packet_number)

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
