"""Facts of an attempt that decide its verdict, whatever its requirements are. Pure.

What the processes did, what the machine did to the traffic, and what is missing in what was
recorded.
"""

from __future__ import annotations

import signal
from dataclasses import replace

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.attempt import AttemptRecord, Ending, SideRecord
from quicmatrix.runner.network.scenarios.scenario import parse_scenario
from quicmatrix.runner.trace.model import Capture, PacketType, Side, Trace
from quicmatrix.testcases.model import Observation

MAX_ACK_DELAY_MS = 25.0
"""By how much endpoints let each other be late: the default of max_ack_delay (RFC 9000, 18.2)."""


def with_gaps(seen: Observation) -> Observation:
    """The same; both captures are damaged if the attempt's record says that they miss something."""
    if not (missing := seen.record.link.incomplete):
        return seen
    left, right = (
        replace(capture, damage=capture.damage or missing)
        for capture in (seen.trace.left, seen.trace.right)
    )
    return replace(seen, trace=Trace(left, right))


def impairment(record: AttemptRecord) -> str:
    """What the machine did to the traffic beyond the scenario; empty if nothing."""
    link = record.link
    if link.kernel_drops:
        return f"the kernel lost {link.kernel_drops} frames"
    worst, limit = link.lateness_ms.worst, _tolerated_ms(record.scenario)
    if worst > limit:
        return f"the middlebox delivered up to {worst:.0f} ms late, which is over {limit:.0f} ms"
    return ""


def _tolerated_ms(scenario: str) -> float:
    """The most that a delivery may be late: a round trip, or what endpoints allow each other."""
    try:
        return max(2 * parse_scenario(scenario).delay_ns / 1e6, MAX_ACK_DELAY_MS)
    except UserError:
        return MAX_ACK_DELAY_MS


def crash(name: str, its: SideRecord) -> str:
    """What ended a side's process, if that means that it crashed; else empty.

    Args:
        name: What it is called, e.g. ``server``.
        its: How it went.
    """
    if its.ending is Ending.LOG_OVERFLOW:
        return f"the {name} flooded its log and was stopped"
    if its.out_of_memory:
        return f"the {name} used more memory than it may"
    if its.exceeded:
        return f"the {name} reached a limit: {', '.join(its.exceeded)}"
    by_us = its.ending is not Ending.EXITED and its.signal in (signal.SIGTERM, signal.SIGKILL)
    if its.signal is not None and not by_us:
        return f"the {name} was ended by {_signal_name(its.signal)}"
    return ""


def damage(seen: Observation) -> str:
    """What is missing in what was recorded; empty if nothing is known to be."""
    missing = [
        f"the {name} capture: {capture.damage}"
        for name, capture in (("left", seen.trace.left), ("right", seen.trace.right))
        if capture.damage
    ]
    if seen.record.link.incomplete:
        missing.append(f"the captures are not complete: {seen.record.link.incomplete}")
    return "; ".join(missing)


def negotiated_version(capture: Capture) -> int | None:
    """The version of the first connection: of the server's Handshake packets, at the latest."""
    for kind in (PacketType.HANDSHAKE, PacketType.INITIAL):
        for packet in capture.packets:
            if packet.sender is Side.SERVER and packet.type is kind:
                return packet.version
    return None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
