"""RFC 9001, 5.5 and 6: packets that cannot be authenticated, and updates of the 1-RTT keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.packets import Shape
from quicmatrix.testcases.conformance.codes import KEY_UPDATE_ERROR
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import acknowledges, closes, discards, shows
from quicmatrix.testcases.conformance.model import case
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

FORGED_PACKETS = 50


@case("rfc9001/6.6/forged-packets", Level.MUST, rows="B-25", expects=discards())
async def forged_packets(tester: Tester) -> None:
    """Forged packets are discarded as long as they are fewer than the AEAD's integrity limit."""
    peer = await tester.connected()
    await peer.settled()
    for _ in range(FORGED_PACKETS):
        await peer.stimulus(frames.ping(), shape=Shape(corrupt=True))


def answers_in_same_phase(exchange: Exchange) -> Iterator[Finding]:
    """Each packet of the stimulus is acknowledged first in a packet with keys as new as its own."""
    for sent in exchange.stimulus_packets:
        assert sent.number is not None
        answer = next(exchange.acknowledgments({sent.number}), None)
        if answer is None:
            yield Violation(f"{sent} is not acknowledged", sent, side=exchange.side)
        elif answer.key_generation != sent.key_generation:
            yield Violation("it acknowledges the update with the old keys", answer, sent)
        else:
            yield Held(answer, sent)


@case(
    "rfc9001/6.2/update-is-answered",
    Level.MUST,
    rows="B-21",
    expects=shows(answers_in_same_phase),
)
async def update_is_answered(tester: Tester) -> None:
    """A key update is acknowledged in a packet with updated keys."""
    peer = await tester.connected()
    await peer.settled()
    peer.connection.update_keys()
    await peer.acknowledged(await peer.stimulus(frames.ping()))


@case(
    "rfc9001/6.4/old-keys-after-new-ones",
    Level.MUST,
    rows="B-22",
    expects=closes(KEY_UPDATE_ERROR, discards=True),
)
async def old_keys_after_new_ones(tester: Tester) -> None:
    """A packet with old keys and a higher number than one with new keys is refused."""
    peer = await tester.connected()
    await peer.settled()
    old = peer.connection.update_keys()
    await peer.settled()
    await peer.stimulus(frames.ping(), shape=Shape(keys=old))


@case(
    "rfc9001/6.1/delayed-packet-with-old-keys",
    Level.SHOULD,
    rows="B-24",
    expects=acknowledges(),
)
async def delayed_packet_with_old_keys(tester: Tester) -> None:
    """A packet from before a key update that arrives soon after it is still processed."""
    peer = await tester.connected()
    await peer.settled()
    delayed = peer.packet(frames.ping())
    peer.connection.update_keys()
    await peer.settled()
    peer.send_datagram(delayed.datagram, step="stimulus", sent=delayed)
    await peer.acknowledged(delayed)
