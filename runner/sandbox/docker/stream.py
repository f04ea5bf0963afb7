"""The engine's format of a container's standard output and error on one connection.

A frame is a header of eight bytes and a payload::

    stream (1: output, 2: error), 0, 0, 0, length of the payload (big-endian), payload
"""

from __future__ import annotations

import struct

HEADER = struct.Struct(">BxxxI")


class Demultiplexer:
    """Yields the payloads of both streams, in the order of arrival.

    Between the two streams, that may differ from the order in which the container wrote them.
    """

    def __init__(self) -> None:
        self._header = b""
        self._left = 0
        """Bytes of the current payload that are still to come."""

    def feed(self, data: bytes) -> bytes:
        """The payload in the next bytes, which may be cut anywhere."""
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
