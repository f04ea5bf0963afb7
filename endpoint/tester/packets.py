"""Packets as bytes (RFC 9000, 17). Nothing is checked: a script may want it wrong."""

from __future__ import annotations

from dataclasses import dataclass

from aioquic.quic.crypto import CryptoContext, CryptoPair
from aioquic.quic.packet import (
    QuicPacketType,
    encode_long_header_first_byte,
    encode_quic_retry,
    encode_quic_version_negotiation,
)

from quicmatrix.endpoint.tester.frames import varint

DATAGRAM_BYTES = 1200
"""The smallest allowed maximum datagram size (RFC 9000, 14)."""
NUMBER_BYTES = 4
TAG_BYTES = 16
_FIXED_BIT = 0x40
_LONG_RESERVED = 2
_SHORT_RESERVED = 3

retry = encode_quic_retry
version_negotiation = encode_quic_version_negotiation


@dataclass(frozen=True, slots=True)
class Shape:
    """What a packet is like beside its frames; None is what is right."""

    number: int | None = None
    """Its packet number; the sender's next if None."""
    dcid: bytes | None = None
    scid: bytes | None = None
    token: bytes = b""
    """Of an Initial."""
    version: int | None = None
    fixed_bit: bool = True
    reserved_bits: int = 0
    """Two bits, in both forms of header."""
    key_phase: int | None = None
    """The bit, whatever the keys are."""
    keys: CryptoContext | None = None
    """The keys, if not the sender's current ones."""
    excess_length: int = 0
    """By how much the Length field says more than is there."""
    corrupt: bool = False
    """Whether a bit of the authentication tag is flipped."""
    datagram_size: int | None = None
    """Bytes to which the datagram is expanded with PADDING frames; Initials have 1200 if None."""


WELL_FORMED = Shape()
"""A packet in which all that is beside its frames is right."""


@dataclass(frozen=True, slots=True)
class ConnectionIdPair:
    """The connection IDs of a long header."""

    destination: bytes
    source: bytes


def short_packet(
    keys: CryptoContext, dcid: bytes, number: int, payload: bytes, shape: Shape = WELL_FORMED
) -> bytes:
    """A 1-RTT packet (RFC 9000, 17.3.1)."""
    phase = keys.key_phase if shape.key_phase is None else shape.key_phase
    first = shape.reserved_bits << _SHORT_RESERVED | phase << 2 | NUMBER_BYTES - 1
    first |= _FIXED_BIT if shape.fixed_bit else 0
    header = bytes([first]) + dcid + number.to_bytes(NUMBER_BYTES)
    missing = (shape.datagram_size or 0) - len(header) - len(payload) - TAG_BYTES
    return _protected(keys, header, payload + bytes(max(missing, 0)), number, shape)


def long_packet(
    kind: QuicPacketType,
    keys: CryptoContext,
    ids: ConnectionIdPair,
    number: int,
    payload: bytes,
    *,
    shape: Shape = WELL_FORMED,
    version: int = 1,
) -> bytes:
    """An Initial, 0-RTT or Handshake packet (RFC 9000, 17.2)."""
    dcid, scid = ids.destination, ids.source
    version = version if shape.version is None else shape.version
    bits = shape.reserved_bits << _LONG_RESERVED | NUMBER_BYTES - 1
    first = encode_long_header_first_byte(version, kind, bits)
    first &= 0xFF if shape.fixed_bit else ~_FIXED_BIT
    before = (
        bytes([first]) + version.to_bytes(4) + bytes([len(dcid)]) + dcid + bytes([len(scid)]) + scid
    )
    size = shape.datagram_size
    if kind is QuicPacketType.INITIAL:
        before += varint(len(shape.token)) + shape.token
        size = DATAGRAM_BYTES if size is None else size
    missing = (size or 0) - len(before) - 2 - NUMBER_BYTES - len(payload) - TAG_BYTES
    payload += bytes(max(missing, 0))
    length = NUMBER_BYTES + len(payload) + TAG_BYTES + shape.excess_length
    header = before + varint(length, 2) + number.to_bytes(NUMBER_BYTES)
    return _protected(keys, header, payload, number, shape)


def initial_keys(dcid: bytes, *, is_client: bool, version: int = 1) -> CryptoContext:
    """The keys that an Initial is sent with (RFC 9001, 5.2)."""
    pair = CryptoPair()
    pair.setup_initial(cid=dcid, is_client=is_client, version=version)
    return pair.send


def long_header(
    dcid: bytes, scid: bytes, rest: bytes, *, version: int, first_byte: int = 0xC0
) -> bytes:
    """What all versions' long headers have (RFC 8999, 5.1), and what follows it."""
    return (
        bytes([first_byte])
        + version.to_bytes(4)
        + bytes([len(dcid)])
        + dcid
        + bytes([len(scid)])
        + scid
        + rest
    )


def _protected(
    keys: CryptoContext, header: bytes, payload: bytes, number: int, shape: Shape
) -> bytes:
    packet = keys.encrypt_packet(header, payload, number)
    return packet[:-1] + bytes([packet[-1] ^ 1]) if shape.corrupt else packet
