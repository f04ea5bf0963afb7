"""How many handshakes there are.

A server's handshakes differ in the Source Connection ID of its Initial packets (RFC 9000, 7.2). But
one connection of a client may have two: a server answers an Initial whose token was damaged on the
way with a Retry (8.1.3), and accepts an intact copy of it. The client goes on with one of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import Packet, PacketType, Side, Trace
from quicmatrix.testcases.model import Finding, Held, Level, Observation, Violation, requirement
from quicmatrix.testcases.views.handshakes import Handshake, handshakes
from quicmatrix.testcases.views.view import View, arrived, complete, decrypted, sent


@requirement(Level.TEST, "interop suite", compat=True)
def one_handshake(seen: Observation) -> Iterator[Finding]:
    """There is exactly one handshake; one that is begun anew after a Retry is the same."""
    yield from _exactly(1, seen.trace)


@requirement(Level.TEST, "interop suite", compat=True)
def two_handshakes(seen: Observation) -> Iterator[Finding]:
    """There are exactly two handshakes; one that is begun anew after a Retry is the same."""
    yield from _exactly(2, seen.trace)


@requirement(Level.TEST, "interop suite", compat=True)
def fifty_handshakes(seen: Observation) -> Iterator[Finding]:
    """There are exactly 50 handshakes; one that is begun anew after a Retry is the same."""
    yield from _exactly(50, seen.trace)


def _exactly(expected: int, trace: Trace) -> Iterator[Finding]:
    seen = handshakes(trace)
    found = View(tuple(_by_client_connection(seen, trace)), seen.gap)
    if len(found) <= expected:
        complete(found)
    if not found:
        yield _no_handshake(trace)
    elif len(found) == expected:
        yield from (Held(handshake.first) for handshake in found)
    else:
        # What was damaged on the way is no attempt: its connection IDs may be wrong.
        attempts = {packet.connection for packet in decrypted(_attempts(trace))}
        yield Violation(
            f"there {'is' if len(found) == 1 else 'are'} {len(found)} instead of {expected}",
            *(handshake.first for handshake in found),
            # A server may answer one attempt twice, but only a client opens connections.
            side=Side.SERVER if len(attempts) < len(found) > expected else Side.CLIENT,
        )


def _by_client_connection(found: View[Handshake], trace: Trace) -> Iterator[Handshake]:
    """All handshakes but those begun anew, after a Retry, for a connection that has one already."""
    retries = sent(trace, Side.SERVER, PacketType.RETRY)
    retried = {identity for retry in retries for identity in _client_connection(retry)}
    begun: set[object] = set()
    for handshake in found:
        identities = _client_connection(handshake.first) & retried
        if not identities & begun:
            yield handshake
        begun |= identities


def _client_connection(packet: Packet) -> set[object]:
    """What identifies the client's connection in a packet of the server: a Retry leaves both."""
    named = {(packet.path, packet.dcid)} if packet.dcid else set()
    return named | ({packet.connection} - {None})


def _no_handshake(trace: Trace) -> Violation:
    attempts = _attempts(trace).items
    if attempts:
        return Violation("no Initial packet is answered", attempts[0], side=Side.SERVER)
    return Violation(
        "no Initial packet reaches the server",
        *sent(trace, Side.CLIENT, PacketType.INITIAL).items[:1],
        side=Side.CLIENT,
    )


def _attempts(trace: Trace) -> View[Packet]:
    return arrived(trace, Side.SERVER, PacketType.INITIAL)
