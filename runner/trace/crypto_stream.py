"""Reassembly of CRYPTO frames to TLS messages (RFC 9000, 19.6; RFC 9001, 4.1.3).

There is one stream of handshake bytes per connection, direction and encryption level. Frames may
be reordered, overlap and be sent again. A message belongs to the packet that holds its last byte,
once all of it has been received; so a retransmitted ClientHello is found again.
"""

from __future__ import annotations

from collections.abc import Iterable

from quicmatrix.runner.trace.model import Crypto, TlsMessage
from quicmatrix.runner.trace.tls import HEADER_SIZE, parse_message

MAX_BUFFERED = 1 << 20
"""Bytes of one stream that are kept; frames beyond are ignored."""


class CryptoStream:
    """The handshake bytes of one encryption level, from one side."""

    __slots__ = ("_data", "_messages", "_parsed", "_waiting")

    def __init__(self) -> None:
        self._restart()

    @property
    def first_message(self) -> bytes:
        """The first message with its header, e.g. the ClientHello; empty until it is complete."""
        return bytes(self._data[: self._messages[0][0]]) if self._messages else b""

    def add(self, frames: Iterable[Crypto]) -> tuple[TlsMessage, ...]:
        """Add the frames of one packet; returns the messages that belong to it, in order.

        Data that contradicts earlier data begins a new stream: after a Retry, or when a connection
        ID is used twice, a client may send another ClientHello (RFC 9000, 17.2.5.3).
        """
        parsed = self._parsed
        seen: list[tuple[int, int]] = []
        for frame in frames:
            end = frame.offset + len(frame.data)
            if end > MAX_BUFFERED:
                continue
            if self._contradicts(frame):
                self._restart()
                parsed = 0
                seen = []
            self._waiting[frame.offset] = max(
                frame.data, self._waiting.get(frame.offset, b""), key=len
            )
            seen.append((frame.offset, end))
        self._join()
        self._parse()
        return tuple(
            message
            for end, message in self._messages
            if end > parsed or any(first < end <= last for first, last in seen)
        )

    def _restart(self) -> None:
        self._data = bytearray()
        self._waiting: dict[int, bytes] = {}
        self._messages: list[tuple[int, TlsMessage]] = []
        self._parsed = 0

    def _contradicts(self, frame: Crypto) -> bool:
        known = self._data[frame.offset : frame.offset + len(frame.data)]
        return known != frame.data[: len(known)]

    def _join(self) -> None:
        for offset in sorted(self._waiting):
            if offset > len(self._data):
                break
            data = self._waiting.pop(offset)
            self._data += data[len(self._data) - offset :]

    def _parse(self) -> None:
        while len(self._data) >= self._parsed + HEADER_SIZE:
            start = self._parsed
            length = int.from_bytes(self._data[start + 1 : start + HEADER_SIZE])
            end = start + HEADER_SIZE + length
            if len(self._data) < end:
                return
            body = bytes(self._data[start + HEADER_SIZE : end])
            self._messages.append((end, parse_message(self._data[start], body)))
            self._parsed = end
