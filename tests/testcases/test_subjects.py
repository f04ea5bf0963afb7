"""No requirement is held without its subject: what it is about, as its sentence says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from quicmatrix.runner.judge.evaluate import evaluate
from quicmatrix.runner.model.attempt import Ending, SideRecord
from quicmatrix.runner.model.verdict import Status
from quicmatrix.runner.trace.model import (
    VERSION_1,
    VERSION_2,
    Ack,
    ClientHello,
    ConnectionClose,
    Crypto,
    Datagram,
    Ecn,
    EncryptedExtensions,
    HandshakeDone,
    MaxData,
    MaxStreamData,
    MaxStreams,
    NewSessionTicket,
    OtherTlsMessage,
    Packet,
    PacketType,
    PathChallenge,
    PathResponse,
    ResetStream,
    RetireConnectionId,
    ServerHello,
    Side,
    Stream,
)
from quicmatrix.testcases.interop import TESTCASES
from quicmatrix.testcases.measurements import TESTCASES as MEASUREMENTS
from quicmatrix.testcases.model import (
    Finding,
    Held,
    Level,
    Observation,
    Requirement,
    requirement,
)
from quicmatrix.testcases.shared.contract import ENDPOINT_CONTRACT
from quicmatrix.testcases.shared.fates import fate
from quicmatrix.testcases.shared.transfers import TRANSFER_ENDS
from quicmatrix.testcases.views.view import sent
from tests.support.all_stories import stories
from tests.support.removal import (
    Removal,
    both,
    datagrams,
    evidence,
    fields,
    frames,
    in_record,
    messages,
    packets,
    packets_on_other_paths,
)
from tests.support.story import FILE, client, observation, server, trace

C, S = Side.CLIENT, Side.SERVER
INITIAL, ZERO_RTT, ONE_RTT = PacketType.INITIAL, PacketType.ZERO_RTT, PacketType.ONE_RTT
HANDSHAKE = PacketType.HANDSHAKE
NOT_STARTED = SideRecord()


def has_token(packet: Packet) -> bool:
    return bool(packet.token)


def has_none(packet: Packet) -> bool:
    return not packet.token


def second(packet: Packet) -> bool:
    """Whether it belongs to the second connection."""
    return packet.connection == 1


def dropped(sender: Side) -> Removal:
    return datagrams(lambda one: one.sender is sender and bool(fate(one).dropped))


def damaged(datagram: Datagram) -> bool:
    return fate(datagram).corrupted


def with_counts(_: Packet, ack: Ack) -> bool:
    return ack.ecn is not None


RETRY = packets(PacketType.RETRY)
AFTER_RETRY = packets(INITIAL, sender=C, when=has_token)
BEFORE_RETRY = packets(INITIAL, sender=C, when=has_none)
VERSION_NEGOTIATION = packets(PacketType.VERSION_NEGOTIATION)
OF_CLIENT, OF_SERVER = packets(sender=C), packets(sender=S)
SERVER_INITIALS = packets(INITIAL, sender=S)
HELLO, EXTENSIONS = messages(ClientHello), messages(EncryptedExtensions)
TICKETS = messages(NewSessionTicket)
CONFIRMATIONS = both(frames(HandshakeDone, Ack), messages(OtherTlsMessage))
UPDATED = packets(ONE_RTT, when=lambda one: one.key_generation not in (None, 0))
CLIENT_NOT_STARTED = in_record(lambda _: {"client": NOT_STARTED})
SERVER_NOT_STARTED = in_record(lambda _: {"server": NOT_STARTED})
NOTHING_STARTED = in_record(lambda _: {"client": NOT_STARTED, "server": NOT_STARTED})
EXITED = SideRecord(ending=Ending.EXITED, exit_code=0)

SUBJECTS: dict[str, tuple[Removal, ...]] = {
    # --- The contract
    "unknown_testcase_exits_with_127": (NOTHING_STARTED,),
    "server_answers_the_readiness_probe": (
        SERVER_NOT_STARTED,
        in_record(lambda _: {"server_ready": False}),
    ),
    "client_finishes_in_time": (CLIENT_NOT_STARTED,),
    "client_exits_with_0": (
        CLIENT_NOT_STARTED,
        in_record(lambda seen: {"client": replace(seen.record.client, exit_code=None)}),
    ),
    "files_arrive": (
        CLIENT_NOT_STARTED,
        in_record(lambda _: {"www": (FILE,), "downloads": ()}),
    ),
    "server_runs_until_it_is_stopped": (
        SERVER_NOT_STARTED,
        in_record(lambda _: {"server": EXITED}),
    ),
    "server_stops_on_sigterm": (SERVER_NOT_STARTED, in_record(lambda _: {"server": EXITED})),
    "endpoints_keep_to_their_log_limit": (NOTHING_STARTED,),
    "endpoints_keep_to_their_memory_limit": (NOTHING_STARTED,),
    "endpoints_keep_to_their_other_limits": (NOTHING_STARTED,),
    # --- Handshakes and versions
    "one_handshake": (SERVER_INITIALS,),
    "two_handshakes": (SERVER_INITIALS, packets(INITIAL, sender=S, when=second)),
    "fifty_handshakes": (SERVER_INITIALS, packets(INITIAL, sender=S, when=second)),
    "server_initials_are_version_1": (SERVER_INITIALS,),
    "server_keeps_its_source_connection_id": (SERVER_INITIALS,),
    "server_sends_no_retry": (OF_SERVER,),
    "client_starts_in_version_1": (
        packets(INITIAL, sender=C, when=lambda one: one.version == VERSION_1),
    ),
    "server_answers_in_version_2": (
        packets(INITIAL, sender=S, when=lambda one: one.version == VERSION_2),
    ),
    "handshake_packets_are_version_2": (
        packets(HANDSHAKE, sender=C),
        packets(HANDSHAKE, sender=S),
    ),
    "server_sends_crypto_in_one_version": (frames(Crypto, sender=S),),
    "each_side_sends_version_information": (HELLO, EXTENSIONS),
    "client_offers_version_2": (HELLO,),
    "client_lists_its_chosen_version": (HELLO,),
    "each_side_chooses_the_version_in_use": (messages(ClientHello, EncryptedExtensions),),
    "client_asks_for_an_unknown_version": (OF_CLIENT,),
    "client_receives_version_negotiation": (VERSION_NEGOTIATION, OF_CLIENT),
    "version_negotiation_swaps_the_connection_ids": (VERSION_NEGOTIATION, OF_CLIENT),
    "version_negotiation_offers_version_1": (VERSION_NEGOTIATION, OF_CLIENT),
    "server_sends_one_version_negotiation_for_one_datagram": (VERSION_NEGOTIATION, OF_CLIENT),
    "client_abandons_the_attempt": (VERSION_NEGOTIATION, OF_CLIENT),
    "client_offers_only_chacha20": (HELLO,),
    "server_selects_chacha20": (messages(ServerHello),),
    "client_repeats_its_client_hello": (
        frames(Crypto, sender=C, when=lambda packet, _: packet.number != 0),
    ),
    "round_trip_outlasts_the_first_probe_timeout": (OF_CLIENT, OF_SERVER),
    "datagrams_are_not_fragmented": (packets(),),
    # --- Retry
    "server_sends_a_retry_with_a_token": (RETRY,),
    "client_sends_a_retry_token": (RETRY, AFTER_RETRY),
    "client_does_not_reset_the_packet_number": (RETRY, AFTER_RETRY, BEFORE_RETRY),
    "client_repeats_the_token": (RETRY, AFTER_RETRY),
    "client_uses_the_retrys_connection_id": (RETRY, AFTER_RETRY),
    "client_keeps_its_connection_id": (RETRY, AFTER_RETRY),
    "client_sends_the_same_client_hello": (
        RETRY,
        AFTER_RETRY,
        BEFORE_RETRY,
        frames(Crypto, sender=C),
    ),
    "client_derives_its_keys_from_the_retrys_connection_id": (RETRY, AFTER_RETRY),
    "server_derives_its_keys_from_the_retrys_connection_id": (
        RETRY,
        packets(INITIAL, sender=S),
    ),
    "server_chooses_a_new_connection_id": (RETRY, BEFORE_RETRY),
    "server_sends_one_retry_for_one_datagram": (RETRY, OF_CLIENT),
    "retry_integrity_tag_is_right": (RETRY,),
    # --- Resumption and 0-RTT
    "first_handshake_has_a_certificate": (messages(OtherTlsMessage),),
    "second_handshake_has_no_certificate": (
        packets(sender=S, when=second),
        packets(HANDSHAKE, sender=S, when=second),
    ),
    "server_sends_a_session_ticket": (both(TICKETS, HELLO),),
    "server_enables_early_data": (both(TICKETS, HELLO),),
    "client_offers_the_session": (messages(ClientHello, when=second),),
    "server_selects_the_session": (messages(ServerHello, when=second),),
    "client_sends_0_rtt_data": (packets(ZERO_RTT),),
    "client_sends_little_1_rtt_data": (packets(ONE_RTT, sender=C),),
    "client_sends_its_requests_in_0_rtt": (packets(ZERO_RTT),),
    "server_accepts_0_rtt_data": (EXTENSIONS,),
    "server_processes_0_rtt_packets": (packets(ZERO_RTT), frames(Ack, sender=S)),
    # --- Streams
    "client_raises_its_flow_control_limits": (frames(MaxData, MaxStreamData, sender=C),),
    "server_keeps_to_flow_control": (frames(Stream, ResetStream, sender=S),),
    "server_allows_at_most_1000_streams": (EXTENSIONS,),
    "server_raises_the_stream_limit": (frames(MaxStreams, sender=S),),
    "client_keeps_to_the_stream_limit": (frames(Stream, sender=C),),
    "client_opens_1999_streams": (
        frames(Stream, sender=C),
        frames(Stream, sender=C, when=lambda _, frame: frame.stream_id == 0),
    ),
    "lost_data_is_sent_again": (both(CLIENT_NOT_STARTED, packets()),),
    "delivered_data_is_acknowledged": (both(CLIENT_NOT_STARTED, packets()),),
    "client_raises_limits_that_stop_the_server": (both(CLIENT_NOT_STARTED, OF_SERVER),),
    "server_sends_answers_to_their_end": (
        both(CLIENT_NOT_STARTED, OF_SERVER),
        both(CLIENT_NOT_STARTED, OF_CLIENT),
    ),
    "client_is_done_when_all_is_delivered": (CLIENT_NOT_STARTED,),
    "no_side_closes_with_an_error": (both(CLIENT_NOT_STARTED, packets()),),
    "no_side_closes_with_a_transport_error": (packets(),),
    "connection_is_closed_with_code_0": (frames(ConnectionClose),),
    "client_offers_h3": (HELLO,),
    "server_selects_h3": (EXTENSIONS,),
    "each_side_opens_a_control_stream": (
        frames(Stream, sender=C, when=lambda _, frame: frame.stream_id & 3 == 2),
        frames(Stream, sender=S, when=lambda _, frame: frame.stream_id & 3 == 3),
    ),
    # --- Keys
    "client_updates_its_keys": (packets(ONE_RTT, sender=C, when=lambda one: one.key_phase == 1),),
    "server_updates_its_keys": (packets(ONE_RTT, sender=S, when=lambda one: one.key_phase == 1),),
    "key_generations_only_rise": (UPDATED,),
    "key_phase_bit_follows_the_keys": (packets(ONE_RTT),),
    "first_update_waits_for_confirmation": (UPDATED, CONFIRMATIONS),
    "next_update_waits_for_acknowledgment": (UPDATED, frames(Ack)),
    # --- ECN
    "client_marks_packets": (OF_CLIENT, fields(C, ecn=Ecn.NOT_ECT)),
    "server_marks_packets": (OF_SERVER, fields(S, ecn=Ecn.NOT_ECT)),
    "no_side_marks_congestion": (packets(),),
    "client_reports_ecn_counts": (frames(Ack, sender=C, when=with_counts),),
    "server_reports_ecn_counts": (frames(Ack, sender=S, when=with_counts),),
    "ecn_counts_agree_with_the_marks": (frames(Ack, when=with_counts),),
    # --- Paths
    "server_keeps_to_the_amplification_limit": (OF_SERVER, OF_CLIENT),
    "server_stays_below_fourfold_amplification": (OF_SERVER, OF_CLIENT),
    "server_sends_the_whole_chain": (frames(Crypto, sender=S),),
    "server_reaches_the_amplification_limit": (OF_SERVER,),
    "server_sends_nothing_over_ipv4": (
        packets(sender=S, when=lambda one: one.path.server.is_ipv6),
    ),
    "server_sends_on_several_paths": (packets_on_other_paths(S),),
    "server_sends_to_several_addresses": (packets_on_other_paths(S),),
    "server_begins_new_paths_with_a_challenge": (
        packets_on_other_paths(S),
        frames(PathChallenge, sender=S),
    ),
    "server_validates_each_new_path": (
        packets_on_other_paths(C),
        frames(PathChallenge, sender=S),
    ),
    "server_moves_to_a_validated_path": (
        packets_on_other_paths(C),
        frames(PathChallenge, sender=S),
        frames(PathResponse, sender=C),
    ),
    "address_changes_after_the_handshake": (
        both(CLIENT_NOT_STARTED, packets_on_other_paths(C)),
        both(CLIENT_NOT_STARTED, frames(HandshakeDone)),
    ),
    "server_retires_connection_ids_of_left_paths": (
        both(CLIENT_NOT_STARTED, frames(RetireConnectionId)),
    ),
    "client_answers_path_challenges": (
        frames(PathChallenge, sender=S),
        frames(PathResponse, sender=C),
    ),
    "server_answers_path_challenges": (
        frames(PathChallenge, sender=C),
        frames(PathResponse, sender=S),
    ),
    "path_responses_answer_one_challenge_each": (frames(PathResponse), frames(PathChallenge)),
    "path_responses_stay_on_the_path": (frames(PathResponse), frames(PathChallenge)),
    "server_repeats_small_path_challenges": (
        frames(PathChallenge, sender=S),
        frames(PathResponse, sender=C),
    ),
    "path_challenges_are_expanded": (frames(PathChallenge),),
    "path_responses_are_expanded": (frames(PathResponse),),
    "path_challenges_are_unpredictable": (frames(PathChallenge),),
    "client_takes_a_new_connection_id_for_each_path": (packets_on_other_paths(C),),
    "server_takes_a_new_connection_id_for_each_address": (packets_on_other_paths(S),),
    "server_prefers_another_address": (EXTENSIONS,),
    "client_migrates_to_another_address_of_the_server": (packets_on_other_paths(C),),
    "server_sends_on_the_new_path": (packets_on_other_paths(S),),
    "client_validates_the_preferred_address": (
        packets_on_other_paths(C),
        frames(PathResponse, sender=S),
    ),
    "server_waits_for_the_client_to_move": (packets_on_other_paths(S), packets_on_other_paths(C)),
    # --- The network
    "datagrams_of_the_client_are_lost": (dropped(C),),
    "datagrams_of_the_server_are_lost": (dropped(S),),
    "datagrams_of_the_client_are_dropped": (dropped(C),),
    "outage_falls_into_the_transfer": (dropped(S), frames(Stream, sender=S)),
    "damaged_datagrams_arrive": (datagrams(damaged),),
    "tcp_flow_shares_the_link": (
        in_record(lambda seen: {"link": replace(seen.record.link, cross_traffic=None)}),
    ),
}
"""For each requirement what its sentence is about; without any one of these it cannot be held."""

REQUIREMENTS = {one.name: one for case in (*TESTCASES, *MEASUREMENTS) for one in case.requirements}
ON_RECORDS = (
    {one.name for one in (*ENDPOINT_CONTRACT, *TRANSFER_ENDS)} - {"datagrams_are_not_fragmented"}
) | {
    "tcp_flow_shares_the_link",
    "no_side_closes_with_an_error",
    "address_changes_after_the_handshake",
    "server_retires_connection_ids_of_left_paths",
}
"""They are held by a record, or may be: a client that is done needs no packet to show it."""


def passing(name: str) -> list[Observation]:
    """What the stories tell in which the requirement is held."""
    found = [
        story.seen
        for story in stories()
        if story.requirement.name == name and story.status is Status.HELD
    ]
    assert found, "no story that passes"
    return found


def status(one: Requirement[Observation], seen: Observation) -> Status:
    return evaluate(one, seen).status


def assert_not_held_without(
    one: Requirement[Observation], removal: Removal, seen: Observation
) -> None:
    assert status(one, seen) is Status.HELD
    assert status(one, removal(seen)) is not Status.HELD, "held without its subject"


def assert_evidence_is_needed(one: Requirement[Observation], seen: Observation) -> None:
    """Remove what it is held by, and then what else it is held by, until it is not held."""
    while status(one, seen) is Status.HELD:
        named = {
            piece
            for finding in one(seen)
            if isinstance(finding, Held)
            for piece in finding.evidence
        }
        assert named, "held without evidence"
        less = evidence(named)(seen)
        assert less != seen, "the evidence is not in the trace"
        seen = less


def test_each_requirement_has_a_subject() -> None:
    assert SUBJECTS.keys() == REQUIREMENTS.keys()


@pytest.mark.parametrize("name", SUBJECTS)
def test_nothing_is_held_without_its_subject(name: str) -> None:
    for seen in passing(name):
        for removal in SUBJECTS[name]:
            assert_not_held_without(REQUIREMENTS[name], removal, seen)


@pytest.mark.parametrize("name", [name for name in SUBJECTS if name not in ON_RECORDS])
def test_nothing_is_held_without_its_evidence(name: str) -> None:
    for seen in passing(name):
        assert_evidence_is_needed(REQUIREMENTS[name], seen)


RETRIED = observation(
    trace(client.initial(), server.retry(), client.initial(token=b"token"), server.initial())
)


@requirement(Level.MUST, "RFC 9000, 8.1.2")
def held_by_any_initial(seen: Observation) -> Iterator[Finding]:
    """The client repeats the Retry's token in all Initial packets it sends afterwards."""
    for packet in sent(seen.trace, Side.CLIENT, INITIAL):
        yield Held(packet)


@requirement(Level.MUST, "RFC 9000, 8.1.2")
def held_by_nothing(_: Observation) -> Iterator[Finding]:
    """The client repeats the Retry's token in all Initial packets it sends afterwards."""
    yield Held()


@requirement(Level.MUST, "RFC 9000, 8.1.2")
def held_by_what_is_not_there(_: Observation) -> Iterator[Finding]:
    """The client repeats the Retry's token in all Initial packets it sends afterwards."""
    yield Held(*client_of_another_trace())


def client_of_another_trace() -> tuple[Packet, ...]:
    return trace(*[client.initial()] * 9).left.packets[-1:]


@pytest.mark.parametrize("removal", SUBJECTS["client_repeats_the_token"])
def test_a_check_that_is_held_by_something_else_is_found(removal: Removal) -> None:
    assert_not_held_without(REQUIREMENTS["client_repeats_the_token"], removal, RETRIED)
    with pytest.raises(AssertionError, match="held without its subject"):
        assert_not_held_without(held_by_any_initial, removal, RETRIED)


@pytest.mark.parametrize(
    ("mutant", "message"),
    [
        (held_by_nothing, "held without evidence"),
        (held_by_what_is_not_there, "the evidence is not in the trace"),
    ],
)
def test_a_check_that_shows_no_evidence_is_found(
    mutant: Requirement[Observation], message: str
) -> None:
    assert_evidence_is_needed(held_by_any_initial, RETRIED)
    with pytest.raises(AssertionError, match=message):
        assert_evidence_is_needed(mutant, RETRIED)
