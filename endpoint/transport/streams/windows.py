"""Receive windows for flow control (RFC 9000, 4): how far a peer may send ahead of the reader.

aioquic doubles a window whenever half of it was received, whether or not anybody reads, so a
slow reader's memory is unbounded. Here a limit is what was read plus the window, and the window
grows only while the reader empties it faster than the round trip that a new limit takes.
"""

from __future__ import annotations

INITIAL_WINDOW = 1 << 20
"""Smaller than a file of the suite, so that limits have to move, and at 10 Mbit/s more than
0.8 s of data, so that they never hold a sender back."""
LARGEST_WINDOW = 16 << 20


class ReceiveWindow:
    """The size of a connection's windows, tuned to its reader.

    Args:
        size: The first window, in bytes.
        largest: The largest it may become.
    """

    def __init__(self, size: int = INITIAL_WINDOW, largest: int = LARGEST_WINDOW) -> None:
        self.size = size
        self._largest = largest
        self._moved_at: float | None = None

    def connection_limit(self, *, read: int, limit: int, now: float, round_trip: float) -> int:
        """The connection's limit, given what was read of all streams so far.

        When a limit has to move again within two round trips of the last time, the window is
        too small for the path and is doubled.
        """
        if limit - read > self.size // 2:
            return limit
        if self._moved_at is not None and now - self._moved_at < 2 * round_trip:
            self.size = min(2 * self.size, self._largest)
        self._moved_at = now
        return max(limit, read + self.size)

    def stream_limit(self, *, read: int, limit: int) -> int:
        """A stream's limit, given what was read of it so far."""
        return limit if limit - read > self.size // 2 else max(limit, read + self.size)
