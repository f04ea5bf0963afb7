"""RFC 9000, 17.2.5.1 to 17.2.5.3: what a client does with Retry packets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester.tester import random_id
from quicmatrix.runner.trace.model import Packet, PacketType
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import all_of, goes_on, keeps, shows
from quicmatrix.testcases.conformance.model import CLIENT, case
from quicmatrix.testcases.conformance.openings import retried, retry
from quicmatrix.testcases.conformance.replies import stimulus_header
from quicmatrix.testcases.interop.retry import (
    client_does_not_reset_the_packet_number,
    client_keeps_its_connection_id,
    client_sends_the_same_client_hello,
    client_uses_the_retrys_connection_id,
)
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

OTHER_TOKEN = b"another token"


def ignores_the_retry(exchange: Exchange) -> Iterator[Finding]:
    """No Initial packet with the token or the connection ID of the Retry."""
    answer = stimulus_header(exchange)
    known = {packet.dcid for packet in _initials(exchange, before=True)}
    for packet in _initials(exchange):
        if answer.token and packet.token == answer.token:
            yield Violation("it sends the Retry's token", packet, answer)
            return
        if packet.dcid == answer.scid and packet.dcid not in known:
            yield Violation("it sends to the Retry's connection ID", packet, answer)
            return
    yield Held(exchange.stimulus, message="it ignores the Retry packet")


IGNORES = all_of(shows(ignores_the_retry), goes_on())


@case(
    "rfc9000/17.2.5.2/wrong-integrity-tag",
    Level.MUST,
    rows="C-13",
    roles=CLIENT,
    expects=IGNORES,
)
async def wrong_integrity_tag(tester: Tester) -> None:
    """A client discards a Retry packet whose integrity tag is not right."""
    first = await tester.initial()
    right = retry(first, random_id())
    tester.send(right[:-1] + bytes([right[-1] ^ 1]), first.address, step="stimulus")
    await tester.connected(first=first)


@case(
    "rfc9000/17.2.5.2/no-token",
    Level.MUST,
    rows="C-14",
    roles=CLIENT,
    expects=IGNORES,
)
async def no_token(tester: Tester) -> None:
    """A client discards a Retry packet without a token."""
    first = await tester.initial()
    tester.send(retry(first, random_id(), token=b""), first.address, step="stimulus")
    await tester.connected(first=first)


@case(
    "rfc9000/17.2.5.1/same-connection-id",
    Level.MUST,
    rows="C-15",
    roles=CLIENT,
    expects=IGNORES,
)
async def same_connection_id(tester: Tester) -> None:
    """A client discards a Retry packet whose Source Connection ID is the one that it made up."""
    first = await tester.initial()
    tester.send(retry(first, first.header.destination_cid), first.address, step="stimulus")
    await tester.connected(first=first)


@case(
    "rfc9000/17.2.5.2/second-retry",
    Level.MUST,
    rows="C-16",
    roles=CLIENT,
    expects=IGNORES,
)
async def second_retry(tester: Tester) -> None:
    """A client accepts one Retry packet in an attempt, and discards the second."""
    first = await tester.initial()
    source = random_id()
    tester.send(retry(first, source), first.address)
    second = await tester.initial(source)
    tester.send(retry(second, random_id(), token=OTHER_TOKEN), second.address, step="stimulus")
    await tester.connected(
        first=second,
        retry_source=source,
        original_destination=first.header.destination_cid,
    )


@case(
    "rfc9000/17.2.5.2/retry-after-an-initial",
    Level.MUST,
    rows="C-16",
    roles=CLIENT,
    expects=IGNORES,
)
async def retry_after_an_initial(tester: Tester) -> None:
    """A client that has processed an Initial packet of the server discards Retry packets."""
    first = await tester.initial()
    peer = await tester.connecting(first=first)
    known = len(peer.arrivals)
    await peer.until(lambda: len(peer.arrivals) > known, "an answer")
    peer.send_datagram(retry(first, random_id()), step="stimulus")


def _initials(exchange: Exchange, *, before: bool = False) -> list[Packet]:
    at = exchange.stimulus.frame_number
    return [
        packet
        for packet in exchange.capture.packets
        if packet.sender is exchange.side
        and packet.type is PacketType.INITIAL
        and (packet.datagram.frame_number < at) is before
    ]


@case(
    "rfc9000/17.2.5.2/connection-ids-after-retry",
    Level.MUST,
    rows="C-17",
    roles=CLIENT,
    expects=keeps(
        client_uses_the_retrys_connection_id,
        client_keeps_its_connection_id,
        needs=PacketType.INITIAL,
    ),
)
async def connection_ids_after_retry(tester: Tester) -> None:
    """After a Retry packet a client sends to its connection ID, and keeps its own."""
    await retried(tester)


@case(
    "rfc9000/17.2.5.3/packet-numbers-after-retry",
    Level.MUST,
    rows="C-17",
    roles=CLIENT,
    expects=keeps(client_does_not_reset_the_packet_number, needs=PacketType.INITIAL),
)
async def packet_numbers_after_retry(tester: Tester) -> None:
    """A client does not reset its packet numbers after a Retry packet."""
    await retried(tester)


@case(
    "rfc9000/17.2.5.3/client-hello-after-retry",
    Level.MUST,
    rows="C-17",
    roles=CLIENT,
    expects=keeps(client_sends_the_same_client_hello, needs=PacketType.INITIAL),
)
async def client_hello_after_retry(tester: Tester) -> None:
    """A client sends the same ClientHello after a Retry packet as before."""
    await retried(tester)
