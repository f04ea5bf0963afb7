"""Statistics of a connection."""

from __future__ import annotations

import math
from dataclasses import dataclass

from aioquic.quic.packet import QuicProtocolVersion
from aioquic.tls import Epoch

from quicmatrix.endpoint.transport.packets.ecn import EcnState
from quicmatrix.endpoint.transport.sockets.driver import Driver


@dataclass(frozen=True, slots=True)
class Statistics:
    """Times in seconds, sizes in bytes, counts since the connection began."""

    smoothed_rtt_s: float
    """RFC 9002, 5.3; 0 before the first sample."""
    latest_rtt_s: float
    least_rtt_s: float
    """0 before the first sample."""
    rtt_variation_s: float
    congestion_window: int
    bytes_in_flight: int
    bytes_sent: int
    """In datagrams, without the headers of UDP and IP."""
    bytes_received: int
    """As above; damaged datagrams and duplicates count."""
    packets_sent: int
    """By their numbers, of which a few may have been skipped."""
    packets_lost: int
    """Declared lost; PMTU probes count."""
    ecn: str
    """``testing``, ``capable`` or ``failed`` (RFC 9000, 13.4.2)."""
    path_mtu: int
    """The largest datagram that is sent now, without the headers of UDP and IP."""
    version: str
    """``VERSION_1`` or ``VERSION_2``."""
    key_phase: int
    """0 or 1, of what we send (RFC 9001, 6)."""


def read_statistics(driver: Driver) -> Statistics:
    """The figures of a driven connection."""
    connection = driver.connection
    loss = connection._loss  # noqa: SLF001 - aioquic publishes none of its figures
    version = connection._version  # noqa: SLF001
    keys = connection._cryptos.get(Epoch.ONE_RTT)  # noqa: SLF001
    return Statistics(
        smoothed_rtt_s=loss._rtt_smoothed,  # noqa: SLF001
        latest_rtt_s=loss._rtt_latest,  # noqa: SLF001
        least_rtt_s=0.0 if math.isinf(loss._rtt_min) else loss._rtt_min,  # noqa: SLF001
        rtt_variation_s=loss._rtt_variance,  # noqa: SLF001
        congestion_window=loss.congestion_window,
        bytes_in_flight=loss.bytes_in_flight,
        bytes_sent=driver.bytes_sent,
        bytes_received=driver.bytes_received,
        packets_sent=connection._packet_number,  # noqa: SLF001
        packets_lost=connection.packets_lost,
        ecn=_ECN[connection.ecn_state],
        path_mtu=connection.datagram_size,
        version="" if version is None else QuicProtocolVersion(version).name,
        key_phase=0 if keys is None else keys.key_phase,
    )


_ECN = {EcnState.TESTING: "testing", EcnState.CAPABLE: "capable", EcnState.FAILED: "failed"}
