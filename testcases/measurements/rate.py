"""The metric of both measurements: how fast a file came through, as the client's side saw it."""

from __future__ import annotations

from quicmatrix.runner.trace.model import Packet, PacketType, Side, Trace
from quicmatrix.testcases.model import Inconclusive, Metric
from quicmatrix.testcases.views.view import arrived, complete


def goodput_of(file_bytes: int) -> Metric:
    """The goodput of a file, as quic-interop-runner defines it.

    That is 8 x the file's bytes over the time from the first to the last 1-RTT packet of the
    server in the capture next to the client. So neither the handshake counts, nor how long the
    server takes to close.
    """

    def goodput_kbps(trace: Trace) -> float:
        first, last = transfer(trace)
        elapsed_ms = (last.time - first.time) * 1000
        if elapsed_ms <= 0:
            raise Inconclusive("all 1-RTT packets of the server arrived at the same time")
        return 8 * file_bytes / elapsed_ms

    return goodput_kbps


def transfer(trace: Trace) -> tuple[Packet, Packet]:
    """The first and the last 1-RTT packet of the server that reached the client.

    Raises:
        Inconclusive: There are none, or others may be hidden.
    """
    packets = arrived(trace, Side.CLIENT, PacketType.ONE_RTT)
    complete(packets)
    if not packets:
        raise Inconclusive("no 1-RTT packet of the server reached the client")
    return packets.items[0], packets.items[-1]
