from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import (
    Ack,
    Address,
    ConnectionClose,
    EncryptedExtensions,
    Frame,
    HandshakeDone,
    PathChallenge,
    PathResponse,
    Side,
    Stream,
    TransportParameters,
)
from quicmatrix.testcases.shared.paths import (
    address_changes_after_the_handshake,
    client_answers_path_challenges,
    client_takes_a_new_connection_id_for_each_path,
    path_challenges_are_expanded,
    path_challenges_are_unpredictable,
    path_responses_answer_one_challenge_each,
    path_responses_are_expanded,
    path_responses_stay_on_the_path,
    server_answers_path_challenges,
    server_begins_new_paths_with_a_challenge,
    server_moves_to_a_validated_path,
    server_repeats_small_path_challenges,
    server_sends_on_several_paths,
    server_sends_to_several_addresses,
    server_takes_a_new_connection_id_for_each_address,
    server_validates_each_new_path,
)
from tests.support.story import (
    SERVER_4,
    SERVER_6,
    Leg,
    Story,
    breaks,
    client,
    client_2,
    doubtful,
    holds,
    server,
    server_2,
    trace,
    unexercised,
    unfinished,
)

PREFERRED = Address("193.167.100.100", 4443)
ONE, TWO = PathChallenge(b"1" * 8), PathChallenge(b"2" * 8)
REPLY, REPLY_2 = PathResponse(b"1" * 8), PathResponse(b"2" * 8)
DATA = Stream(0, 0, 1000, fin=False)
CLOSE = ConnectionClose(0, None, "", application=True)
ACK = Ack(0, 0, ((0, 0),))
SHAKEN = (client.initial(), server.initial(), client.handshake())


def says(*frames: Frame) -> Leg:
    return server.one_rtt(*frames)


def asks(*frames: Frame) -> Leg:
    return client.one_rtt(*frames)


def moved(leg: Leg, port: int = 50001) -> Leg:
    return leg.behind(port, "193.167.0.7")


LATER = moved(asks(ACK)).after(2)
REBOUND = trace(
    *SHAKEN,
    says(DATA),
    moved(asks(ACK)),
    moved(says(ONE, DATA)),
    moved(says(DATA)),
    moved(asks(REPLY)),
    moved(asks(ACK), 50002),
    moved(says(TWO), 50002),
    moved(asks(REPLY_2), 50002),
    says(CLOSE),
)
MIGRATED = trace(
    *SHAKEN,
    says(DATA),
    asks(ONE).but(dcid=b"second").on(PREFERRED),
    says(REPLY).but(dcid=b"second c").on(PREFERRED),
    asks(ACK).but(dcid=b"second").on(PREFERRED),
    says(TWO, DATA).but(dcid=b"second c").on(PREFERRED),
    asks(REPLY_2).but(dcid=b"second").on(PREFERRED),
)
VALIDATED = (*SHAKEN, moved(asks(ACK)), moved(says(ONE)), moved(asks(REPLY)))
SMALL = (*SHAKEN, moved(asks(ACK)).sized(40), moved(says(ONE)).sized(120))
FOLLOWED = trace(
    *SHAKEN,
    says(DATA),
    asks(ONE).but(dcid=b"second").on(PREFERRED),
    says(REPLY).but(dcid=b"second c").on(PREFERRED),
    asks(ACK).but(dcid=b"second").on(PREFERRED),
    says(TWO).but(dcid=b"second c").on(PREFERRED),
    asks(REPLY_2).but(dcid=b"second").on(PREFERRED),
    says(DATA).but(dcid=b"second c").on(PREFERRED),
)
FIXED = EncryptedExtensions(transport_parameters=TransportParameters(disable_active_migration=True))
STAYED = trace(*SHAKEN, says(DATA), asks(ACK))
CUT = trace(*SHAKEN, left_damage="cut off", right_damage="cut off")
SECRET = trace(*SHAKEN, says(ONE).secret(), asks(REPLY).secret())

FALLEN_BACK = trace(
    client.initial().on(SERVER_6),
    client.initial(),
    server.initial(),
    client.handshake(dcid=b"server"),
    server.one_rtt(DATA),
    asks(ACK).but(dcid=b"server"),
    says(DATA),
    asks(ACK).but(dcid=b"server").after(2),
)
TWO_CONNECTIONS = trace(
    *SHAKEN,
    says(DATA),
    asks(ACK),
    client_2.initial(),
    server_2.initial(),
    client_2.handshake(),
    server_2.one_rtt(DATA),
    client_2.one_rtt(ACK),
    server_2.one_rtt(DATA),
    client_2.one_rtt(ACK).after(2),
)

VALIDATION = (
    server_sends_on_several_paths,
    server_validates_each_new_path,
    client_answers_path_challenges,
    server_answers_path_challenges,
    path_responses_answer_one_challenge_each,
    path_responses_stay_on_the_path,
    path_challenges_are_expanded,
    path_responses_are_expanded,
    path_challenges_are_unpredictable,
)
BOTH_CIDS = (
    client_takes_a_new_connection_id_for_each_path,
    server_takes_a_new_connection_id_for_each_address,
)

STORIES = (
    *(
        holds(one, "behind a NAT", REBOUND)
        for one in VALIDATION
        if one is not server_answers_path_challenges
    ),
    unexercised(server_answers_path_challenges, "behind a NAT the client does not ask", REBOUND),
    *(
        unexercised(one, "nothing has moved", STAYED)
        for one in (*VALIDATION[1:], *BOTH_CIDS, server_begins_new_paths_with_a_challenge)
    ),
    *(holds(one, "to a preferred address", MIGRATED) for one in (*VALIDATION, *BOTH_CIDS)),
    *(
        doubtful(one, "the captures are cut off", CUT, "cut off")
        for one in (*VALIDATION, server_begins_new_paths_with_a_challenge)
    ),
    *(doubtful(one, "the captures are cut off", CUT, "cut off") for one in BOTH_CIDS),
    *(
        doubtful(one, "there are no keys", SECRET, "could not be decrypted")
        for one in (*VALIDATION[1:], *BOTH_CIDS)
    ),
    breaks(
        server_sends_on_several_paths,
        "nothing has moved",
        STAYED,
        "the client is seen on one path only: its address never changed",
        side=None,
    ),
    breaks(
        server_sends_on_several_paths,
        "the server goes on as if nothing had happened",
        trace(*SHAKEN, says(DATA), moved(asks(ACK)), says(DATA).lost()),
        "the server never sends on this path",
        "right 5",
        side=Side.SERVER,
    ),
    holds(server_sends_to_several_addresses, "it does", REBOUND),
    breaks(
        server_sends_to_several_addresses,
        "just another port",
        trace(*SHAKEN, says(DATA), asks(ACK).behind(50001), says(ONE).behind(50001)),
        "it sends to 1 instead of 2 or more",
        side=None,
    ),
    doubtful(server_sends_to_several_addresses, "the captures are cut off", CUT, "cut off"),
    holds(server_begins_new_paths_with_a_challenge, "behind a NAT", REBOUND),
    breaks(
        server_begins_new_paths_with_a_challenge,
        "it acknowledges first",
        trace(*SHAKEN, moved(asks(ACK)), moved(says(ACK)), moved(says(ONE)), moved(says(DATA))),
        "it is the first on 193.167.0.7:50001 - 193.167.100.100:443",
        "right 5",
        side=Side.SERVER,
    ),
    breaks(
        server_begins_new_paths_with_a_challenge,
        "it answers a probe",
        MIGRATED,
        "it is the first on 193.167.0.100:50000 - 193.167.100.100:4443",
        "right 6",
        side=Side.SERVER,
    ),
    doubtful(
        server_begins_new_paths_with_a_challenge,
        "it cannot be read",
        trace(*SHAKEN, moved(asks(ACK)), moved(says(ONE)).secret()),
        "1-RTT (frame 5 right) could not be read",
    ),
    holds(
        server_validates_each_new_path,
        "it acknowledges first",
        trace(*SHAKEN, moved(asks(ACK)), moved(says(ACK)), moved(says(ONE)), LATER),
    ),
    breaks(
        server_validates_each_new_path,
        "it trusts the new address",
        trace(*SHAKEN, moved(asks(ACK)), says(ONE), moved(says(DATA)), LATER),
        "there is no PATH_CHALLENGE on 193.167.0.7:50001 - 193.167.100.100:443",
        "right 6",
        "right 4",
        side=Side.SERVER,
    ),
    unexercised(
        server_validates_each_new_path,
        "a probe is no migration",
        trace(*SHAKEN, moved(asks(TWO)), moved(says(REPLY_2)), moved(asks(ONE)).after(2)),
    ),
    unexercised(
        server_validates_each_new_path,
        "the connection is closing while the NAT rebinds",
        trace(
            *(*SHAKEN, says(DATA), moved(asks(CLOSE)), moved(says(CLOSE))),
            moved(asks(CLOSE)).after(2),
        ),
    ),
    unexercised(
        server_validates_each_new_path,
        "only one packet comes through",
        trace(*SHAKEN, says(DATA), moved(asks(ACK)), moved(says(DATA)), says(DATA).after(2)),
    ),
    unexercised(
        server_validates_each_new_path,
        "it does not go there",
        trace(*SHAKEN, moved(asks(ACK)), says(DATA), LATER),
    ),
    doubtful(
        server_validates_each_new_path,
        "the challenge may be in a packet that cannot be read",
        trace(*SHAKEN, moved(asks(ACK)), moved(says(DATA)), moved(says(ONE)).secret(), LATER),
        "could not be decrypted",
    ),
    breaks(
        server_validates_each_new_path,
        "it goes silent when the client's address changes",
        unfinished(*SHAKEN, moved(asks(ACK)), moved(says(ONE)), moved(asks(ACK), 50002), LATER),
        "it never sends on 193.167.0.7:50002 - 193.167.100.100:443, in 2.0 s",
        "right 6",
        side=Side.SERVER,
    ),
    unexercised(
        server_validates_each_new_path,
        "the client closes when its address has changed",
        unfinished(*SHAKEN, moved(asks(ACK)), moved(asks(CLOSE)), says(CLOSE).after(2)),
    ),
    *(
        holds(server_moves_to_a_validated_path, title, seen)
        for title, seen in (
            ("behind a NAT", trace(*VALIDATED, moved(says(DATA)))),
            ("to a preferred address", FOLLOWED),
        )
    ),
    unexercised(server_moves_to_a_validated_path, "nothing has moved", STAYED),
    unexercised(
        server_moves_to_a_validated_path,
        "the new path is not validated",
        trace(*SHAKEN, moved(asks(ACK)), moved(says(ONE)), says(DATA).after(2)),
    ),
    unexercised(
        server_moves_to_a_validated_path,
        "it has told the client not to move",
        trace(
            *(client.initial(), server.handshake(FIXED), says(DATA)),
            *(moved(asks(ACK)), moved(says(ONE)), moved(asks(REPLY, ACK)), says(DATA).after(2)),
        ),
    ),
    holds(
        server_moves_to_a_validated_path,
        "it probes the old path, and what was under way goes there",
        trace(
            *(*SHAKEN, moved(asks(ACK)), moved(says(ONE)), moved(asks(REPLY)), says(DATA)),
            *(moved(says(DATA)), says(TWO).after(2)),
        ),
    ),
    holds(
        server_moves_to_a_validated_path,
        "an old packet that comes late is no migration back",
        trace(
            *(*SHAKEN, moved(asks(ACK)).but(number=5), moved(says(ONE)), moved(asks(REPLY))),
            *(asks(ACK).but(number=1), moved(says(DATA)).after(2)),
        ),
    ),
    breaks(
        server_moves_to_a_validated_path,
        "it stays on the address that is gone",
        trace(
            *(*SHAKEN, moved(asks(ACK)), moved(says(ONE)), moved(asks(REPLY))),
            *(says(DATA).lost().after(2), says(DATA).lost().after(3)),
        ),
        "it goes to 193.167.0.100:50000 - 193.167.100.100:443, 2.0 s after the client has moved to "
        "193.167.0.7:50001 - 193.167.100.100:443",
        "right 7",
        "right 4",
        side=Side.SERVER,
    ),
    doubtful(
        server_moves_to_a_validated_path,
        "the client may have moved back",
        trace(
            *(*SHAKEN, moved(asks(ACK)), moved(says(ONE)), moved(asks(REPLY))),
            *(asks(ACK).secret(), says(DATA).after(2)),
        ),
        "could not be decrypted",
    ),
    holds(
        address_changes_after_the_handshake,
        "as it is",
        unfinished(*SHAKEN, says(HandshakeDone()), moved(asks(ACK))),
    ),
    holds(address_changes_after_the_handshake, "it works", trace(*SHAKEN, moved(asks(ACK)))),
    unexercised(address_changes_after_the_handshake, "it never does", unfinished(*SHAKEN)),
    breaks(
        address_changes_after_the_handshake,
        "it changes during the handshake",
        unfinished(*SHAKEN[:2], moved(client.handshake()), moved(says(HandshakeDone()))),
        "it is 193.167.0.7:50001 in Handshake 0 (frame 3 right), and the handshake is not "
        "confirmed yet",
        side=None,
    ),
    doubtful(
        address_changes_after_the_handshake,
        "the confirmation cannot be read",
        unfinished(*SHAKEN, says(HandshakeDone()).secret(), moved(asks(ACK))),
        "could not be decrypted",
    ),
    breaks(
        client_answers_path_challenges,
        "it takes it in, but does not answer",
        trace(*SHAKEN, says(ONE), asks(ACK), says(DATA).after(1.5)),
        "no PATH_RESPONSE echoes 3131313131313131",
        "left 4",
        side=Side.CLIENT,
    ),
    unexercised(
        client_answers_path_challenges,
        "what it never acknowledges it may not have read",
        trace(*SHAKEN, says(ONE), asks(DATA), says(DATA).after(1.5)),
    ),
    unexercised(
        client_answers_path_challenges,
        "it is over before it can answer",
        trace(*SHAKEN, says(ONE), asks(ACK)),
    ),
    unexercised(
        client_answers_path_challenges,
        "what does not arrive needs no answer",
        trace(*SHAKEN, says(ONE).lost(), says(DATA), asks(Ack(1, 0, ((0, 1),)))),
    ),
    unexercised(
        client_answers_path_challenges,
        "it closes at the same time",
        trace(*SHAKEN, says(ONE), asks(ACK, CLOSE), asks(CLOSE).after(2)),
    ),
    doubtful(
        client_answers_path_challenges,
        "the answer may be in a packet that cannot be read",
        trace(*SHAKEN, says(ONE), asks(ACK), asks(REPLY).secret(), asks(DATA).after(2)),
        "could not be decrypted",
    ),
    breaks(
        server_answers_path_challenges,
        "it takes it in, but does not answer",
        trace(*SHAKEN, asks(ONE).on(PREFERRED), says(ACK), says(DATA).after(2)),
        "no PATH_RESPONSE echoes 3131313131313131",
        "right 4",
        side=Side.SERVER,
    ),
    breaks(
        path_responses_answer_one_challenge_each,
        "it makes the data up",
        trace(*SHAKEN, says(ONE), asks(REPLY_2)),
        "it is PATH_RESPONSE number 1 for 0 PATH_CHALLENGE frames with this data",
        "left 5",
        side=Side.CLIENT,
    ),
    breaks(
        path_responses_answer_one_challenge_each,
        "it answers twice",
        trace(*SHAKEN, asks(ONE), says(REPLY), says(REPLY)),
        "it is PATH_RESPONSE number 2 for 1 PATH_CHALLENGE frames with this data",
        "right 6",
        side=Side.SERVER,
    ),
    holds(
        path_responses_answer_one_challenge_each,
        "asked twice, it answers twice",
        trace(*SHAKEN, says(ONE), says(ONE), asks(REPLY), asks(REPLY)),
    ),
    breaks(
        path_responses_stay_on_the_path,
        "it answers on another one",
        trace(*SHAKEN, asks(ONE).on(PREFERRED), says(REPLY)),
        "it goes to 193.167.0.100:50000 - 193.167.100.100:443",
        "right 5",
        "right 4",
        side=Side.SERVER,
    ),
    breaks(
        path_challenges_are_expanded,
        "a validated path has no limit",
        trace(*SHAKEN, says(ONE).sized(1199).after(2)),
        "the datagram has 1199 bytes",
        "right 4",
        side=Side.SERVER,
    ),
    breaks(
        path_challenges_are_expanded,
        "the limit permits it",
        trace(*SHAKEN, moved(asks(ACK)).sized(400), moved(says(ONE)).sized(1199)),
        "the datagram has 1199 bytes",
        "right 5",
        side=Side.SERVER,
    ),
    breaks(
        path_challenges_are_expanded,
        "the limit has permitted it for long",
        trace(
            *SHAKEN,
            moved(asks(ACK)).sized(40),
            moved(asks(ACK)).sized(400),
            moved(says(TWO)).sized(120),
            moved(says(ONE)).sized(1199).after(2),
        ),
        "the datagram has 1199 bytes",
        "right 7",
        side=Side.SERVER,
    ),
    holds(
        path_challenges_are_expanded,
        "more has come, but may not be read yet",
        trace(
            *SHAKEN,
            moved(asks(ACK)).sized(40),
            moved(asks(ACK)).sized(400),
            moved(says(TWO)).sized(120),
        ),
    ),
    breaks(
        path_challenges_are_expanded,
        "a client trusts the server's preferred address",
        trace(*SHAKEN, asks(ONE).sized(40).on(PREFERRED)),
        "the datagram has 40 bytes",
        "left 4",
        side=Side.CLIENT,
    ),
    holds(
        path_challenges_are_expanded,
        "only one small packet came through",
        trace(*SHAKEN, moved(asks(ACK)).sized(399), moved(says(ONE)).sized(102)),
    ),
    breaks(
        path_responses_are_expanded,
        "it is not",
        trace(*SHAKEN, says(ONE), asks(REPLY).sized(40)),
        "the datagram has 40 bytes",
        "left 5",
        side=Side.CLIENT,
    ),
    holds(
        path_responses_are_expanded,
        "the challenge was not either, on a path of its own",
        trace(*SHAKEN, moved(asks(ONE)).sized(40), moved(says(REPLY, TWO)).sized(120)),
    ),
    holds(
        server_repeats_small_path_challenges,
        "once more came",
        trace(*SMALL, moved(asks(REPLY)), moved(says(TWO)), moved(asks(REPLY_2)).after(2)),
    ),
    unexercised(server_repeats_small_path_challenges, "none is small", REBOUND),
    unexercised(
        server_repeats_small_path_challenges,
        "it is over before",
        trace(*SMALL, moved(asks(REPLY)), says(CLOSE)),
    ),
    unexercised(
        server_repeats_small_path_challenges,
        "it is not answered",
        trace(*SMALL, moved(says(DATA)).after(2)),
    ),
    breaks(
        server_repeats_small_path_challenges,
        "it does not",
        trace(*SMALL, moved(asks(REPLY)), moved(says(DATA)).after(2)),
        "the only PATH_CHALLENGE on 193.167.0.7:50001 - 193.167.100.100:443 is in a datagram of "
        "120 bytes",
        "right 5",
        "right 6",
        side=Side.SERVER,
    ),
    doubtful(
        server_repeats_small_path_challenges,
        "the second one may be secret",
        trace(*SMALL, moved(asks(REPLY)), moved(says(TWO)).secret(), moved(asks(ACK)).after(2)),
        "could not be decrypted",
    ),
    breaks(
        path_challenges_are_unpredictable,
        "two paths have the same",
        trace(*SHAKEN, says(ONE), moved(asks(ACK)), moved(says(ONE))),
        "another path has the same data",
        "right 6",
        "right 4",
        side=Side.SERVER,
    ),
    breaks(
        client_takes_a_new_connection_id_for_each_path,
        "it takes the old one along",
        trace(*SHAKEN, asks(DATA), asks(ONE).on(PREFERRED), asks(DATA).on(PREFERRED)),
        "it goes to 6f726967696e616c, as on 193.167.0.100:50000 - 193.167.100.100:443 before",
        "left 5",
        "left 3",
        side=Side.CLIENT,
    ),
    unexercised(
        client_takes_a_new_connection_id_for_each_path,
        "the server has none to give",
        trace(asks(DATA).but(dcid=b""), asks(ONE).but(dcid=b"").on(PREFERRED)),
    ),
    unexercised(
        server_takes_a_new_connection_id_for_each_address,
        "behind a NAT the client may have moved unaware",
        REBOUND,
    ),
    breaks(
        server_takes_a_new_connection_id_for_each_address,
        "it answers from there with the old one",
        trace(*SHAKEN, says(DATA), says(REPLY).on(PREFERRED)),
        "it goes to 636c69656e74, as on 193.167.0.100:50000 - 193.167.100.100:443 before",
        "right 5",
        "right 2",
        side=Side.SERVER,
    ),
    *(
        unexercised(one, "an Initial over IPv6 was not answered", FALLEN_BACK)
        for one in (server_validates_each_new_path, client_takes_a_new_connection_id_for_each_path)
    ),
    unexercised(server_validates_each_new_path, "two connections", TWO_CONNECTIONS),
    breaks(
        client_takes_a_new_connection_id_for_each_path,
        "the handshake goes on elsewhere",
        trace(
            client.initial(),
            server.initial(),
            client.initial(dcid=b"server"),
            client.initial(dcid=b"server").on(SERVER_6),
        ),
        f"it goes to {b'server'.hex()}, as on 193.167.0.100:50000 - 193.167.100.100:443 before",
        "left 4",
        "left 3",
        side=Side.CLIENT,
    ),
)


def test_the_usual_address_is_the_one_that_the_client_chose() -> None:
    assert {packet.path.server for packet in STAYED.right.packets} == {SERVER_4}


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
