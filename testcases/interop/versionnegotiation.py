"""versionnegotiation: the client asks for a version that the server does not have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from quicmatrix.runner.trace.model import VERSION_1, Packet, PacketType, Path, Side
from quicmatrix.testcases.model import (
    Finding,
    Held,
    Level,
    Observation,
    TestCase,
    Violation,
    requirement,
)
from quicmatrix.testcases.shared.closing import no_side_closes_with_an_error
from quicmatrix.testcases.shared.contract import ATTEMPT_IS_MADE, CLIENT_IS_DONE, nothing_was_sent
from quicmatrix.testcases.shared.versions import name
from quicmatrix.testcases.views.datagrams import PROCESSING_TIME_S, with_packets
from quicmatrix.testcases.views.view import View, arrived, complete, every, exists, sent


@requirement(Level.TEST, "interop suite")
def client_asks_for_an_unknown_version(seen: Observation) -> Iterator[Finding]:
    """The version of the client's first packet is none that the server has."""
    asked = _asked(sent(seen.trace, Side.CLIENT))
    answers = arrived(seen.trace, Side.CLIENT)
    if not asked:
        complete(asked)
    for first in asked.items[:1]:
        accepted = [
            one
            for one in answers
            if one.type is not PacketType.VERSION_NEGOTIATION and one.version == first.version
        ]
        if first.version == VERSION_1 or accepted:
            yield Violation(f"it is {name(first.version)}", first, *accepted[:1])
        else:
            yield Held(first)


@requirement(Level.TEST, "interop suite", compat=True)
def client_receives_version_negotiation(seen: Observation) -> Iterator[Finding]:
    """A Version Negotiation packet answers the client's first packet, whose DCID is its SCID."""
    asked = _asked(sent(seen.trace, Side.CLIENT))
    answers = arrived(seen.trace, Side.CLIENT, PacketType.VERSION_NEGOTIATION)
    first = asked.items[:1]
    if nothing_was_sent(seen):
        yield Violation("it sent nothing", side=Side.CLIENT)
        return
    if not first:
        complete(asked)
    yield from exists(
        (one for one in answers if first and one.scid == first[0].dcid),
        Violation(
            "no Version Negotiation packet answers it" if first else "it sends nothing",
            *first,
            side=Side.SERVER if first and first[0].version != VERSION_1 else Side.CLIENT,
        ),
        asked,
        answers,
    )


@requirement(Level.MUST, "RFC 9000, 17.2.1")
def version_negotiation_swaps_the_connection_ids(seen: Observation) -> Iterator[Finding]:
    """A Version Negotiation packet has the connection IDs of the packet it answers, swapped."""
    asked = _asked(arrived(seen.trace, Side.SERVER))
    answers = sent(seen.trace, Side.SERVER, PacketType.VERSION_NEGOTIATION)

    def findings() -> Iterator[Finding]:
        for answer in answers:
            if answered := next(_answered(answer, asked), None):
                yield Held(answer, answered)
            else:
                complete(asked)
                yield Violation("no packet of the client had these connection IDs", answer)

    yield from every(findings(), answers)


@requirement(Level.TEST, "interop suite")
def version_negotiation_offers_version_1(seen: Observation) -> Iterator[Finding]:
    """A Version Negotiation packet lists version 1, and not the version that it refuses."""
    asked = _asked(arrived(seen.trace, Side.SERVER))
    answers = sent(seen.trace, Side.SERVER, PacketType.VERSION_NEGOTIATION)

    def findings() -> Iterator[Finding]:
        for answer in answers:
            listed = answer.supported_versions
            if VERSION_1 not in listed:
                yield Violation(f"it lists {', '.join(map(name, listed)) or 'none'}", answer)
            for one in _answered(answer, asked):
                if one.version in listed:
                    yield Violation(f"it lists {name(one.version)}", answer, one)
                else:
                    yield Held(answer, one)

    yield from every(findings(), asked, answers)


@requirement(Level.MUST, "RFC 9000, 6.1")
def server_sends_one_version_negotiation_for_one_datagram(seen: Observation) -> Iterator[Finding]:
    """The server sends no more than one Version Negotiation packet in response to a datagram."""

    def findings() -> Iterator[Finding]:
        asked: Counter[Path] = Counter()
        answers: Counter[Path] = Counter()
        for datagram, packets in with_packets(seen.trace.near(Side.SERVER)):
            path = datagram.path
            asked[path] += datagram.sender is Side.CLIENT
            for packet in packets:
                if packet.type is PacketType.VERSION_NEGOTIATION and packet.sender is Side.SERVER:
                    answers[path] += 1
                    if answers[path] <= asked[path]:
                        yield Held(packet)
                    else:
                        yield Violation(
                            f"it is number {answers[path]} after {asked[path]} datagrams", packet
                        )

    yield from every(findings(), sent(seen.trace, Side.SERVER))


@requirement(Level.MUST, "RFC 9000, 6.2")
def client_abandons_the_attempt(seen: Observation) -> Iterator[Finding]:
    """The client does not go on with the version that was refused."""
    asked = _asked(sent(seen.trace, Side.CLIENT))
    answers = arrived(seen.trace, Side.CLIENT, PacketType.VERSION_NEGOTIATION)

    def findings() -> Iterator[Finding]:
        for answer in answers.items[:1]:
            refused = {
                (one.version, one.scid): one
                for one in _answered(answer, asked)
                if one.version not in answer.supported_versions
            }
            for one in asked:
                if (
                    one.version,
                    one.scid,
                ) in refused and one.time > answer.time + PROCESSING_TIME_S:
                    yield Violation(
                        f"its version is {name(one.version)} still, "
                        f"{one.time - answer.time:.1f} s after the refusal",
                        one,
                        answer,
                    )
            yield from (Held(answer, one) for one in refused.values())

    yield from every(findings(), asked, answers)


def _asked(packets: View[Packet]) -> View[Packet]:
    """The client's packets that name a version."""
    return View(tuple(one for one in packets if one.version), packets.gap)


def _answered(answer: Packet, asked: View[Packet]) -> Iterator[Packet]:
    """The packets that a Version Negotiation may be meant for."""
    for one in asked:
        if (one.scid, one.dcid) == (answer.dcid, answer.scid) and _place(one) < _place(answer):
            yield one


def _place(packet: Packet) -> int:
    return packet.datagram.frame_number


VERSIONNEGOTIATION = TestCase(
    name="versionnegotiation",
    letter="V",
    summary="The server answers a version it does not have with a Version Negotiation packet.",
    client="versionnegotiation",
    server="versionnegotiation",
    requirements=(
        *ATTEMPT_IS_MADE,
        client_asks_for_an_unknown_version,
        client_receives_version_negotiation,
        version_negotiation_swaps_the_connection_ids,
        version_negotiation_offers_version_1,
        server_sends_one_version_negotiation_for_one_datagram,
        client_abandons_the_attempt,
        no_side_closes_with_an_error,
        *CLIENT_IS_DONE,
    ),
)
