"""v2: client and server move from QUIC version 1 to version 2 during the handshake."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import (
    VERSION_1,
    VERSION_2,
    ClientHello,
    Crypto,
    EncryptedExtensions,
    Packet,
    PacketType,
    Path,
    Side,
    Trace,
    VersionInformation,
)
from quicmatrix.testcases.model import (
    KIB,
    Finding,
    Held,
    Level,
    Observation,
    TestCase,
    Violation,
    requirement,
)
from quicmatrix.testcases.shared.closing import no_side_closes_with_an_error
from quicmatrix.testcases.shared.connection_ids import server_keeps_its_source_connection_id
from quicmatrix.testcases.shared.contract import ATTEMPT_IS_MADE, CLIENT_IS_DONE
from quicmatrix.testcases.shared.transfers import TRANSFER_ENDS
from quicmatrix.testcases.shared.versions import name
from quicmatrix.testcases.views.view import (
    View,
    by_connection,
    every,
    exists,
    frames,
    messages,
    sent,
)


@requirement(Level.TEST, "interop suite", compat=True)
def client_starts_in_version_1(seen: Observation) -> Iterator[Finding]:
    """The client sends an Initial packet of version 1."""
    yield from _initial_of(VERSION_1, Side.CLIENT, seen.trace)


@requirement(Level.TEST, "interop suite", compat=True)
def server_answers_in_version_2(seen: Observation) -> Iterator[Finding]:
    """The server sends an Initial packet of version 2."""
    yield from _initial_of(VERSION_2, Side.SERVER, seen.trace)


@requirement(Level.TEST, "interop suite", compat=True)
def handshake_packets_are_version_2(seen: Observation) -> Iterator[Finding]:
    """Both sides send Handshake packets, all of version 2."""
    views = {side: sent(seen.trace, side, PacketType.HANDSHAKE) for side in Side}

    def findings() -> Iterator[Finding]:
        for side, packets in views.items():
            if not packets and not packets.gap:
                yield Violation(f"the {side} sends no Handshake packet", side=side)
            for packet in packets:
                if packet.version == VERSION_2:
                    yield Held(packet)
                else:
                    yield Violation(f"the version is {name(packet.version)}", packet)

    yield from every(findings(), *views.values())


@requirement(Level.MUST, "RFC 9369, 4.1")
def server_sends_crypto_in_one_version(seen: Observation) -> Iterator[Finding]:
    """The server sends all its CRYPTO frames in packets of the negotiated version."""
    packets = sent(seen.trace, Side.SERVER, PacketType.INITIAL, PacketType.HANDSHAKE)

    def findings() -> Iterator[Finding]:
        for members in by_connection(packets).values():
            first: Packet | None = None
            for packet, _ in frames(members, Crypto):
                first = first or packet
                if packet.version == first.version:
                    yield Held(packet)
                else:
                    yield Violation(
                        f"the version is {name(packet.version)}, and was {name(first.version)}",
                        packet,
                        first,
                    )

    yield from every(findings(), frames(packets, Crypto))


@requirement(Level.MUST, "RFC 9369, 4")
def each_side_sends_version_information(seen: Observation) -> Iterator[Finding]:
    """Each side sends the version_information transport parameter."""
    views = _transport_parameters(seen.trace)

    def findings() -> Iterator[Finding]:
        for side, view in views.items():
            if not view and not view.gap:
                yield Violation(f"the {side} sends no transport parameters", side=side)
            for packet, information in view:
                if information:
                    yield Held(packet)
                else:
                    yield Violation(f"the {side} sends none", packet)

    yield from every(findings(), *_unseen(views))


@requirement(Level.TEST, "interop suite")
def client_offers_version_2(seen: Observation) -> Iterator[Finding]:
    """The client lists version 2 among its Available Versions."""
    view = _transport_parameters(seen.trace)[Side.CLIENT]
    offers = [(packet, information) for packet, information in view if information]
    yield from exists(
        (packet for packet, offer in offers if VERSION_2 in offer.available),
        Violation(
            f"it lists {', '.join(map(name, offers[0][1].available)) or 'none'}"
            if offers
            else "it lists none",
            *(packet for packet, _ in view),
            side=Side.CLIENT,
        ),
        view,
    )


@requirement(Level.MUST, "RFC 9368, 3")
def client_lists_its_chosen_version(seen: Observation) -> Iterator[Finding]:
    """The client's Chosen Version is among its Available Versions."""
    view = _transport_parameters(seen.trace)[Side.CLIENT]
    yield from every(
        (
            Held(packet)
            if information.chosen in information.available
            else Violation(f"{name(information.chosen)} is not among them", packet)
            for packet, information in view
            if information
        ),
        *_unseen({Side.CLIENT: view}),
    )


@requirement(Level.MUST, "RFC 9368, 4")
def each_side_chooses_the_version_in_use(seen: Observation) -> Iterator[Finding]:
    """The client's Chosen Version is its first Initial's, the server's the negotiated one."""
    views = _transport_parameters(seen.trace)
    first: dict[Path, int | None] = {}
    for packet in sent(seen.trace, Side.CLIENT, PacketType.INITIAL):
        first.setdefault(packet.path, packet.version)

    def findings() -> Iterator[Finding]:
        for side, view in views.items():
            for packet, information in view:
                in_use = first[packet.path] if side is Side.CLIENT else packet.version
                if information and information.chosen == in_use:
                    yield Held(packet)
                elif information:
                    yield Violation(
                        f"the {side}'s Chosen Version is {name(information.chosen)} "
                        f"where {name(in_use)} is in use",
                        packet,
                    )

    yield from every(findings(), *_unseen(views))


def _initial_of(version: int, side: Side, trace: Trace) -> Iterator[Finding]:
    initials = sent(trace, side, PacketType.INITIAL)
    seen = sorted({name(packet.version) for packet in initials})
    yield from exists(
        (packet for packet in initials if packet.version == version),
        Violation(
            f"its Initial packets are of version {', '.join(seen)}"
            if seen
            else "it sends no Initial packet",
            *initials.items[:1],
            side=side,
        ),
        initials,
    )


_Informed = View[tuple[Packet, VersionInformation | None]]


def _transport_parameters(trace: Trace) -> dict[Side, _Informed]:
    """The version_information of each message that carries transport parameters."""
    hellos = messages(sent(trace, Side.CLIENT, PacketType.INITIAL), ClientHello)
    extensions = messages(sent(trace, Side.SERVER, PacketType.HANDSHAKE), EncryptedExtensions)
    return {
        Side.CLIENT: _version_information(hellos),
        Side.SERVER: _version_information(extensions),
    }


def _unseen(views: dict[Side, _Informed]) -> list[_Informed]:
    """Those views in which no transport parameters were seen: a handshake has them once."""
    return [view for view in views.values() if not view]


def _version_information(
    view: View[tuple[Packet, ClientHello]] | View[tuple[Packet, EncryptedExtensions]],
) -> _Informed:
    return View(
        tuple(
            (packet, message.transport_parameters.version_information) for packet, message in view
        ),
        view.gap,
    )


V2 = TestCase(
    name="v2",
    letter="V2",
    summary="Client and server move from version 1 to version 2 by compatible negotiation.",
    client="v2",
    server="v2",
    files=(1 * KIB,),
    requirements=(
        *ATTEMPT_IS_MADE,
        server_keeps_its_source_connection_id,
        client_starts_in_version_1,
        client_offers_version_2,
        client_lists_its_chosen_version,
        each_side_sends_version_information,
        each_side_chooses_the_version_in_use,
        server_sends_crypto_in_one_version,
        *TRANSFER_ENDS,
        no_side_closes_with_an_error,
        server_answers_in_version_2,
        handshake_packets_are_version_2,
        *CLIENT_IS_DONE,
    ),
)
