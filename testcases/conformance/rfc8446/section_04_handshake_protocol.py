"""RFC 8446, 4: the handshake's messages, as far as QUIC leaves them to TLS."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from aioquic.tls import HandshakeType

from quicmatrix.endpoint.tester import flows, tls_messages
from quicmatrix.endpoint.tester.connection import withholding
from quicmatrix.endpoint.tester.peer import HANDSHAKE, INITIAL, next_crypto
from quicmatrix.testcases.conformance.codes import (
    DECODE_ERROR,
    DECRYPT_ERROR,
    UNEXPECTED_MESSAGE,
)
from quicmatrix.testcases.conformance.expectations import closes
from quicmatrix.testcases.conformance.model import RESUMPTION, SERVER, case
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester


@case(
    "rfc8446/4/unknown-message-in-the-handshake",
    Level.MUST,
    rows="P-25",
    expects=closes(UNEXPECTED_MESSAGE, DECODE_ERROR),
)
async def unknown_message_in_the_handshake(tester: Tester) -> None:
    """A message of an unknown type, where another one is due, ends the handshake."""
    kind = INITIAL if tester.is_client else HANDSHAKE
    peer = await tester.connecting(prepare=withholding(kind))
    messages = tls_messages.unknown() + await peer.withheld(kind)
    await peer.send_crypto(messages, kind=kind, step="stimulus")


@case(
    "rfc8446/4/unknown-message-after-the-handshake",
    Level.MUST,
    rows="P-31",
    expects=closes(UNEXPECTED_MESSAGE, DECODE_ERROR),
)
async def unknown_message_after_the_handshake(tester: Tester) -> None:
    """A message of an unknown type after the handshake closes the connection."""
    peer = await tester.connected()
    await peer.stimulus(next_crypto(peer, tls_messages.unknown()))


@case(
    "rfc8446/4.4.4/wrong-finished",
    Level.MUST,
    rows="P-27",
    expects=closes(DECRYPT_ERROR),
)
async def wrong_finished(tester: Tester) -> None:
    """A Finished whose verify_data is wrong ends the handshake with decrypt_error."""
    peer = await tester.connecting(
        alter_message=tls_messages.with_flipped_byte(HandshakeType.FINISHED),
        prepare=withholding(HANDSHAKE),
    )
    await peer.send_crypto(await peer.withheld(), kind=HANDSHAKE, step="stimulus")


@case(
    "rfc8446/4.2.11/wrong-binder",
    Level.MUST,
    rows="S-42",
    roles=SERVER,
    flow=RESUMPTION,
    expects=closes(DECRYPT_ERROR),
)
async def wrong_binder(tester: Tester) -> None:
    """A pre-shared key whose binder does not validate ends the handshake."""
    first = await flows.first_connection(tester)
    assert first.ticket is not None
    await tester.connecting(
        ticket=dataclasses.replace(first.ticket, max_early_data_size=None),
        alter_message=tls_messages.with_flipped_byte(HandshakeType.CLIENT_HELLO),
        stimulus=True,
    )
