"""rebind-addr: a NAT gives the client another address and port, again and again."""

from __future__ import annotations

from quicmatrix.testcases.model import MIB, TestCase
from quicmatrix.testcases.shared.amplification import server_keeps_to_the_amplification_limit
from quicmatrix.testcases.shared.closing import no_side_closes_with_an_error
from quicmatrix.testcases.shared.connection_ids import (
    server_keeps_its_source_connection_id,
    server_retires_connection_ids_of_left_paths,
)
from quicmatrix.testcases.shared.contract import ATTEMPT_IS_MADE, CLIENT_IS_DONE
from quicmatrix.testcases.shared.handshakes import one_handshake
from quicmatrix.testcases.shared.paths import (
    address_changes_after_the_handshake,
    client_answers_path_challenges,
    path_challenges_are_expanded,
    path_challenges_are_unpredictable,
    path_responses_answer_one_challenge_each,
    path_responses_are_expanded,
    path_responses_stay_on_the_path,
    server_begins_new_paths_with_a_challenge,
    server_moves_to_a_validated_path,
    server_repeats_small_path_challenges,
    server_sends_on_several_paths,
    server_sends_to_several_addresses,
    server_validates_each_new_path,
)
from quicmatrix.testcases.shared.transfers import TRANSFER_ENDS
from quicmatrix.testcases.shared.versions import server_initials_are_version_1

REBIND_ADDR = TestCase(
    name="rebind-addr",
    letter="BA",
    summary="A transfer completes although a NAT keeps changing the client's address and port.",
    client="transfer",
    server="transfer",
    scenario=(
        "rebind --delay=15ms --bandwidth=10Mbps --queue=25 --first-rebind=1s --rebind-freq=5s "
        "--rebind-addr"
    ),
    files=(10 * MIB,),
    requirements=(
        *ATTEMPT_IS_MADE,
        server_keeps_its_source_connection_id,
        server_initials_are_version_1,
        address_changes_after_the_handshake,
        one_handshake,
        server_sends_on_several_paths,
        server_sends_to_several_addresses,
        server_validates_each_new_path,
        client_answers_path_challenges,
        server_moves_to_a_validated_path,
        server_retires_connection_ids_of_left_paths,
        *TRANSFER_ENDS,
        no_side_closes_with_an_error,
        server_begins_new_paths_with_a_challenge,
        path_challenges_are_expanded,
        server_repeats_small_path_challenges,
        path_challenges_are_unpredictable,
        path_responses_answer_one_challenge_each,
        path_responses_stay_on_the_path,
        path_responses_are_expanded,
        server_keeps_to_the_amplification_limit,
        *CLIENT_IS_DONE,
    ),
)
