"""Each combinator, in each of the situations of its table."""

from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import (
    ClientHello,
    Crypto,
    OtherTlsMessage,
    Packet,
    PacketType,
    Ping,
    Side,
    Trace,
)
from quicmatrix.testcases.model import Held, Inconclusive, Violation
from quicmatrix.testcases.views.view import (
    View,
    arrived,
    by_connection,
    complete,
    decrypted,
    every,
    exists,
    frames,
    messages,
    never,
    readable,
    sent,
)
from tests.support.story import client, crypto, server, together, trace

VIOLATION = Violation("wrong", side=Side.CLIENT)
WHOLE: View[int] = View((1,))
NOTHING: View[Packet] = View(())
HIDDEN: View[int] = View((), "no keys")


def test_what_was_sent_is_seen_next_to_the_sender_and_what_arrived_next_to_the_other() -> None:
    seen = trace(client.initial(), client.initial().lost(), server.initial().lost())
    assert [packet.number for packet in sent(seen, Side.CLIENT)] == [0, 1]
    assert [packet.number for packet in arrived(seen, Side.SERVER)] == [0]
    assert len(sent(seen, Side.SERVER)) == 1
    assert len(arrived(seen, Side.CLIENT)) == 0


def test_packets_are_chosen_by_type_even_if_coalesced() -> None:
    seen = trace(together(server.initial(), server.handshake(), server.one_rtt()))
    assert [one.type for one in sent(seen, Side.SERVER, PacketType.HANDSHAKE)] == [
        PacketType.HANDSHAKE
    ]
    assert len(sent(seen, Side.SERVER, PacketType.INITIAL, PacketType.ONE_RTT)) == 2
    assert sent(seen, Side.SERVER).gap == ""


@pytest.mark.parametrize(
    ("seen", "gap"),
    [
        (Trace(trace().left, trace().right), "the left capture is empty"),
        (trace(client.initial(), left_damage="cut off"), "the left capture is damaged: cut off"),
        (
            trace(client.initial(), client.garbage()),
            "a datagram of the client could not be decoded as QUIC: frame 2 left",
        ),
        (trace(client.initial(), server.garbage()), ""),
        (trace(client.initial().secret()), ""),
    ],
)
def test_headers_are_hidden_only_in_a_capture_that_cannot_be_read(seen: Trace, gap: str) -> None:
    assert sent(seen, Side.CLIENT).gap == gap


def test_what_cannot_be_decrypted_hides_frames_and_messages() -> None:
    seen = trace(client.initial(crypto("a"), ClientHello(())), client.one_rtt(Ping()).secret())
    packets = sent(seen, Side.CLIENT)
    gap = "1 of 2 packets of the client could not be decrypted, the first is 1-RTT (frame 2 left)"
    assert packets.gap == ""
    assert (len(readable(packets)), readable(packets).gap) == (1, gap)
    assert frames(packets, Crypto) == View(((packets.items[0], crypto("a")),), gap)
    assert frames(packets, Ping) == View((), gap)
    assert messages(packets, ClientHello) == View(((packets.items[0], ClientHello(())),), gap)
    assert messages(packets, OtherTlsMessage) == View((), gap)


def test_frames_of_no_known_type_hide_what_follows_them() -> None:
    packets = sent(trace(client.one_rtt(Ping()), client.one_rtt(unread="0xaf")), Side.CLIENT)
    gap = "not all frames of 1-RTT 1 (frame 2 left) could be read: 0xaf"
    assert decrypted(packets) == packets
    assert readable(packets) == View(packets.items, gap)
    assert frames(packets, Ping) == View(((packets.items[0], Ping()),), gap)


def test_connections_are_told_apart_or_not_at_all() -> None:
    packets = sent(
        trace(client.one_rtt(), client.one_rtt().but(connection=1), client.one_rtt()), Side.CLIENT
    )
    assert [len(one) for one in by_connection(packets).values()] == [2, 1]
    unknown = sent(trace(client.one_rtt().but(connection=None)), Side.CLIENT)
    with pytest.raises(Inconclusive, match=r"the connection of 1-RTT 0 \(frame 1 left\)"):
        by_connection(unknown)


def test_exists() -> None:
    packet, other = sent(trace(client.initial(), client.initial()), Side.CLIENT)
    shown = [Held(packet), Held(other)]
    assert list(exists([packet, (other, Ping())], VIOLATION, WHOLE)) == shown
    assert list(exists([packet], VIOLATION, HIDDEN)) == shown[:1]
    assert list(exists([], VIOLATION, WHOLE)) == [VIOLATION]
    with pytest.raises(Inconclusive, match="no keys"):
        list(exists([], VIOLATION, WHOLE, HIDDEN))


def test_never() -> None:
    packets = sent(trace(client.initial(), client.initial()), Side.CLIENT)
    assert list(never([], packets)) == [Held(packet) for packet in packets]
    assert list(never([], View((packets.items[0].datagram,)), NOTHING)) == [
        Held(packets.items[0].datagram)
    ]
    assert list(never([], NOTHING)) == []
    assert list(never([VIOLATION], packets)) == [VIOLATION]
    assert list(never([VIOLATION], HIDDEN)) == [VIOLATION]
    with pytest.raises(Inconclusive, match="no keys"):
        list(never([], packets, HIDDEN))


def test_every() -> None:
    assert list(every([], NOTHING)) == []
    assert list(every([Held(), VIOLATION, Held()], HIDDEN)) == [Held(), VIOLATION, Held()]
    assert list(every([Held()], WHOLE)) == [Held()]
    with pytest.raises(Inconclusive, match="no keys"):
        list(every([Held()], WHOLE, HIDDEN))


def test_those_of_which_a_condition_is_true() -> None:
    assert View((1, 2, 3), "no keys").where(lambda number: number > 1) == View((2, 3), "no keys")


def test_complete() -> None:
    complete()
    complete(WHOLE, WHOLE)
    with pytest.raises(Inconclusive, match="no keys"):
        complete(WHOLE, HIDDEN)


def test_what_belongs_to_no_connection_is_no_gap() -> None:
    foreign = client.one_rtt(unassociated=True, connection=None).secret()
    packets = sent(trace(client.one_rtt(), foreign), Side.CLIENT, PacketType.ONE_RTT)
    complete(readable(packets))
    assert list(by_connection(packets)) == [0]
