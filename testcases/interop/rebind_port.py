"""rebind-port: a NAT gives the client another port, again and again."""

from __future__ import annotations

from quicmatrix.testcases.model import MIB, TestCase
from quicmatrix.testcases.shared.amplification import server_keeps_to_the_amplification_limit
from quicmatrix.testcases.shared.contract import ENDPOINT_CONTRACT
from quicmatrix.testcases.shared.handshakes import one_handshake
from quicmatrix.testcases.shared.paths import (
    client_answers_path_challenges,
    path_challenges_are_expanded,
    path_challenges_are_unpredictable,
    path_responses_answer_one_challenge_each,
    path_responses_are_expanded,
    path_responses_stay_on_the_path,
    server_begins_new_paths_with_a_challenge,
    server_sends_on_several_paths,
    server_validates_each_new_path,
)
from quicmatrix.testcases.shared.versions import server_initials_are_version_1

REBIND_PORT = TestCase(
    name="rebind-port",
    letter="BP",
    summary="A transfer completes although a NAT keeps changing the client's port.",
    client="transfer",
    server="transfer",
    scenario=(
        "rebind --delay=15ms --bandwidth=10Mbps --queue=25 --first-rebind=1s --rebind-freq=5s"
    ),
    files=(10 * MIB,),
    requirements=(
        *ENDPOINT_CONTRACT,
        one_handshake,
        server_initials_are_version_1,
        server_sends_on_several_paths,
        server_begins_new_paths_with_a_challenge,
        server_validates_each_new_path,
        client_answers_path_challenges,
        path_challenges_are_expanded,
        path_challenges_are_unpredictable,
        path_responses_answer_one_challenge_each,
        path_responses_stay_on_the_path,
        path_responses_are_expanded,
        server_keeps_to_the_amplification_limit,
    ),
)
