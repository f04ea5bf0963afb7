"""RFC 9000, 17.2: packets with a long header."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester.packets import Shape
from quicmatrix.runner.trace.model import EncryptedExtensions
from quicmatrix.testcases.conformance.exchange import Exchange
from quicmatrix.testcases.conformance.expectations import shows
from quicmatrix.testcases.conformance.model import SERVER, Case, case
from quicmatrix.testcases.conformance.openings import (
    client_hello,
    first_initial,
    unknown_version,
    unsent,
)
from quicmatrix.testcases.conformance.replies import negotiates_version, no_reply, silence
from quicmatrix.testcases.model import Finding, Level, NotExercised

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

LONGEST_ID = 255


def _long_ids(size: int) -> Case:
    async def script(tester: Tester) -> None:
        datagram = unknown_version(os.urandom(size), os.urandom(size))
        tester.send(datagram, tester.new_path(), step="stimulus")
        await tester.answers()
        await tester.connected()

    script.__doc__ = (
        f"An unknown version with connection IDs of {size} bytes is answered with them in a "
        "Version Negotiation packet."
    )
    return case(
        f"rfc9000/17.2/unknown-version-with-connection-ids-of-{size}-bytes",
        Level.SHOULD,
        rows="S-04",
        roles=SERVER,
        expects=negotiates_version(echoes=True),
    )(script)


UNKNOWN_VERSION_WITH_IDS_OF_21_BYTES = _long_ids(21)
UNKNOWN_VERSION_WITH_IDS_OF_255_BYTES = _long_ids(LONGEST_ID)


@case(
    "rfc9000/17.2/destination-connection-id-of-21-bytes",
    Level.MUST,
    rows="S-11",
    roles=SERVER,
    expects=no_reply(),
)
async def destination_connection_id_of_21_bytes(tester: Tester) -> None:
    """A packet of version 1 whose Destination Connection ID has more than 20 bytes is dropped."""
    peer = await unsent(tester, elsewhere=True)
    hello = first_initial(peer.client_hello, os.urandom(21), peer.connection.host_cid)
    peer.send_datagram(hello, step="stimulus")
    await tester.connected()


@case(
    "rfc9000/17.2/source-connection-id-of-21-bytes",
    Level.MUST,
    rows="S-11",
    roles=SERVER,
    expects=no_reply(),
)
async def source_connection_id_of_21_bytes(tester: Tester) -> None:
    """A packet of version 1 whose Source Connection ID has more than 20 bytes is dropped."""
    peer = await unsent(tester, elsewhere=True)
    hello = first_initial(peer.client_hello, os.urandom(8), os.urandom(21))
    peer.send_datagram(hello, step="stimulus")
    await tester.connected()


def no_reply_unless_greased(exchange: Exchange) -> Iterator[Finding]:
    """No answer, from an endpoint that does not announce grease_quic_bit (RFC 9287, 3)."""
    announced = any(
        message.transport_parameters.grease_quic_bit
        for packet in exchange.after
        for message in packet.tls
        if isinstance(message, EncryptedExtensions)
    )
    if announced:
        yield NotExercised("it announces grease_quic_bit")
    else:
        yield from silence()(exchange)


@case(
    "rfc9000/17.2/fixed-bit-of-0",
    Level.MUST,
    rows="S-13",
    roles=SERVER,
    expects=shows(no_reply_unless_greased),
)
async def fixed_bit_of_0(tester: Tester) -> None:
    """A server discards a packet of version 1 whose fixed bit is 0."""
    peer = await unsent(tester, elsewhere=True)
    hello = client_hello(peer, Shape(number=0, fixed_bit=False))
    peer.send_datagram(hello.datagram, step="stimulus", sent=hello)
    await tester.connected()
