"""Packet protection (RFC 9001, 5.3 and 5.4) that copies a payload once.

Header protection changes up to five bytes. aioquic does it in a copy of the whole packet, of which
it then makes slices and copies, and passes each packet through six functions.
"""

from __future__ import annotations

from aioquic._crypto import (
    AEAD_NONCE_LENGTH,
    PACKET_NUMBER_LENGTH_MAX,
    SAMPLE_LENGTH,
    CryptoError,
)
from aioquic.quic.crypto import CryptoContext, KeyUnavailableError, next_key_phase
from aioquic.quic.packet import decode_packet_number
from cryptography.exceptions import InvalidTag

_LONG_HEADER = 0x80
_KEY_PHASE_SHIFT = 2


class PacketProtection(CryptoContext):
    """The keys of one direction.

    Args:
        replaced: The keys, if there are any yet; what is set up later is set up here.
    """

    def __init__(self, replaced: CryptoContext) -> None:
        super().__init__()
        vars(self).update(vars(replaced))

    def encrypt_packet(
        self, plain_header: bytes, plain_payload: bytes, packet_number: int
    ) -> bytes:
        """Protect a packet."""
        aead, hp = self.aead, self.hp
        assert aead is not None
        assert hp is not None
        nonce = (aead._iv ^ packet_number).to_bytes(AEAD_NONCE_LENGTH)  # noqa: SLF001
        payload = aead._aead.encrypt(nonce, plain_payload, plain_header)  # noqa: SLF001
        first = plain_header[0]
        number_bytes = (first & 0x03) + 1
        sample_at = PACKET_NUMBER_LENGTH_MAX - number_bytes
        mask = hp._mask(payload[sample_at : sample_at + SAMPLE_LENGTH])  # noqa: SLF001
        header = bytearray(plain_header)
        header[0] ^= mask[0] & (0x0F if first & _LONG_HEADER else 0x1F)
        for at in range(1, number_bytes + 1):
            header[at - number_bytes - 1] ^= mask[at]
        return bytes(header) + payload

    def decrypt_packet(
        self, packet: bytes, encrypted_offset: int, expected_packet_number: int
    ) -> tuple[bytes, bytes, int, bool]:
        """Remove the protection of a packet of the current or the next phase.

        Returns:
            Header, payload, packet number, and whether it is of the next phase.
        """
        aead, hp = self.aead, self.hp
        if aead is None or hp is None:
            raise KeyUnavailableError("Decryption key is not available")
        sample_at = encrypted_offset + PACKET_NUMBER_LENGTH_MAX
        sample = packet[sample_at : sample_at + SAMPLE_LENGTH]
        if len(sample) < SAMPLE_LENGTH:
            raise CryptoError("Packet is too short to sample")
        mask = hp._mask(sample)  # noqa: SLF001
        first = packet[0]
        is_long = bool(first & _LONG_HEADER)
        first ^= mask[0] & (0x0F if is_long else 0x1F)
        number_bytes = (first & 0x03) + 1
        end = encrypted_offset + number_bytes
        truncated = int.from_bytes(packet[encrypted_offset:end]) ^ int.from_bytes(
            mask[1 : 1 + number_bytes]
        )
        header = bytes((first,)) + packet[1:encrypted_offset] + truncated.to_bytes(number_bytes)
        number = decode_packet_number(truncated, 8 * number_bytes, expected_packet_number)
        is_next = not is_long and first >> _KEY_PHASE_SHIFT & 1 != self.key_phase
        if is_next:
            aead = next_key_phase(self).aead
            assert aead is not None
        nonce = (aead._iv ^ number).to_bytes(AEAD_NONCE_LENGTH)  # noqa: SLF001
        try:
            payload = aead._aead.decrypt(nonce, memoryview(packet)[end:], header)  # noqa: SLF001
        except InvalidTag as error:
            raise CryptoError(str(error)) from None
        return header, payload, number, is_next
