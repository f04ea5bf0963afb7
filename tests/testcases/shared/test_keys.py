from __future__ import annotations

from collections.abc import Callable

import pytest

from quicmatrix.runner.trace.model import Ack, HandshakeDone, OtherTlsMessage, Ping, Side
from quicmatrix.testcases.model import Observation, Requirement
from quicmatrix.testcases.shared.keys import (
    FINISHED,
    client_updates_its_keys,
    first_update_waits_for_confirmation,
    generations,
    key_generations_only_rise,
    key_phase_bit_follows_the_keys,
    next_update_waits_for_acknowledgment,
    server_updates_its_keys,
)
from quicmatrix.testcases.views.view import sent
from tests.support.story import (
    Leg,
    Story,
    breaks,
    client,
    client_2,
    doubtful,
    holds,
    server,
    trace,
    unexercised,
)

CONFIRMED = (client.handshake(OtherTlsMessage(FINISHED)), server.one_rtt(HandshakeDone()))


def keys(generation: int) -> dict[str, object]:
    return {"key_generation": generation, "key_phase": generation % 2}


def up(number: int, generation: int) -> Leg:
    return client.one_rtt(Ping(), number=number, **keys(generation))


def down(number: int, generation: int) -> Leg:
    return server.one_rtt(Ping(), number=number, **keys(generation))


def acks(largest: int, generation: int = 0) -> Leg:
    return server.one_rtt(Ack(largest, 0, ((0, largest),)), **keys(generation))


def updates(
    requirement: Requirement[Observation], send: Callable[[int, int], Leg], side: Side
) -> list[Story]:
    near = "left" if side is Side.CLIENT else "right"
    return [
        holds(requirement, "even if it is lost", trace(send(0, 0), send(1, 1).lost())),
        breaks(
            requirement,
            "only the other side does",
            trace(send(0, 0), send(1, 0), up(2, 1) if side is Side.SERVER else down(2, 1)),
            f"all 2 1-RTT packets of the {side} have key phase 0",
            f"{near} 2",
            side=side,
        ),
        doubtful(
            requirement,
            "a packet is secret",
            trace(send(0, 0), send(1, 1).secret()),
            f"1 of 2 packets of the {side} could not be decrypted",
        ),
    ]


STORIES = (
    *updates(client_updates_its_keys, up, Side.CLIENT),
    *updates(server_updates_its_keys, down, Side.SERVER),
    holds(
        key_generations_only_rise,
        "three generations, with a gap and a late packet",
        trace(up(0, 0), up(2, 0), up(5, 1), up(4, 0), up(6, 1), up(7, 2)),
    ),
    holds(
        key_generations_only_rise,
        "each side and connection for itself",
        trace(
            up(5, 0),
            up(6, 1),
            down(0, 0),
            down(1, 1),
            client_2.one_rtt(number=2, key_phase=0),
            client_2.one_rtt(number=3, key_phase=1),
        ),
    ),
    breaks(
        key_generations_only_rise,
        "a lower packet number with newer keys",
        trace(down(0, 0), down(7, 0), down(3, 1)),
        "packet 7 has older keys than packet 3",
        "right 3",
        "right 2",
        side=Side.SERVER,
    ),
    breaks(
        key_generations_only_rise,
        "the very first packet number with newer keys",
        trace(up(5, 0), up(3, 1)),
        "packet 5 has older keys than packet 3",
        "left 2",
        "left 1",
        side=Side.CLIENT,
    ),
    unexercised(
        key_generations_only_rise,
        "a wrong Key Phase bit is no update",
        trace(up(0, 0), up(1, 0), *(up(2 + n, 0).but(key_phase=1) for n in range(3)), up(5, 0)),
    ),
    holds(
        key_generations_only_rise,
        "a late packet is the first of its generation that is seen",
        trace(up(0, 0), up(6, 2), up(3, 1), up(7, 2)),
    ),
    holds(
        key_phase_bit_follows_the_keys,
        "three generations",
        trace(up(0, 0), up(1, 1), up(2, 2), down(0, 0)),
    ),
    breaks(
        key_phase_bit_follows_the_keys,
        "it is toggled, but the keys are not updated",
        trace(up(0, 0), up(1, 0).but(key_phase=1), up(2, 0)),
        "the Key Phase bit is 1, and the keys have been updated 0 times",
        "left 2",
        side=Side.CLIENT,
    ),
    breaks(
        key_phase_bit_follows_the_keys,
        "the keys are updated, but it is not toggled",
        trace(down(0, 0), down(1, 1).but(key_phase=0)),
        "the Key Phase bit is 0, and the keys have been updated 1 times",
        "right 2",
        side=Side.SERVER,
    ),
    doubtful(
        key_phase_bit_follows_the_keys,
        "a packet is secret",
        trace(up(0, 0), up(1, 1).secret()),
        "could not be decrypted",
    ),
    doubtful(
        key_generations_only_rise,
        "a packet with other keys than expected cannot be decrypted",
        trace(up(0, 0), up(1, 1), up(2, 0).but(decrypted=False, frames=())),
        "1 of 3 packets of the client could not be decrypted, the first is 1-RTT 2",
    ),
    doubtful(
        key_generations_only_rise,
        "the connection is not known",
        trace(up(0, 0).but(connection=None)),
        "the connection of 1-RTT 0 (frame 1 left) is not known",
    ),
    holds(
        first_update_waits_for_confirmation,
        "client, after HANDSHAKE_DONE",
        trace(up(0, 0), *CONFIRMED, up(1, 1)),
    ),
    holds(
        first_update_waits_for_confirmation,
        "client, after an acknowledgment of a 1-RTT packet",
        trace(up(3, 0), acks(3), up(4, 1)),
    ),
    holds(
        first_update_waits_for_confirmation,
        "server, after the client's Finished",
        trace(down(0, 0), CONFIRMED[0], down(1, 1)),
    ),
    holds(
        first_update_waits_for_confirmation,
        "server, which follows the client's update",
        trace(down(0, 0), up(0, 0), acks(0), up(1, 1), server.one_rtt(key_phase=1)),
    ),
    breaks(
        first_update_waits_for_confirmation,
        "client, before HANDSHAKE_DONE",
        trace(up(0, 0), up(1, 1), *CONFIRMED),
        "the handshake is not confirmed yet",
        "left 2",
        side=Side.CLIENT,
    ),
    breaks(
        first_update_waits_for_confirmation,
        "client, although HANDSHAKE_DONE was sent but lost",
        trace(up(0, 0), CONFIRMED[0], CONFIRMED[1].lost(), up(1, 1)),
        "the handshake is not confirmed yet",
        "left 3",
        side=Side.CLIENT,
    ),
    breaks(
        first_update_waits_for_confirmation,
        "client, after an acknowledgment of a 0-RTT packet",
        trace(client.zero_rtt(number=0), up(1, 0), acks(0), up(2, 1)),
        "the handshake is not confirmed yet",
        "left 4",
        side=Side.CLIENT,
    ),
    breaks(
        first_update_waits_for_confirmation,
        "client, with its very first packet",
        trace(up(0, 1)),
        "the handshake is not confirmed yet",
        "left 1",
        side=Side.CLIENT,
    ),
    breaks(
        first_update_waits_for_confirmation,
        "server, before the client's Finished",
        trace(down(0, 0), client.handshake(OtherTlsMessage(FINISHED)).lost(), down(1, 1)),
        "the handshake is not confirmed yet",
        "right 2",
        side=Side.SERVER,
    ),
    breaks(
        first_update_waits_for_confirmation,
        "client, after the server's Finished",
        trace(up(0, 0), server.handshake(OtherTlsMessage(FINISHED)), up(1, 1)),
        "the handshake is not confirmed yet",
        "left 3",
        side=Side.CLIENT,
    ),
    breaks(
        first_update_waits_for_confirmation,
        "client, after another connection's HANDSHAKE_DONE",
        trace(client_2.one_rtt(), *CONFIRMED, client_2.one_rtt(key_phase=1)),
        "the handshake is not confirmed yet",
        "left 4",
        side=Side.CLIENT,
    ),
    doubtful(
        first_update_waits_for_confirmation,
        "a secret packet may have confirmed it",
        trace(up(0, 0), server.one_rtt().secret(), up(1, 1)),
        "packets of the server could not be decrypted",
    ),
    doubtful(
        first_update_waits_for_confirmation,
        "a secret packet may have been an update",
        trace(*CONFIRMED, up(0, 0), up(1, 1).secret()),
        "packets of the client could not be decrypted",
    ),
    unexercised(
        next_update_waits_for_acknowledgment,
        "the first one need not",
        trace(*CONFIRMED, up(0, 0), up(1, 1)),
    ),
    unexercised(
        next_update_waits_for_acknowledgment,
        "a late packet with older keys is none",
        trace(*CONFIRMED, up(0, 0), up(6, 2), up(3, 1)),
    ),
    holds(
        next_update_waits_for_acknowledgment,
        "the second one does",
        trace(*CONFIRMED, up(0, 0), up(1, 1), acks(1), up(2, 2)),
    ),
    holds(
        next_update_waits_for_acknowledgment,
        "the server follows, and its own packets are not acknowledged",
        trace(
            *CONFIRMED,
            up(0, 0),
            up(1, 1),
            acks(1, generation=1),
            up(2, 2),
            server.one_rtt(**keys(2)),
        ),
    ),
    breaks(
        next_update_waits_for_acknowledgment,
        "only a packet of the generation before is acknowledged",
        trace(*CONFIRMED, up(0, 0), up(1, 1), acks(0), up(2, 2)),
        "no packet of key generation 1 is acknowledged yet",
        "left 6",
        "left 4",
        side=Side.CLIENT,
    ),
    breaks(
        next_update_waits_for_acknowledgment,
        "the acknowledgment is lost",
        trace(*CONFIRMED, up(0, 0), up(1, 1), acks(1).lost(), up(2, 2)),
        "no packet of key generation 1 is acknowledged yet",
        "left 5",
        "left 4",
        side=Side.CLIENT,
    ),
    doubtful(
        next_update_waits_for_acknowledgment,
        "a secret packet may acknowledge it",
        trace(*CONFIRMED, up(0, 0), up(1, 1), acks(1).secret(), up(2, 2)),
        "packets of the server could not be decrypted",
    ),
)


def test_generations_are_counted() -> None:
    packets = sent(trace(up(0, 0), up(3, 1), up(2, 0), up(4, 1), up(5, 2)), Side.CLIENT)
    found = [(one.number, one.lowest, one.highest) for one in generations(packets)]
    assert found == [(0, 0, 2), (1, 3, 4), (2, 5, 5)]


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
