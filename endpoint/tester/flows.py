"""What comes before the connection that a case is about: a Retry, or a connection with a ticket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quicmatrix.endpoint.tester import packets
from quicmatrix.endpoint.tester.streams import NoStimulusError
from quicmatrix.endpoint.tester.tester import random_id

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.peer import Peer
    from quicmatrix.endpoint.tester.tester import Tester

RETRY_TOKEN = b"a token of the tester"


async def send_retry(tester: Tester, *, token: bytes = RETRY_TOKEN) -> dict[str, Any]:
    """Server: answer a client's Initial with a Retry (RFC 9000, 17.2.5).

    Returns:
        What :meth:`Tester.connecting` is to be told of it.
    """
    _, address, header = await tester.initial()
    source = random_id()
    datagram = packets.retry(
        version=header.version or 1,
        source_cid=source,
        destination_cid=header.source_cid,
        original_destination_cid=header.destination_cid,
        retry_token=token,
    )
    tester.send(datagram, address)
    return {"retry_source": source, "original_destination": header.destination_cid}


async def first_connection(tester: Tester, **changes: Any) -> Peer:  # noqa: ANN401
    """Make a connection that gives a session ticket, and end it. ``changes`` as usual."""
    peer = await tester.connected(**changes)
    if tester.is_client:
        if not await peer.until(lambda: bool(peer.tickets), "a session ticket"):
            raise NoStimulusError("the server sent no session ticket")
        peer.connection.end(0)
        peer.flush()
    else:
        for stream_id, path in list(peer.requests.items())[:1]:
            peer.respond(stream_id, tester.file(path))
        await peer.until(lambda: peer.is_over, "the end of the first connection")
    return peer
