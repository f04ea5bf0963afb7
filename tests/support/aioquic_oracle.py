"""What plain aioquic 1.7.2 must be found to violate, which is known from reading and trying it.

``ROWS`` has docs/upstream.md, row by row: the cases that show on the wire what the row says.
``VIOLATED`` is all of MUST that was found, frozen: what comes or goes means that aioquic,
a case or the judge has changed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "upstream.md"

_SLOW = "it costs time or memory, and no packet is wrong"
_LEGAL = "the RFC allows it, or only recommends otherwise"
_NO_CASE = "no case provokes it"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of docs/upstream.md."""

    begins: str
    """The beginning of its first cell."""
    cases: tuple[str, ...] = ()
    """``case role`` for each that must come out violated."""
    reason: str = ""
    """Why there is none."""


def rows_of_document() -> list[str]:
    """The first cells of the table's rows."""
    text = DOCUMENT.read_text(encoding="utf-8")
    cells = re.findall(r"^\| ([^|]+?) \|", text, re.MULTILINE)
    return [cell for cell in cells if cell != "aioquic 1.7.2"]


ROWS = (
    Row(
        "A client makes up another ClientHello after Retry",
        ("rfc9000/17.2.5.3/client-hello-after-retry client",),
    ),
    Row("The peer's ack_delay_exponent", reason="it is a calculation inside"),
    Row("A server closes the connection if the first Initial", reason=_NO_CASE),
    Row("The probe timeout before the first RTT sample", reason=_LEGAL),
    Row("Datagrams with Initial packets are expanded by zero bytes", reason=_LEGAL),
    Row("A token that fills a datagram", reason=_NO_CASE),
    Row("A server name of 256 bytes", reason=_NO_CASE),
    Row("A reason phrase that fits no packet", reason=_NO_CASE),
    Row("A flight of more than 16 kB", reason=_NO_CASE),
    Row("After compatible version negotiation the client's Initial", reason=_NO_CASE),
    Row("The server's order of versions", reason=_LEGAL),
    Row("0-RTT goes on, and is expected, in the negotiated version", reason=_NO_CASE),
    Row("Packets that arrive before their keys are dropped", reason=_LEGAL),
    Row(
        "After Version Negotiation the server's available versions",
        (
            "rfc9368/4/nothing-available-after-version-negotiation client",
            "rfc9368/4/missing-after-version-negotiation client",
        ),
    ),
    Row("A Version Negotiation packet is believed", reason=_LEGAL),
    Row(
        "Version Negotiation answers datagrams below 1200 bytes",
        ("rfc9000/5.2.2/small-datagram-of-unknown-version server",),
    ),
    Row("Rejected 0-RTT data is sent again only", reason=_SLOW),
    Row(
        "Rejected 0-RTT is sent again beyond the new limits",
        reason="the case lowers initial_max_data, which it keeps to",
    ),
    Row("No ECN", reason="an endpoint that cannot read marks need not report any"),
    Row("ACKs go out 1 ms", reason=_SLOW),
    Row("A packet of a transfer is copied", reason=_SLOW),
    Row("PADDING frames are looked at", reason=_SLOW),
    Row("Flow control windows double", reason=_SLOW),
    Row("A server has no way to offer", reason=_LEGAL),
    Row("A client ignores a preferred address", reason=_LEGAL),
    Row("Congestion control and RTT survive", reason="it is a calculation inside"),
    Row("On a new path an ACK may go", reason=_LEGAL),
    Row("Without a spare connection ID", reason=_NO_CASE),
    Row(
        "After a PATH_CHALLENGE that the anti-amplification limit",
        ("rfc9000/8.2.1/small-path-challenge-is-followed-by-a-large-one server",),
    ),
    Row(
        "No stateless reset is sent or noticed",
        ("rfc9000/10.3.1/token-in-use server", "rfc9000/10.3.1/token-in-use client"),
    ),
    Row("A first Initial with a Destination Connection ID of 7", reason=_LEGAL),
    Row("A transport parameter may be there twice", reason=_LEGAL),
    Row("A DATAGRAM frame that fits no packet", reason=_NO_CASE),
    Row("No path MTU discovery", reason=_LEGAL),
    Row("A server neither sends NEW_TOKEN", reason=_LEGAL),
    Row("CONNECTION_CLOSE is sent once", reason=_LEGAL),
    Row("Old 1-RTT keys are dropped", reason=_LEGAL),
    Row("qlog is written", reason="it is in no packet"),
    Row("Probes have no ACK frame", reason=_SLOW),
    Row("The QUIC bit is neither greased", reason=_LEGAL),
    Row("A packet for another connection ID than the first", reason=_LEGAL),
    Row(
        "A server processes a client's Initial whose Source",
        ("rfc9000/7.2/source-connection-id-changes server",),
    ),
    Row(
        "A client processes a server's Initial that has a token",
        ("rfc9000/17.2.2/token-of-a-server client",),
    ),
    Row(
        "A client gives up over a Version Negotiation", ("rfc8999/6/no-version-in-the-list client",)
    ),
    Row("An ACK of packets that were not sent", reason=_LEGAL),
    Row("An empty NEW_TOKEN", ("rfc9000/19.7/empty-token client",)),
    Row("Retire Prior To above the Sequence Number", reason="the code is a SHOULD"),
    Row(
        "A connection ID that comes after its retirement",
        ("rfc9000/19.15/late-connection-id server", "rfc9000/19.15/late-connection-id client"),
    ),
    Row("A peer that takes back all connection IDs", reason=_NO_CASE),
    Row(
        "NEW_CONNECTION_ID is taken from a peer without",
        (
            "rfc9000/19.15/new-connection-id-of-peer-without server",
            "rfc9000/19.15/new-connection-id-of-peer-without client",
        ),
    ),
    Row("A max_idle_timeout of 0", reason=_NO_CASE),
    Row(
        "A stateless_reset_token may have any length",
        (
            "rfc9000/18.2/stateless-reset-token-15-bytes client",
            "rfc9000/18.2/stateless-reset-token-17-bytes client",
        ),
    ),
    Row("Retire Prior To is always 0", reason=_LEGAL),
    Row("STREAMS_BLOCKED is not sent again", reason=_NO_CASE),
    Row("DATA_BLOCKED and STREAM_DATA_BLOCKED", reason=_LEGAL),
    Row("Keys are updated again before", reason=_NO_CASE),
    Row("Old keys after new ones", reason="it drops such packets, which is legal"),
    Row("The limits of an AEAD", reason="it takes 2^23 packets"),
    Row("The spin bit is on", reason=_NO_CASE),
    Row("A TLS KeyUpdate behind Finished", reason="what the case sends is answered with 0x10a"),
    Row("A client without a ticket handler", reason="the adapter has one"),
    Row("16 MB of a TLS message", reason=_LEGAL),
    Row(
        "CRYPTO data of any level goes to TLS",
        reason="the case sends a message that TLS does not know",
    ),
    Row("max_early_data_size is not checked", reason="the adapter has a ticket handler"),
    Row("Lengths of extensions, duplicates", reason=_NO_CASE),
    Row("A certificate of an unknown version", reason=_NO_CASE),
    Row("Every fault of a chain", reason="the code is a SHOULD"),
    Row("A wrong PSK binder", reason="the code is a SHOULD"),
    Row("No HelloRetryRequest", reason=_NO_CASE),
    Row(
        "Tickets forget ALPN and limits",
        ("rfc9369/5/ticket-of-version-2-in-version-1 server",),
    ),
    Row(
        "GOAWAY and CANCEL_PUSH are skipped unread",
        (
            "rfc9114/7.1/goaway-with-more-bytes server",
            "rfc9114/7.1/goaway-with-more-bytes client",
            "rfc9114/7.1/cancel-push-with-more-bytes server",
            "rfc9114/5.2/goaway-identifier-grows client",
            "rfc9114/6.1/server-initiated-bidirectional-stream client",
            "rfc9114/7.2.3/cancel-push-of-an-unknown-push server",
            "rfc9204/4.2/encoder-stream-ends server",
            "rfc9204/4.2/decoder-stream-ends client",
        ),
    ),
    Row(
        "A negative Base of a field section",
        ("rfc9204/4.5.1.2/negative-base server", "rfc9204/4.5.1.2/negative-base client"),
    ),
    Row("PRIORITY_UPDATE is skipped", reason=_NO_CASE),
    Row("SETTINGS_H3_DATAGRAM without", reason=_NO_CASE),
    Row(
        "Malformed messages end the connection",
        (
            "rfc9114/4.3.1/host-alone server",
            "rfc9114/4.3.1/no-scheme server",
            "rfc9114/4.3.1/another-host server",
        ),
    ),
    Row(
        "HEADERS, SETTINGS and blocked streams without limit",
        reason="the case is answered with 0x200",
    ),
    Row("Packet and time thresholds", reason=_LEGAL),
    Row("A finished connection is kept", reason="it is in no packet"),
    Row("The server's Retry and NEW_TOKEN tokens", reason=_LEGAL),
)

VIOLATED: frozenset[str] = frozenset(
    (
        "rfc8999/6/no-version-in-the-list client",
        "rfc9000/10.3.1/token-in-use client",
        "rfc9000/10.3.1/token-in-use server",
        "rfc9000/17.2.2/token-of-a-server client",
        "rfc9000/17.2.5.3/client-hello-after-retry client",
        "rfc9000/18.2/stateless-reset-token-15-bytes client",
        "rfc9000/18.2/stateless-reset-token-17-bytes client",
        "rfc9000/19.15/late-connection-id client",
        "rfc9000/19.15/late-connection-id server",
        "rfc9000/19.15/new-connection-id-of-peer-without client",
        "rfc9000/19.15/new-connection-id-of-peer-without server",
        "rfc9000/19.7/empty-token client",
        "rfc9000/4.1/connection-limit-exceeded client",
        "rfc9000/4.1/connection-limit-exceeded server",
        "rfc9000/5.2.2/small-datagram-of-unknown-version server",
        "rfc9000/7.2/source-connection-id-changes server",
        "rfc9000/8.2.1/small-path-challenge-is-followed-by-a-large-one server",
        "rfc9114/4.3.1/another-host server",
        "rfc9114/4.3.1/host-alone server",
        "rfc9114/4.3.1/no-scheme server",
        "rfc9114/5.2/goaway-identifier-grows client",
        "rfc9114/6.1/server-initiated-bidirectional-stream client",
        "rfc9114/7.1/cancel-push-with-more-bytes server",
        "rfc9114/7.1/goaway-with-more-bytes client",
        "rfc9114/7.1/goaway-with-more-bytes server",
        "rfc9114/7.2.3/cancel-push-of-an-unknown-push server",
        "rfc9204/4.2/decoder-stream-ends client",
        "rfc9204/4.2/encoder-stream-ends server",
        "rfc9204/4.5.1.2/negative-base client",
        "rfc9204/4.5.1.2/negative-base server",
        "rfc9368/4/missing-after-version-negotiation client",
        "rfc9368/4/nothing-available-after-version-negotiation client",
        "rfc9369/4.1/handshake-packet-of-the-original-version client",
        "rfc9369/4.1/handshake-packet-of-the-original-version server",
        "rfc9369/5/ticket-of-version-2-in-version-1 server",
    )
)
"""``case role``."""
