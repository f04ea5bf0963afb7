"""connectionmigration: the server prefers another address, and the client moves to it."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import Address, EncryptedExtensions, Packet, PacketType, Side
from quicmatrix.testcases.model import (
    MIB,
    Finding,
    Level,
    Observation,
    TestCase,
    Violation,
    requirement,
)
from quicmatrix.testcases.shared.amplification import server_keeps_to_the_amplification_limit
from quicmatrix.testcases.shared.contract import ENDPOINT_CONTRACT
from quicmatrix.testcases.shared.handshakes import one_handshake
from quicmatrix.testcases.shared.paths import (
    client_answers_path_challenges,
    client_takes_a_new_connection_id_for_each_path,
    path_challenges_are_expanded,
    path_challenges_are_unpredictable,
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
from quicmatrix.testcases.views.view import exists, messages, sent


@requirement(Level.TEST, "RFC 9000, 9.6.1")
def server_prefers_another_address(seen: Observation) -> Iterator[Finding]:
    """The server sends the preferred_address transport parameter."""
    extensions = messages(sent(seen.trace, Side.SERVER, PacketType.HANDSHAKE), EncryptedExtensions)
    yield from exists(
        (packet for packet, it in extensions if it.transport_parameters.has_preferred_address),
        Violation("it does not", *(packet for packet, _ in extensions.items[:1]), side=Side.SERVER),
        extensions,
    )


@requirement(Level.TEST, "RFC 9000, 9.6.1")
def client_migrates_to_another_address_of_the_server(seen: Observation) -> Iterator[Finding]:
    """The client sends 1-RTT packets to more than one address of the server."""
    packets = sent(seen.trace, Side.CLIENT, PacketType.ONE_RTT)
    addresses: dict[Address, Packet] = {}
    for packet in packets:
        addresses.setdefault(packet.path.server, packet)
    yield from exists(
        list(addresses.values())[1:],
        Violation(f"it sends to {len(addresses)}", *packets.items[-1:], side=Side.CLIENT),
        packets,
    )


CONNECTIONMIGRATION = TestCase(
    name="connectionmigration",
    letter="CM",
    summary="The client migrates to the address that the server prefers, during a transfer.",
    client="transfer",
    server="connectionmigration",
    server_name="server46",
    files=(2 * MIB,),
    requirements=(
        *ENDPOINT_CONTRACT,
        one_handshake,
        server_initials_are_version_1,
        server_prefers_another_address,
        client_migrates_to_another_address_of_the_server,
        server_sends_on_several_paths,
        server_begins_new_paths_with_a_challenge,
        server_validates_each_new_path,
        client_answers_path_challenges,
        path_challenges_are_expanded,
        path_challenges_are_unpredictable,
        path_responses_answer_one_challenge_each,
        path_responses_stay_on_the_path,
        path_responses_are_expanded,
        server_answers_path_challenges,
        client_takes_a_new_connection_id_for_each_path,
        server_takes_a_new_connection_id_for_each_address,
        server_keeps_to_the_amplification_limit,
    ),
)
