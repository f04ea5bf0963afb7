from __future__ import annotations

import pytest
from rich.text import Text

from quicmatrix.runner.console.packets import (
    frame_words,
    lines,
    lost,
    milestones,
    named,
    neighbourhoods,
    packet_words,
    tls_words,
)
from quicmatrix.runner.trace.model import (
    VERSION_2,
    Ack,
    Capture,
    ClientHello,
    ConnectionClose,
    Crypto,
    DataBlocked,
    DatagramFrame,
    EcnCounts,
    Fate,
    Frame,
    HandshakeDone,
    MaxData,
    MaxStreamData,
    MaxStreams,
    NewConnectionId,
    NewToken,
    OtherTlsMessage,
    Packet,
    PacketType,
    PathChallenge,
    Ping,
    ResetStream,
    RetireConnectionId,
    ServerHello,
    Side,
    StopSending,
    Stream,
    StreamDataBlocked,
    StreamsBlocked,
    UnknownFrame,
)
from tests.support.transfers import packet, transfer

LEFT = transfer(20, 0.01).left


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (Ack(9, 0, ((5, 9), (3, 3))), "ACK 5-9 3"),
        (Ack(1, 0, ((1, 1),), EcnCounts(4, 0, 1)), "ACK 1 (ECT(0) 4, ECT(1) 0, CE 1)"),
        (Ack(90, 0, tuple((n, n) for n in range(90, 0, -10))), "ACK 90 80 70 60 and 5 ranges"),
        (Crypto(0, 300), "CRYPTO 0-299"),
        (Stream(4, 100, 50, fin=True), "STREAM 4: 100-149 FIN"),
        (Stream(4, 100, 0, fin=True), "STREAM 4: 100, empty FIN"),
        (ResetStream(4, 257, 0), "RESET_STREAM 4: 0x101"),
        (StopSending(4, 257), "STOP_SENDING 4: 0x101"),
        (MaxData(7), "MAX_DATA 7"),
        (DataBlocked(7), "DATA_BLOCKED 7"),
        (MaxStreamData(4, 7), "MAX_STREAM_DATA 4: 7"),
        (StreamDataBlocked(4, 7), "STREAM_DATA_BLOCKED 4: 7"),
        (MaxStreams(7, bidirectional=True), "MAX_STREAMS bidi 7"),
        (StreamsBlocked(7, bidirectional=False), "STREAMS_BLOCKED uni 7"),
        (NewConnectionId(2, 0, b"x", b"y"), "NEW_CONNECTION_ID 2"),
        (RetireConnectionId(1), "RETIRE_CONNECTION_ID 1"),
        (ConnectionClose(10, 6, "no", application=False), "CONNECTION_CLOSE 0xa 'no'"),
        (ConnectionClose(0, None, "", application=True), "CONNECTION_CLOSE application 0x0"),
        (DatagramFrame(12), "DATAGRAM 12 B"),
        (UnknownFrame(0x2F), "UNKNOWN_FRAME 0x2f"),
        (PathChallenge(b"x"), "PATH_CHALLENGE"),
        (NewToken(b"x"), "NEW_TOKEN"),
        (HandshakeDone(), "HANDSHAKE_DONE"),
        (Ping(), "PING"),
    ],
)
def test_a_frame_is_named_as_its_rfc_does(frame: Frame, words: str) -> None:
    assert frame_words(frame) == words


def test_tls_messages_too() -> None:
    assert tls_words(ClientHello(())) == "ClientHello"
    assert tls_words(ServerHello(0x1301)) == "ServerHello"
    assert tls_words(ServerHello(0x1301, is_hello_retry_request=True)) == "HelloRetryRequest"
    assert tls_words(OtherTlsMessage(11)) == "Certificate"
    assert tls_words(OtherTlsMessage(99)) == "TLS message 99"


def test_a_packet_says_what_is_in_it_or_that_nobody_knows() -> None:
    datagram = LEFT.datagrams[0]
    initial = Packet(
        datagram,
        PacketType.INITIAL,
        VERSION_2,
        b"",
        b"",
        1200,
        number=3,
        padding=900,
        token=b"12345",
        frames=(Crypto(0, 300),),
        tls=(ClientHello(()),),
    )
    assert packet_words(initial) == (
        "Initial 3 (v2): ClientHello, CRYPTO 0-299, PADDING 900, token of 5 B"
    )
    hidden = Packet(
        datagram, PacketType.ONE_RTT, None, b"", None, 50, payload_size=40, decrypted=False
    )
    assert packet_words(hidden) == "1-RTT: 40 B encrypted"
    many = packet(Side.CLIENT, 1, 0.0, Side.SERVER, 1, *[Ping()] * 9)
    assert packet_words(many).endswith("PING, and 3 frames")


def test_what_an_endpoint_says_cannot_drive_the_terminal() -> None:
    close = ConnectionClose(0, None, "\x1b[2J\n\u202e", application=True)
    words = packet_words(packet(Side.CLIENT, 1, 0.0, Side.SERVER, 1, close))
    assert words.isprintable()
    assert "1b[2J" in words


def frames_of(places: list[int], around: int = 2) -> list[list[int]]:
    return [
        [one.frame_number for one in place.datagrams]
        for place in neighbourhoods(LEFT, places, around)
    ]


def test_a_neighbourhood_has_so_many_before_and_after_and_stays_in_the_capture() -> None:
    assert frames_of([10]) == [[8, 9, 10, 11, 12]]
    assert frames_of([1]) == [[1, 2, 3]]
    assert frames_of([20]) == [[18, 19, 20]]
    assert frames_of([99]) == []


def test_neighbourhoods_that_touch_are_one() -> None:
    assert frames_of([5, 10]) == [list(range(3, 13))]
    assert frames_of([5, 11]) == [[3, 4, 5, 6, 7], [9, 10, 11, 12, 13]]
    (place,) = neighbourhoods(LEFT, [5, 6])
    assert place.marked == {5, 6}


def test_a_line_has_place_direction_and_fate_and_what_matters_is_marked() -> None:
    (place,) = neighbourhoods(LEFT, [5], around=1)
    shown = [line.plain for line in lines(place, LEFT.packets)]
    assert len(shown) == 6  # three packets, each with its fate below
    assert [line[:2] for line in shown] == ["  ", "  ", "▶ ", "  ", "  ", "  "]
    assert shown[2].split() == ["▶", "5", "1.0550", "s", "client", "←", "server", "1-RTT", "4"]
    assert shown[3].strip() == "#5 delivered after 15.0 ms"
    assert all(isinstance(line, Text) for line in lines(place, LEFT.packets))


def test_a_datagram_that_is_no_quic_is_shown_as_such() -> None:
    (place,) = neighbourhoods(LEFT, [1], around=0)
    assert "1000 B that are not QUIC" in next(iter(lines(place, ()))).plain


def test_milestones_are_each_told_once() -> None:
    done = packet(Side.CLIENT, 1, 0.1, Side.SERVER, 1, HandshakeDone(), Stream(0, 0, 5, fin=False))
    again = packet(Side.CLIENT, 2, 0.2, Side.SERVER, 2, HandshakeDone(), Stream(0, 5, 5, fin=True))
    capture = Capture(Side.CLIENT, (done.datagram, again.datagram), (done, again))
    assert [event for _, event in milestones(capture)] == [
        "HANDSHAKE_DONE: the handshake is confirmed",
        "first stream data",
    ]


def test_what_the_link_dropped_meanwhile_is_found_in_the_other_capture() -> None:
    sent = [
        packet(Side.SERVER, number, number / 10, Side.SERVER, number, fate=fate)
        for number, fate in enumerate(
            (
                Fate(1, "queue full"),
                Fate(2, delay_ms=15.0),
                Fate(3, "queue full"),
                Fate(4, delay_ms=15.0),
            ),
            start=1,
        )
    ]
    far = Capture(Side.SERVER, tuple(one.datagram for one in sent), tuple(sent))
    near = [
        packet(
            Side.CLIENT, frame, frame / 10, Side.SERVER, number, fate=Fate(number, delay_ms=15.0)
        )
        for frame, number in ((1, 2), (2, 4))
    ]
    here = Capture(Side.CLIENT, tuple(one.datagram for one in near), tuple(near))
    (place,) = neighbourhoods(here, [2])
    missing = lost(place, far)
    assert [one.frame_number for one in missing.datagrams] == [3]  # not 1: it was before
    shown = [line.plain.split() for line in lines(missing, far.packets)]
    assert shown[1] == ["#3", "dropped:", "queue", "full"]
    (alone,) = neighbourhoods(here, [2], around=0)
    assert lost(alone, far).datagrams == ()


def test_frames_that_a_reason_names() -> None:
    reason = "a datagram could not be decoded: frame 3 right; it is 1-RTT 5 (frame 12 left)"
    assert [(one.capture, one.frame_number) for one in named(reason)] == [
        (Side.SERVER, 3),
        (Side.CLIENT, 12),
    ]
    assert named("no keys, frame 3") == ()
