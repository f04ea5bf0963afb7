"""connectionmigration: the server prefers another address, and the client moves to it."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import (
    Address,
    EncryptedExtensions,
    Packet,
    PacketType,
    PathChallenge,
    PathResponse,
    Side,
    Trace,
)
from quicmatrix.testcases.model import (
    MIB,
    Finding,
    Held,
    Level,
    Observation,
    TestCase,
    Violation,
    requirement,
)
from quicmatrix.testcases.shared.amplification import server_keeps_to_the_amplification_limit
from quicmatrix.testcases.shared.closing import no_side_closes_with_an_error
from quicmatrix.testcases.shared.connection_ids import (
    server_keeps_its_source_connection_id,
    server_retires_connection_ids_of_left_paths,
)
from quicmatrix.testcases.shared.contract import ATTEMPT_IS_MADE, CLIENT_IS_DONE
from quicmatrix.testcases.shared.handshakes import one_handshake
from quicmatrix.testcases.shared.paths import (
    client_answers_path_challenges,
    client_takes_a_new_connection_id_for_each_path,
    is_probing,
    path_challenges_are_expanded,
    path_challenges_are_unpredictable,
    path_responses_answer_one_challenge_each,
    path_responses_are_expanded,
    path_responses_stay_on_the_path,
    sends_on_several_paths,
    server_answers_path_challenges,
    server_begins_new_paths_with_a_challenge,
    server_moves_to_a_validated_path,
    server_repeats_small_path_challenges,
    server_takes_a_new_connection_id_for_each_address,
    server_validates_each_new_path,
)
from quicmatrix.testcases.shared.transfers import TRANSFER_ENDS
from quicmatrix.testcases.shared.versions import server_initials_are_version_1
from quicmatrix.testcases.views.view import (
    View,
    arrived,
    by_connection,
    complete,
    every,
    exists,
    frames,
    messages,
    readable,
    sent,
)


@requirement(Level.TEST, "RFC 9000, 9.6.1")
def server_prefers_another_address(seen: Observation) -> Iterator[Finding]:
    """The server sends the preferred_address transport parameter."""
    extensions = _extensions(seen.trace)
    yield from exists(
        (packet for packet, it in extensions if it.transport_parameters.has_preferred_address),
        Violation(
            "it offers no other address",
            *(packet for packet, _ in extensions.items[:1]),
            side=Side.SERVER,
        ),
        extensions,
    )


@requirement(Level.TEST, "RFC 9000, 9.6.1")
def client_migrates_to_another_address_of_the_server(seen: Observation) -> Iterator[Finding]:
    """The client sends 1-RTT packets to more than one address of the server."""
    packets = sent(seen.trace, Side.CLIENT, PacketType.ONE_RTT)
    addresses: dict[Address, Packet] = {}
    for packet in packets:
        addresses.setdefault(packet.path.server, packet)
    yield from exists(list(addresses.values())[1:], _unmoved(seen.trace, packets), packets)


@requirement(Level.TEST, "interop suite", compat=True)
def server_sends_on_the_new_path(seen: Observation) -> Iterator[Finding]:
    """The server sends on more than one path."""
    packets = sent(seen.trace, Side.CLIENT, PacketType.ONE_RTT)
    yield from sends_on_several_paths(seen.trace, _unmoved(seen.trace, packets))


@requirement(Level.MUST, "RFC 9000, 21.5.3")
def client_validates_the_preferred_address(seen: Observation) -> Iterator[Finding]:
    """The client sends only probing frames to the preferred address until that is validated."""
    outgoing = readable(sent(seen.trace, Side.CLIENT))
    incoming = frames(arrived(seen.trace, Side.CLIENT), PathResponse)

    def findings() -> Iterator[Finding]:
        for packets in by_connection(outgoing).values():
            asked: dict[Address, set[bytes]] = {}
            start = packets.items[0].path.server
            for packet in packets:
                address = packet.path.server
                if address == start or packet.type is not PacketType.ONE_RTT:
                    continue
                data = {one.data for one in packet.frames if isinstance(one, PathChallenge)}
                asked.setdefault(address, set()).update(data)
                if is_probing(packet):
                    continue
                answer = next(
                    (
                        one
                        for one, frame in incoming
                        if frame.data in asked[address] and _place(one) < _place(packet)
                    ),
                    None,
                )
                if answer is not None:
                    yield Held(packet, answer)
                    continue
                complete(incoming)
                yield Violation(
                    f"{address} is not validated"
                    + ("" if asked[address] else ": there was no PATH_CHALLENGE"),
                    packet,
                )
                break

    yield from every(findings(), outgoing)


@requirement(Level.MUST, "RFC 9000, 9.6.2")
def server_waits_for_the_client_to_move(seen: Observation) -> Iterator[Finding]:
    """The server sends non-probing packets from its original address until the client moves."""
    outgoing = readable(sent(seen.trace, Side.SERVER))
    incoming = readable(arrived(seen.trace, Side.SERVER))

    def findings() -> Iterator[Finding]:
        for connection, packets in by_connection(outgoing).items():
            start = packets.items[0].path.server
            for packet in packets:
                address = packet.path.server
                if address == start or is_probing(packet):
                    continue
                moved = next(
                    (
                        one
                        for one in incoming
                        if one.connection == connection
                        and one.path.server == address
                        and not is_probing(one)
                        and _place(one) < _place(packet)
                    ),
                    None,
                )
                if moved is not None:
                    yield Held(packet, moved)
                    continue
                complete(incoming)
                yield Violation(f"the client has sent probing packets to {address} only", packet)
                break

    yield from every(findings(), outgoing)


def _extensions(trace: Trace) -> View[tuple[Packet, EncryptedExtensions]]:
    return messages(sent(trace, Side.SERVER, PacketType.HANDSHAKE), EncryptedExtensions)


def _unmoved(trace: Trace, packets: View[Packet]) -> Violation:
    """Why the client is on one path only: no offer, none that it can take, or one it ignores."""
    extensions = _extensions(trace)
    offers = [it.transport_parameters.preferred_address for _, it in extensions]
    known = [address for offer in offers if offer for address in offer.addresses]
    last = packets.items[-1:]
    only = "the connection has one path only"
    if not offers and extensions.gap:
        return Violation(f"{only}; what it was offered is not known")
    if not known:
        return Violation(
            f"{only}: it offers no other address",
            *(packet for packet, _ in extensions.items[:1]),
            side=Side.SERVER,
        )
    listed = " and ".join(map(str, known))
    families = {address.is_ipv6 for address in known}
    if last and last[0].path.client.is_ipv6 not in families:
        used = "IPv6" if last[0].path.client.is_ipv6 else "IPv4"
        return Violation(f"{only}: the client uses {used}, and the server offers {listed} alone")
    return Violation(f"{only}: it ignores the offered {listed}", *last, side=Side.CLIENT)


def _place(packet: Packet) -> int:
    return packet.datagram.frame_number


CONNECTIONMIGRATION = TestCase(
    name="connectionmigration",
    letter="CM",
    summary="The client migrates to the address that the server prefers, during a transfer.",
    client="transfer",
    server="connectionmigration",
    server_name="server46",
    files=(2 * MIB,),
    requirements=(
        *ATTEMPT_IS_MADE,
        server_keeps_its_source_connection_id,
        server_initials_are_version_1,
        one_handshake,
        server_prefers_another_address,
        client_migrates_to_another_address_of_the_server,
        server_sends_on_the_new_path,
        client_validates_the_preferred_address,
        server_waits_for_the_client_to_move,
        server_validates_each_new_path,
        client_answers_path_challenges,
        server_answers_path_challenges,
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
        client_takes_a_new_connection_id_for_each_path,
        server_takes_a_new_connection_id_for_each_address,
        server_keeps_to_the_amplification_limit,
        *CLIENT_IS_DONE,
    ),
)
