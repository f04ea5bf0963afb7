"""connectionmigration: the server prefers another address, and the client moves to it."""

from __future__ import annotations

from quicmatrix.testcases.model import MIB, TestCase
from quicmatrix.testcases.shared.amplification import server_keeps_to_the_amplification_limit
from quicmatrix.testcases.shared.handshakes import one_handshake
from quicmatrix.testcases.shared.paths import (
    client_answers_path_challenges,
    client_takes_a_new_connection_id_for_each_path,
    path_challenges_are_expanded,
    path_challenges_are_told_apart,
    path_responses_answer_one_challenge_each,
    path_responses_are_expanded,
    path_responses_stay_on_the_path,
    server_answers_path_challenges,
    server_begins_new_paths_with_a_challenge,
    server_sends_on_several_paths,
    server_takes_a_new_connection_id_for_each_address,
    server_validates_each_new_path,
)
from quicmatrix.testcases.shared.versions import server_initials_are_version_1

CONNECTIONMIGRATION = TestCase(
    name="connectionmigration",
    letter="CM",
    summary="The client migrates to the address that the server prefers, during a transfer.",
    client="transfer",
    server="connectionmigration",
    server_name="server46",
    files=(2 * MIB,),
    requirements=(
        one_handshake,
        server_initials_are_version_1,
        server_sends_on_several_paths,
        server_begins_new_paths_with_a_challenge,
        server_validates_each_new_path,
        client_answers_path_challenges,
        path_challenges_are_expanded,
        path_challenges_are_told_apart,
        path_responses_answer_one_challenge_each,
        path_responses_stay_on_the_path,
        path_responses_are_expanded,
        server_answers_path_challenges,
        client_takes_a_new_connection_id_for_each_path,
        server_takes_a_new_connection_id_for_each_address,
        server_keeps_to_the_amplification_limit,
    ),
)
