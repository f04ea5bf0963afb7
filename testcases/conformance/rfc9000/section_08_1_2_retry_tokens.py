"""RFC 9000, 8.1.2 and 8.1.4: address validation using Retry packets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.packets import Shape
from quicmatrix.endpoint.tester.peer import INITIAL, random_bytes
from quicmatrix.endpoint.tester.streams import NoStimulusError
from quicmatrix.runner.trace.model import Crypto, PacketType
from quicmatrix.testcases.conformance.codes import INVALID_TOKEN
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import closes, shows
from quicmatrix.testcases.conformance.model import RETRY, SERVER, case
from quicmatrix.testcases.conformance.openings import client_hello, unsent
from quicmatrix.testcases.conformance.replies import replies
from quicmatrix.testcases.model import Finding, Held, Level, Violation

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.peer import Peer
    from quicmatrix.endpoint.tester.tester import Tester


async def _with_retry(tester: Tester) -> Peer:
    """A connection that was sent a Retry, and whose second ClientHello the script is to send."""
    peer = await unsent(tester)
    hello = client_hello(peer)
    peer.send_datagram(hello.datagram, sent=hello)
    if not await peer.until(lambda: bool(peer.connection.token), "a Retry packet"):
        raise NoStimulusError("the server sends no Retry packet")
    peer.forget_flight()
    return peer


def _flipped(token: bytes) -> bytes:
    at = len(token) // 2
    return token[:at] + bytes([token[at] ^ 1]) + token[at + 1 :]


@case(
    "rfc9000/8.1.2/invalid-retry-token",
    Level.SHOULD,
    rows="S-30",
    roles=SERVER,
    flow=RETRY,
    expects=closes(INVALID_TOKEN),
)
async def invalid_retry_token(tester: Tester) -> None:
    """A Retry token that is not valid closes the connection with INVALID_TOKEN."""
    peer = await _with_retry(tester)
    hello = client_hello(peer, Shape(token=_flipped(peer.connection.token)))
    peer.send_datagram(hello.datagram, step="stimulus", sent=hello)
    await peer.until(lambda: len(peer.arrivals) > 1, "an answer")
    peer.release()


def does_not_accept_the_address(exchange: Exchange) -> Iterator[Finding]:
    """No handshake with who came with a token of another address."""
    for _, packets in replies(exchange):
        for packet in packets:
            has_crypto = any(isinstance(frame, Crypto) for frame in packet.frames)
            if packet.type is PacketType.HANDSHAKE or has_crypto:
                words = "it goes on with the handshake"
                yield Violation(words, packet, exchange.stimulus)
                return
    yield Held(exchange.stimulus, message="it does not go on with the handshake")


@case(
    "rfc9000/8.1.4/retry-token-from-another-port",
    Level.SHOULD,
    rows="S-31",
    roles=SERVER,
    flow=RETRY,
    expects=shows(does_not_accept_the_address),
)
async def retry_token_from_another_port(tester: Tester) -> None:
    """A Retry token is valid for the address and port that it was sent to."""
    peer = await _with_retry(tester)
    hello = client_hello(peer, Shape(token=peer.connection.token))
    elsewhere = tester.new_path(is_watched=True)
    peer.send_datagram(hello.datagram, path=elsewhere, step="stimulus", sent=hello)
    await tester.answers()
    await tester.connected(path=tester.new_path())


@case(
    "rfc9000/17.2.5.3/other-client-hello-after-retry",
    Level.MAY,
    rows="S-36",
    roles=SERVER,
    flow=RETRY,
    expects=shows(does_not_accept_the_address),
)
async def other_client_hello_after_retry(tester: Tester) -> None:
    """A server may refuse a ClientHello that is not the one from before its Retry."""
    peer = await _with_retry(tester)
    hello = _with_other_random(peer.client_hello)
    token = Shape(token=peer.connection.token)
    await peer.stimulus(frames.crypto(hello), kind=INITIAL, shape=token)
    await peer.until(lambda: len(peer.arrivals) > 1, "an answer")
    await tester.connected(path=tester.new_path())


def _with_other_random(hello: bytes) -> bytes:
    """A ClientHello with another Random, which is in bytes 6 to 37 (RFC 8446, 4.1.2)."""
    return hello[:6] + random_bytes(32) + hello[38:]
