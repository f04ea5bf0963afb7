"""RFC 9000, 17.2.5: Retry packets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.packets import DATAGRAM_BYTES, Shape
from quicmatrix.endpoint.tester.peer import INITIAL
from quicmatrix.runner.trace.model import Packet, PacketType
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import shows
from quicmatrix.testcases.conformance.model import RETRY, SERVER, case
from quicmatrix.testcases.conformance.openings import client_hello, unsent
from quicmatrix.testcases.conformance.replies import stimulus_header
from quicmatrix.testcases.model import Finding, Held, Level, Violation
from quicmatrix.testcases.views.datagrams import AMPLIFICATION

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


def retries(exchange: Exchange) -> tuple[Packet, ...]:
    """The Retry packets that answer the stimulus, or are sent later."""
    return tuple(one for one in exchange.after if one.type is PacketType.RETRY)


def sends_right_retries(exchange: Exchange) -> Iterator[Finding]:
    """Retry packets with a token and a right tag, addressed to who sent the Initial."""
    asked = stimulus_header(exchange)
    for packet in retries(exchange):
        if not packet.token:
            yield Violation("it has no token", packet)
        elif packet.dcid != asked.scid:
            words = "its Destination Connection ID is not the client's Source Connection ID"
            yield Violation(words, packet, asked)
        elif packet.retry_integrity_valid is False:
            yield Violation("its integrity tag is not right", packet, asked)
        else:
            yield Held(packet, asked)


@case(
    "rfc9000/17.2.5/retry-is-right",
    Level.MUST,
    rows="S-27",
    roles=SERVER,
    flow=RETRY,
    expects=shows(sends_right_retries),
)
async def retry_is_right(tester: Tester) -> None:
    """A Retry packet has a token, a right integrity tag, and the client's connection ID."""
    await tester.connected(stimulus=True)


def sends_new_connection_ids(exchange: Exchange) -> Iterator[Finding]:
    """Retry packets from another connection ID than the client made up."""
    asked = stimulus_header(exchange)
    for packet in retries(exchange):
        if packet.scid == asked.dcid:
            words = "its Source Connection ID is the client's Destination Connection ID"
            yield Violation(words, packet, asked)
        else:
            yield Held(packet, asked)


@case(
    "rfc9000/17.2.5.1/retry-from-a-new-connection-id",
    Level.MUST,
    rows="S-28",
    roles=SERVER,
    flow=RETRY,
    expects=shows(sends_new_connection_ids),
)
async def retry_from_a_new_connection_id(tester: Tester) -> None:
    """A Retry's Source Connection ID is not the Destination Connection ID that it answers."""
    await tester.connected(stimulus=True)


def sends_one_small_retry(exchange: Exchange) -> Iterator[Finding]:
    """One Retry packet for one datagram, no larger than three times."""
    found, stimulus = retries(exchange), exchange.stimulus
    if len(found) > 1:
        yield Violation(f"it answers one datagram with {len(found)} Retry packets", *found)
    for packet in found[:1]:
        if packet.datagram.size > AMPLIFICATION * stimulus.size:
            yield Violation(f"it has {packet.datagram.size} bytes", packet, stimulus)
        else:
            yield Held(packet, stimulus)


@case(
    "rfc9000/17.2.5.1/one-retry-for-a-datagram",
    Level.MUST,
    rows="S-28",
    roles=SERVER,
    flow=RETRY,
    expects=shows(sends_one_small_retry),
)
async def one_retry_for_a_datagram(tester: Tester) -> None:
    """Two Initial packets in one datagram are answered with one Retry at most."""
    peer = await unsent(tester)
    hello = client_hello(peer, Shape(number=0, datagram_size=0))
    shape = Shape(datagram_size=DATAGRAM_BYTES - len(hello.datagram))
    second = peer.packet(frames.crypto(peer.client_hello), kind=INITIAL, shape=shape)
    peer.send_datagram(hello.datagram + second.datagram, step="stimulus")
    await peer.until(lambda: bool(peer.arrivals), "an answer")
    peer.release()
