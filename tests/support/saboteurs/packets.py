"""Reference endpoints that treat packets, keys, paths and acknowledgments in a wrong way."""

from __future__ import annotations

from typing import Any

from aioquic import tls
from aioquic._buffer import Buffer
from aioquic.quic.connection import NetworkAddress
from aioquic.quic.crypto import CryptoPair

from quicmatrix.endpoint.transport.crypto.keys import UpdatingCryptoPair
from tests.support.saboteurs.model import Class, Saboteur

Datagrams = list[tuple[bytes, NetworkAddress]]

_NEVER = 1 << 62


# --- Headers and keys -------------------------------------------------------------------------


def overlooks_reserved_bits(pair: type[CryptoPair]) -> Saboteur:
    """It takes the reserved bits of a header for 0."""

    def make(base: Class) -> Class:
        original = pair.decrypt_packet

        def decrypt_packet(self: CryptoPair, *arguments: Any) -> tuple[bytes, bytes, int]:
            header, payload, number = original(self, *arguments)
            mask = 0xF3 if header[0] & 0x80 else 0xE7
            return bytes([header[0] & mask]) + header[1:], payload, number

        setattr(pair, "decrypt_packet", decrypt_packet)  # noqa: B010 - a method of it
        return base

    return make


def gives_up_after(forged_packets: int) -> Saboteur:
    """It closes the connection when so many packets could not be authenticated."""

    def make(base: Class) -> Class:
        return type("GivingUp", (base,), {"integrity_limit": forged_packets})

    return make


def answers_update_with_old_keys(base: Class) -> Class:
    """It updates the keys that it receives with, and goes on to send with the old ones."""
    original = UpdatingCryptoPair._update_key

    def update(self: UpdatingCryptoPair, trigger: str) -> None:
        parts = ("aead", "secret", "key_phase")
        before = {part: getattr(self.send, part) for part in parts}
        original(self, trigger)
        for part, value in before.items():
            setattr(self.send, part, value)

    UpdatingCryptoPair._update_key = update  # type: ignore[method-assign]
    return base


def takes_old_keys(base: Class) -> Class:
    """It takes packets with old keys, whatever their numbers are."""
    UpdatingCryptoPair._lowest_of_phase = property(  # type: ignore[assignment]
        lambda _: _NEVER, lambda _, value: None
    )
    return base


# --- Paths and connection IDs -----------------------------------------------------------------


def answers_with_small_datagrams(base: Class) -> Class:
    """It expands no datagram with a PATH_RESPONSE."""
    from aioquic.quic import packet_builder  # noqa: PLC0415 - it is changed

    builder = packet_builder.QuicPacketBuilder
    original = builder.start_frame

    def start_frame(self: Any, frame_type: int, *arguments: Any, **named: Any) -> Buffer:
        buf = original(self, frame_type, *arguments, **named)
        self._datagram_needs_padding = False
        return buf

    builder.start_frame = start_frame  # type: ignore[method-assign]
    return base


def processes_duplicates(base: Class) -> Class:
    """It forgets which packets it has processed."""

    class Forgetful(base):  # type: ignore[misc,valid-type]
        def receive_datagram(self, data: bytes, addr: NetworkAddress, now: float) -> None:
            space = self._spaces.get(tls.Epoch.ONE_RTT)
            if space is not None:
                space.received_packets = type(space.received_packets)()
            super().receive_datagram(data, addr, now)

    return Forgetful


def accepts_first_connection_id_alone(base: Class) -> Class:
    """It takes no packets to connection IDs that it has issued in frames."""

    class Single(base):  # type: ignore[misc,valid-type]
        def receive_datagram(self, data: bytes, addr: NetworkAddress, now: float) -> None:
            own = self._host_cids[0].cid
            if data[0] & 0x80 or data[1 : 1 + len(own)] == own:
                super().receive_datagram(data, addr, now)

    return Single


def retires_nothing(base: Class) -> Class:
    """It retires no connection ID."""
    return type("Keeping", (base,), {"_retire_peer_cid": lambda self, connection_id: None})


# --- Acknowledgments and ECN ------------------------------------------------------------------


def acknowledges_late(base: Class) -> Class:
    """It delays acknowledgments for longer than it says."""

    class Late(base):  # type: ignore[misc,valid-type]
        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            self._ack_delay = 0.2

    return Late


def acknowledges_handshake_late(base: Class) -> Class:
    """It delays acknowledgments of Handshake packets."""

    class Late(base):  # type: ignore[misc,valid-type]
        def receive_datagram(self, data: bytes, addr: NetworkAddress, now: float) -> None:
            super().receive_datagram(data, addr, now)
            space = self._spaces.get(tls.Epoch.HANDSHAKE)
            if space is not None and space.ack_at is not None:
                space.ack_at = now + 0.2

        def _write_handshake(self, builder: Any, epoch: tls.Epoch, now: float) -> None:
            space = self._spaces[epoch]
            due, is_handshake = space.ack_at, epoch is tls.Epoch.HANDSHAKE
            if is_handshake and due is not None and due > now:
                space.ack_at = None
            super()._write_handshake(builder, epoch, now)
            if is_handshake and due is not None and due > now:
                space.ack_at = due

    return Late


def acknowledges_all_packets(base: Class) -> Class:
    """It takes all packets for ack-eliciting."""

    class Eager(base):  # type: ignore[misc,valid-type]
        def _payload_received(self, *arguments: Any, **named: Any) -> tuple[bool, bool]:
            _, is_probing = super()._payload_received(*arguments, **named)
            return True, is_probing

    return Eager


def acknowledges_thrice(base: Class) -> Class:
    """It sends each ACK frame three times."""

    class Thrice(base):  # type: ignore[misc,valid-type]
        def datagrams_to_send(self, now: float) -> Datagrams:
            space = self._spaces.get(tls.Epoch.ONE_RTT)
            is_due = space is not None and space.ack_at is not None and space.ack_at <= now
            datagrams: Datagrams = super().datagrams_to_send(now)
            for _ in range(2 if is_due and self._handshake_confirmed else 0):
                space.ack_at = now - 1
                datagrams = datagrams + super().datagrams_to_send(now)
            return datagrams

    return Thrice


def acknowledges_gaps(base: Class) -> Class:
    """It acknowledges packets that did not come."""

    class Optimist(base):  # type: ignore[misc,valid-type]
        def _write_ack_frame(self, builder: Any, space: Any, now: float) -> None:
            space.ack_queue.add(0, space.largest_received_packet + 1)
            super()._write_ack_frame(builder, space, now)

    return Optimist


def counts_marks_twice(base: Class) -> Class:
    """It counts each mark twice."""

    class Twice(base):  # type: ignore[misc,valid-type]
        def _count(self, epoch: tls.Epoch) -> None:
            super()._count(epoch)
            super()._count(epoch)

    return Twice


def marks_for_ever(base: Class) -> Class:
    """It marks packets whatever ECN validation says."""
    return type("Marking", (base,), {"_stop_marking": lambda self: None})


# --- Closing ----------------------------------------------------------------------------------


def repeats_close_often(base: Class) -> Class:
    """It sends CONNECTION_CLOSE a hundred times."""

    class Often(base):  # type: ignore[misc,valid-type]
        def datagrams_to_send(self, now: float) -> Datagrams:
            datagrams: Datagrams = super().datagrams_to_send(now)
            return datagrams * 100 if self.is_ending else datagrams

    return Often
