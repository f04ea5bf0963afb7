"""The link: one direction of a bottleneck with a rate, a one-way delay and a drop-tail queue.

It behaves like the point-to-point link of quic-network-simulator, which is ns-3's:

- A packet occupies the link for (IP length + 2) x 8 / bandwidth: ns-3 puts a PPP header before it.
- The packet being transmitted is in no queue. Behind it waits one packet in the device, and behind
  that as many as ``queue`` says: quic-network-simulator gives its device a DropTailQueue of one
  packet and puts a PfifoFastQueueDisc of ``queue`` packets before it.
- The delay follows the transmission, so packets arrive in the order in which they were offered.

Time is a parameter, in nanoseconds of any clock, and never goes back from one offer to the next.
"""

from __future__ import annotations

from collections import deque

from quicmatrix.runner.network.impairments.fate import Dropped

PPP_HEADER = 2
DEVICE_QUEUE = 1

QUEUE_FULL = Dropped("queue full")


class Link:
    """One direction of a link."""

    __slots__ = ("_bandwidth_bps", "_delay_ns", "_free_at", "_places", "_starts")

    def __init__(self, bandwidth_bps: int, delay_ns: int, queue_packets: int) -> None:
        self._bandwidth_bps = bandwidth_bps
        self._delay_ns = delay_ns
        self._places = queue_packets + DEVICE_QUEUE
        self._free_at = 0
        self._starts: deque[int] = deque()
        """When the transmission of each waiting packet will start, first one first."""

    def waiting(self, now_ns: int) -> int:
        """How many packets wait behind the one that is being transmitted."""
        starts = self._starts
        while starts and starts[0] <= now_ns:
            starts.popleft()
        return len(starts)

    def offer(self, now_ns: int, ip_length: int) -> int | Dropped:
        """Put a packet on the link.

        Returns:
            When it comes out at the other end, or why it is dropped.
        """
        starts, waiting = self._starts, self.waiting(now_ns)
        if self._free_at <= now_ns:
            start = now_ns
        elif waiting < self._places:
            start = self._free_at
            starts.append(start)
        else:
            return QUEUE_FULL
        self._free_at = start + (ip_length + PPP_HEADER) * 8_000_000_000 // self._bandwidth_bps
        return self._free_at + self._delay_ns
