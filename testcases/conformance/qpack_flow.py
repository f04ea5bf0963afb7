"""What scripts about QPACK share: the dynamic table of the implementation's decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import http3, qpack
from quicmatrix.endpoint.tester.http3 import Setting, StreamKind
from quicmatrix.endpoint.tester.streams import NoStimulusError

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.peer import Peer

ENTRY = (b"x-name", b"value")
"""A field for the dynamic table."""
ENTRY_BYTES = len(ENTRY[0]) + len(ENTRY[1]) + qpack.ENTRY_OVERHEAD
"""What it counts there (RFC 9204, 3.2.1)."""


@dataclass(frozen=True, slots=True)
class DynamicTable:
    """The dynamic table that an implementation's decoder offers to us."""

    peer: Peer
    capacity: int
    """What its SETTINGS permit."""
    stream: int
    """Our encoder stream."""

    def send(self, *instructions: bytes) -> None:
        """Send encoder instructions."""
        self.peer.write(self.stream, b"".join(instructions))

    def encoded_count(self, required: int) -> int:
        """A Required Insert Count as field sections encode it."""
        return qpack.encoded_count(required, self.capacity)


async def dynamic_table(peer: Peer) -> DynamicTable:
    """The dynamic table, and an encoder stream to it.

    Raises:
        NoStimulusError: The implementation offers none that has room for two entries.
    """
    capacity = await peer.setting(Setting.QPACK_MAX_TABLE_CAPACITY)
    if capacity < 2 * ENTRY_BYTES:
        raise NoStimulusError(f"the capacity of its dynamic table is {capacity}")
    return DynamicTable(peer, capacity, peer.open(http3.stream(StreamKind.QPACK_ENCODER)))
