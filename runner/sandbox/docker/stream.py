"""What a container prints, as the engine sends it to who is attached.

The two streams come as one, in frames of eight bytes and a payload::

    stream (1: output, 2: error), 0, 0, 0, length of the payload (big-endian), payload
"""

from __future__ import annotations

import struct

HEADER = struct.Struct(">BxxxI")


class Demultiplexer:
    """Takes the payloads of both streams out of their frames, in the order in which they came.

    That may be another one than that in which they were written, if it is not the same stream.
    """

    def __init__(self) -> None:
        self._header = b""
        self._left = 0
        """Bytes of the current payload that are still to come."""

    def feed(self, data: bytes) -> bytes:
        """The text in the next bytes, wherever they happen to begin and end."""
        text = bytearray()
        rest = memoryview(data)
        while rest:
            if not self._left:
                missing = HEADER.size - len(self._header)
                self._header += bytes(rest[:missing])
                rest = rest[missing:]
                if len(self._header) < HEADER.size:
                    break
                _, self._left = HEADER.unpack(self._header)
                self._header = b""
            text += rest[: self._left]
            taken = min(self._left, len(rest))
            rest = rest[taken:]
            self._left -= taken
        return bytes(text)
