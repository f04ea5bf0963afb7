"""Reference endpoints that each break one requirement of openings, tokens, paths and resets."""

from __future__ import annotations

from aioquic.quic import connection as aioquic_connection
from aioquic.quic import packet as aioquic_packet
from aioquic.quic.packet_builder import QuicPacketBuilder

from quicmatrix.endpoint.transport.paths.address_tokens import AddressTokens
from quicmatrix.endpoint.transport.paths.stateless_reset import ResetKey
from quicmatrix.endpoint.transport.sockets import listener
from quicmatrix.endpoint.transport.sockets.listener import Listener
from tests.support.saboteurs import openings as made
from tests.support.saboteurs.model import Saboteur, overlooks

_answers_all_negotiations = made.overrides(made.RECEIVE, made.closes_at_negotiation)
_moves_to_every_address = made.overrides("_probe_preferred_address", made.moves_at_once)
_unpadded_datagrams = made.both(
    made.wraps(QuicPacketBuilder, "_flush_current_datagram", made.unpadded),
    made.wraps(QuicPacketBuilder, "_end_packet", made.unpadded),
)
_resets_alike = made.wraps(ResetKey, "reset_for", made.answers_small)
_any_connection_id = made.changes(aioquic_packet, "CONNECTION_ID_MAX_SIZE", 255)

SABOTEURS: dict[str, Saboteur] = {
    "rfc8999/6/no-version-in-the-list": _answers_all_negotiations,
    "rfc8999/6/truncated-version-in-the-list": _answers_all_negotiations,
    "rfc9000/10.2.2/close-in-a-handshake-packet": made.overrides(
        "_handle_connection_close_frame", made.closes_not
    ),
    "rfc9000/10.3.1/token-in-use": made.overrides("is_reset", lambda *_: False),
    "rfc9000/10.3.1/token-of-nobody": made.overrides(
        "is_reset", lambda _, __, data: len(data) == 43 and data[0] & 0xC0 == 0x40
    ),
    "rfc9000/10.3.1/token-of-an-unused-connection-id": made.overrides(
        "_peer_ids_in_use", made.all_ids
    ),
    "rfc9000/10.3.3/short-header-of-1200-bytes": _resets_alike,
    "rfc9000/10.3.3/short-header-of-22-bytes": _resets_alike,
    "rfc9000/10.3.3/short-header-of-43-bytes": _resets_alike,
    "rfc9000/10.3/short-header-of-20-bytes": _resets_alike,
    "rfc9000/12.2/bytes-behind-an-initial": made.overrides(made.RECEIVE, made.only),
    "rfc9000/12.2/undecryptable-packet-before-another": made.overrides(
        made.RECEIVE, made.only_the_first
    ),
    "rfc9000/12.2/undecryptable-packet-behind-an-initial": made.overrides(made.RECEIVE, made.only),
    "rfc9000/13.3/data-in-flight-to-an-old-address": made.overrides(
        "_path_changed", made.loses_data
    ),
    "rfc9000/14.1/initial-in-1199-bytes": made.both(
        made.changes(listener, made.SMALLEST, 1000),
        made.changes(aioquic_connection, made.SMALLEST, 1000),
    ),
    "rfc9000/14.1/initials-of-a-server": _unpadded_datagrams,
    "rfc9000/17.2.1/echoed-connection-ids": made.wraps(
        listener, "encode_quic_version_negotiation", made.exchanged
    ),
    "rfc9000/17.2.1/two-unknown-versions-in-a-datagram": made.wraps(
        Listener, "_negotiate_version", made.twice
    ),
    "rfc9000/17.2.2/handshake-done-before-the-server-hello": overlooks(made.VIOLATION, 0x1E),
    "rfc9000/17.2.2/initials-of-a-server": made.with_attribute("_peer_token", b"token"),
    "rfc9000/17.2.2/stream-before-the-server-hello": overlooks(made.VIOLATION, *made.STREAM),
    "rfc9000/17.2.2/token-of-a-server": made.overrides("_may_process", lambda *_: True),
    "rfc9000/17.2.5.1/one-retry-for-a-datagram": made.wraps(Listener, "_send_retry", made.twice),
    "rfc9000/17.2.5.1/retry-from-a-new-connection-id": made.wraps(
        listener,
        "encode_quic_retry",
        lambda original, **named: original(
            **named | {"source_cid": named["original_destination_cid"]}
        ),
    ),
    "rfc9000/17.2.5.1/same-connection-id": made.takes_every_retry,
    "rfc9000/17.2.5.2/connection-ids-after-retry": made.overrides(
        "_receive_retry_packet", made.old_destination
    ),
    "rfc9000/17.2.5.2/no-token": made.takes_every_retry,
    "rfc9000/17.2.5.2/retry-after-an-initial": made.takes_every_retry,
    "rfc9000/17.2.5.2/second-retry": made.takes_every_retry,
    "rfc9000/17.2.5.2/wrong-integrity-tag": made.takes_every_retry,
    "rfc9000/17.2.5.3/client-hello-after-retry": made.overrides(
        "_receive_retry_packet", made.other_hello
    ),
    "rfc9000/17.2.5.3/packet-numbers-after-retry": made.overrides(
        "_receive_retry_packet", made.counts_anew
    ),
    "rfc9000/17.2.5/retry-is-right": made.wraps(
        listener, "encode_quic_retry", lambda original, **named: original(**named)[:-1] + b"?"
    ),
    "rfc9000/17.2/destination-connection-id-of-21-bytes": _any_connection_id,
    "rfc9000/17.2/fixed-bit-of-0": made.both(
        made.overrides(made.PARAMETERS, made.without_announcing),
        made.changes(listener, "QUIC_BIT", 0xC0),
        made.overrides("_takes_greased", lambda *_: True),
    ),
    "rfc9000/17.2/source-connection-id-of-21-bytes": _any_connection_id,
    "rfc9000/5.2.1/another-version": made.overrides("_initialize", made.any_version),
    "rfc9000/5.2.2/0-rtt-packet-of-no-connection": made.wraps(
        Listener, "_received_without_connection", made.negotiates_0_rtt
    ),
    "rfc9000/5.2.2/length-beyond-the-datagram": made.takes_overlong_lengths,
    "rfc9000/5.2.2/small-datagram-of-unknown-version": made.changes(listener, made.SMALLEST, 0),
    "rfc9000/5.2.2/version-negotiation-in-a-connection": made.wraps(
        Listener, "received", made.negotiates_in_connections
    ),
    "rfc9000/5.2/corrupt-initial-before-the-intact-one": made.remembers_the_corrupt,
    "rfc9000/5.2/corrupt-source-connection-id-before-the-intact-one": made.remembers_the_corrupt,
    "rfc9000/5.2/initial-that-cannot-be-decrypted": made.retries_corrupt_initials,
    "rfc9000/6.1/version-negotiation-for-a-server": made.wraps(
        Listener, "_negotiate_version", made.negotiates_anyway
    ),
    "rfc9000/6.2/after-another-packet": _answers_all_negotiations,
    "rfc9000/6.2/no-common-version": made.overrides(made.RECEIVE, made.ignores_negotiation),
    "rfc9000/6.2/version-in-use-is-listed": _answers_all_negotiations,
    "rfc9000/7.2/one-source-connection-id": made.overrides(made.SEND, made.with_another_source),
    "rfc9000/7.2/server-changes-its-connection-id": made.overrides(made.RECEIVE, made.other_source),
    "rfc9000/7.2/source-connection-id-changes": made.overrides("_may_process", lambda *_: True),
    "rfc9000/7.3/connection-ids-after-retry": made.with_attribute(
        "_retry_source_connection_id", None
    ),
    "rfc9000/7.5/client-hello-out-of-order": made.crypto_if(lambda offset, _: offset == 0),
    "rfc9000/8.1.2/token-is-repeated": made.overrides(made.SEND, made.token_once),
    "rfc9000/8.1.3/tokens-of-two-connections": made.changes(
        AddressTokens, "make", lambda *_: b"the same token for everybody"
    ),
    "rfc9000/8.1/deadlock-after-the-server-hello": made.overrides(
        "handle_timer", made.sends_no_probe
    ),
    "rfc9000/8.1/three-times-of-all-that-came": made.trusts_every_address,
    "rfc9000/8.1/three-times-with-retransmissions": made.trusts_every_address,
    "rfc9000/8.1/unknown-token-validates-nothing": made.wraps(
        AddressTokens, "holds", lambda _, __, token, *___: bool(token)
    ),
    "rfc9000/8.2.1/path-challenge-is-expanded": _unpadded_datagrams,
    "rfc9000/8.2.1/path-challenges-differ": made.overrides(made.CHALLENGE, made.predictable),
    "rfc9000/8.2.1/small-path-challenge-is-followed-by-a-large-one": made.overrides(
        made.CHALLENGE, made.forgets_small
    ),
    "rfc9000/9.3.1/three-times-to-an-address-that-is-not-validated": made.trusts_every_address,
    "rfc9000/9.3.2/validation-fails": made.overrides(
        "_path_validation_deadline", made.without_deadline
    ),
    "rfc9000/9.3/data-goes-to-the-new-address": made.overrides(made.RECEIVE, made.goes_home),
    "rfc9000/9.3/probing-packet-moves-nothing": made.overrides(
        "_payload_received", made.never_probing
    ),
    "rfc9000/9.3/reordered-packet-moves-nothing": made.overrides(
        made.RECEIVE, made.forgets_the_largest
    ),
    "rfc9000/9.3/ten-addresses": made.overrides(made.SEND, made.at_four_paths),
    "rfc9000/9.5/new-connection-id-for-a-new-address": made.keeps_its_connection_id,
    "rfc9000/9.6.1/preferred-address-that-does-not-answer": _moves_to_every_address,
    "rfc9000/9.6.2/preferred-address-is-validated": _moves_to_every_address,
    "rfc9000/9/new-address-is-validated": made.trusts_every_address,
    "rfc9000/9/unknown-server-address": made.overrides(made.RECEIVE, made.from_anywhere),
    "rfc9001/4.9.1/initial-after-the-handshake": made.closes_for_late(made.INITIAL),
    "rfc9001/4.9.2/handshake-packet-after-confirmation": made.closes_for_late(made.HANDSHAKE),
    "rfc9287/3.1/peer-without-the-parameter": made.overrides(
        "_parse_transport_parameters", made.greases_always
    ),
    "rfc9287/3.1/resumed-client-without-a-token": made.overrides("connect", made.greases_always),
    "rfc9287/3/quic-bit-of-0": made.overrides(made.RECEIVE, made.drops_without_bit),
    "rfc9368/4/version-after-negotiation": made.overrides(made.PARAMETERS, made.other_version),
    "rfc9369/4.1/retry-in-another-version": made.both(
        made.overrides("_initialize", made.any_version), made.takes_every_retry
    ),
    "rfc9369/4.1/retry-in-the-original-version": made.wraps(
        listener,
        "encode_quic_retry",
        lambda original, **named: original(**named | {"version": made.VERSION_2}),
    ),
    "rfc9000/9.3.3/previous-path-is-validated": made.overrides(
        "_challenge_previous", lambda *_: []
    ),
    "rfc9000/9/disable-active-migration": made.migrates_anyway,
    "rfc9000/17.3.1/fixed-bit-is-0": made.both(
        made.overrides(made.PARAMETERS, made.without_announcing),
        made.overrides("_takes_greased", lambda *_: True),
    ),
    "rfc9000/19.16/retire-where-there-is-none": made.without_connection_ids,
    "rfc9221/3/datagram-too-large": made.both(
        made.configured("max_datagram_frame_size", 100), overlooks(made.VIOLATION, 0x30, 0x31)
    ),
    "rfc9369/5/own-ticket": made.overrides("__init__", made.resumes_in_version_2),
}
"""One for each case whose requirement is a MUST, by its id."""
