"""All requirements on what an endpoint sends of itself, by the RFCs' sections."""

from __future__ import annotations

from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.interop import retry, v2, versionnegotiation
from quicmatrix.testcases.model import Observation, Requirement, Unprompted
from quicmatrix.testcases.shared import (
    amplification,
    ecn,
    flow_control,
    fragmentation,
    keys,
    paths,
)
from quicmatrix.testcases.shared import (
    connection_ids as shared_connection_ids,
)
from quicmatrix.testcases.unprompted import connection_ids, datagrams, packets, streams, tls

BOTH, CLIENT, SERVER = frozenset(Side), frozenset({Side.CLIENT}), frozenset({Side.SERVER})


def _row(
    name: str, check: Requirement[Observation], roles: frozenset[Side], rows: str = ""
) -> Unprompted:
    return Unprompted(name, check, roles, tuple(rows.split()))


UNPROMPTED: tuple[Unprompted, ...] = (
    _row("rfc9000/3.3/data-after-reset-stream", streams.reset_streams_are_silent, BOTH, "B-37"),
    _row("rfc9000/4.1/flow-control", flow_control.server_keeps_to_flow_control, SERVER, "B-34"),
    _row("rfc9000/4.5/final-size", streams.final_sizes_do_not_change, BOTH),
    _row("rfc9000/4.6/stream-limit", flow_control.client_keeps_to_the_stream_limit, CLIENT, "B-35"),
    _row(
        "rfc9000/5.1.1/sequence-numbers",
        connection_ids.sequence_numbers_increase_by_1,
        BOTH,
        "B-19",
    ),
    _row(
        "rfc9000/5.1.1/active-connection-ids",
        connection_ids.issued_connection_ids_keep_to_the_limit,
        BOTH,
        "B-19",
    ),
    _row(
        "rfc9000/6.1/one-version-negotiation",
        versionnegotiation.server_sends_one_version_negotiation_for_one_datagram,
        SERVER,
        "S-05",
    ),
    _row(
        "rfc9000/7.2/first-destination", packets.first_destination_is_long_and_stays, CLIENT, "C-02"
    ),
    _row(
        "rfc9000/7.2/one-source-connection-id",
        shared_connection_ids.server_keeps_its_source_connection_id,
        SERVER,
        "B-56",
    ),
    _row(
        "rfc9000/7.3/initial-source", tls.source_connection_id_is_authenticated, BOTH, "C-06 P-41"
    ),
    _row(
        "rfc9000/7.3/original-destination",
        tls.original_destination_is_authenticated,
        SERVER,
        "P-41 S-29",
    ),
    _row("rfc9000/7.3/retry-source", tls.retry_source_is_authenticated, SERVER, "S-29"),
    _row("rfc9000/7.4.1/reduced-limits", tls.remembered_limits_are_not_reduced, SERVER, "P-40"),
    _row(
        "rfc9000/8/amplification",
        amplification.server_keeps_to_the_amplification_limit,
        SERVER,
        "S-23",
    ),
    _row("rfc9000/8.1.2/retry-token", retry.client_repeats_the_token, CLIENT, "C-17"),
    _row("rfc9000/8.1.3/unique-tokens", connection_ids.new_tokens_are_unique, SERVER, "S-34"),
    _row("rfc9000/8.2.1/challenge-size", paths.path_challenges_are_expanded, BOTH, "B-09"),
    _row("rfc9000/8.2.1/challenge-data", paths.path_challenges_are_unpredictable, BOTH, "B-09"),
    _row("rfc9000/8.2.1/second-challenge", paths.server_repeats_small_path_challenges, SERVER),
    _row("rfc9000/8.2.2/response-of-client", paths.client_answers_path_challenges, CLIENT, "C-50"),
    _row("rfc9000/8.2.2/response-of-server", paths.server_answers_path_challenges, SERVER),
    _row("rfc9000/8.2.2/response-count", paths.path_responses_answer_one_challenge_each, BOTH),
    _row("rfc9000/8.2.2/response-path", paths.path_responses_stay_on_the_path, BOTH),
    _row("rfc9000/8.2.2/response-size", paths.path_responses_are_expanded, BOTH, "B-52"),
    _row("rfc9000/9.3/validated-path", paths.server_moves_to_a_validated_path, SERVER, "B-53"),
    _row(
        "rfc9000/9.5/connection-ids-of-client",
        paths.client_takes_a_new_connection_id_for_each_path,
        CLIENT,
        "B-15",
    ),
    _row(
        "rfc9000/9.5/connection-ids-of-server",
        paths.server_takes_a_new_connection_id_for_each_address,
        SERVER,
        "B-15",
    ),
    _row(
        "rfc9000/12.2/coalesced-destination",
        datagrams.coalesced_packets_share_a_destination,
        BOTH,
        "B-39",
    ),
    _row("rfc9000/12.3/packet-numbers", packets.packet_numbers_increase, BOTH, "B-38"),
    _row(
        "rfc9000/12.4/frames-of-packet-types",
        packets.frames_are_in_packets_that_may_have_them,
        BOTH,
        "B-29 C-45",
    ),
    _row("rfc9000/12.5/frames-of-servers", packets.client_sends_no_frames_of_servers, CLIENT),
    _row(
        "rfc9000/13.1/acknowledged-packets",
        packets.only_received_packets_are_acknowledged,
        BOTH,
        "B-04",
    ),
    _row("rfc9000/13.4.1/ecn-counts", ecn.ecn_counts_agree_with_the_marks, BOTH, "B-07"),
    _row("rfc9000/14/fragments", fragmentation.datagrams_are_not_fragmented, BOTH, "B-40"),
    _row(
        "rfc9000/14.1/initial-datagrams",
        datagrams.initial_datagrams_are_expanded,
        BOTH,
        "C-01 S-25",
    ),
    _row("rfc9000/17.2/quic-bit", packets.quic_bit_is_set, BOTH, "C-03"),
    _row("rfc9000/17.2/connection-id-length", packets.connection_ids_have_20_bytes_at_most, BOTH),
    _row(
        "rfc9000/17.2.1/version-negotiation-ids",
        versionnegotiation.version_negotiation_swaps_the_connection_ids,
        SERVER,
        "S-03",
    ),
    _row("rfc9000/17.2.2/token-of-server", packets.server_initials_have_no_token, SERVER, "S-26"),
    _row("rfc9000/17.2.5.1/retry-source", retry.server_chooses_a_new_connection_id, SERVER, "S-28"),
    _row(
        "rfc9000/17.2.5.1/one-retry", retry.server_sends_one_retry_for_one_datagram, SERVER, "S-28"
    ),
    _row(
        "rfc9000/17.2.5.1/destination-after-retry",
        retry.client_uses_the_retrys_connection_id,
        CLIENT,
        "C-17",
    ),
    _row(
        "rfc9000/17.2.5.2/source-after-retry", retry.client_keeps_its_connection_id, CLIENT, "C-17"
    ),
    _row(
        "rfc9000/17.2.5.3/numbers-after-retry",
        retry.client_does_not_reset_the_packet_number,
        CLIENT,
        "C-17",
    ),
    _row(
        "rfc9000/17.2.5.3/client-hello-after-retry",
        retry.client_sends_the_same_client_hello,
        CLIENT,
        "C-17",
    ),
    _row("rfc9000/18.2/ranges", tls.parameters_are_in_their_ranges, BOTH),
    _row(
        "rfc9000/18.2/parameters-of-servers",
        tls.client_sends_no_parameters_of_servers,
        CLIENT,
        "C-06",
    ),
    _row("rfc9001/4.1.2/handshake-done", packets.server_confirms_the_handshake, SERVER, "P-33"),
    _row("rfc9001/4.2/old-tls", tls.client_offers_no_old_tls, CLIENT, "C-04"),
    _row(
        "rfc9001/4.4/certificate-request", tls.server_requests_no_late_certificate, SERVER, "P-35"
    ),
    _row("rfc9001/4.6.1/early-data-size", tls.tickets_allow_all_early_data_or_none, SERVER, "P-34"),
    _row("rfc9001/4.9.1/initial-keys", packets.client_discards_initial_keys, CLIENT, "C-38"),
    _row("rfc9001/5.8/integrity-tag", retry.retry_integrity_tag_is_right, SERVER, "S-27"),
    _row("rfc9001/6.1/first-update", keys.first_update_waits_for_confirmation, BOTH, "B-23"),
    _row("rfc9001/6.1/next-update", keys.next_update_waits_for_acknowledgment, BOTH, "B-23"),
    _row("rfc9001/6.4/old-keys", keys.key_generations_only_rise, BOTH),
    _row("rfc9001/8.1/alpn", tls.client_offers_an_application_protocol, CLIENT, "C-06"),
    _row("rfc9001/8.2/transport-parameters", tls.transport_parameters_are_sent, BOTH, "C-06 P-41"),
    _row("rfc9001/8.4/session-id", tls.client_sends_no_session_id, CLIENT, "C-05"),
    _row("rfc9114/3.2/server-name", tls.client_names_the_server, CLIENT, "H-51"),
    _row(
        "rfc9114/6.2/unidirectional-streams",
        tls.three_unidirectional_streams_are_permitted,
        BOTH,
        "H-48",
    ),
    _row("rfc9114/6.2.1/control-stream", streams.http3_begins_with_a_control_stream, BOTH, "H-49"),
    _row("rfc9368/3/chosen-version", v2.client_lists_its_chosen_version, CLIENT),
    _row("rfc9369/4.1/crypto-version", v2.server_sends_crypto_in_one_version, SERVER, "C-57"),
)
