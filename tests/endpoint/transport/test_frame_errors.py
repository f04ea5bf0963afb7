"""One wrong frame in a valid connection, and the error that it is answered with.

Each row is sent to a server and to a client. Stream numbers are given as a role: what the sender
or the target of the frame may open, and for one direction only or for both.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from aioquic.quic.packet import QuicErrorCode
from aioquic.tls import Epoch

from quicmatrix.endpoint.transport.streams.flow_control import MAX_STREAMS
from quicmatrix.endpoint.transport.streams.windows import INITIAL_WINDOW
from tests.support.injection import (
    confirmed_pair,
    deliver,
    frame,
    has_handshake_keys,
    inject,
    is_alive,
    long_packet,
    short_packet,
)
from tests.support.quic_pair import Pair, client_configuration, server_configuration

FLOW_CONTROL = QuicErrorCode.FLOW_CONTROL_ERROR
STREAM_LIMIT = QuicErrorCode.STREAM_LIMIT_ERROR
STREAM_STATE = QuicErrorCode.STREAM_STATE_ERROR
FINAL_SIZE = QuicErrorCode.FINAL_SIZE_ERROR
ENCODING = QuicErrorCode.FRAME_ENCODING_ERROR
VIOLATION = QuicErrorCode.PROTOCOL_VIOLATION
TOO_MANY_IDS = QuicErrorCode.CONNECTION_ID_LIMIT_ERROR
CRYPTO_BUFFER = QuicErrorCode.CRYPTO_BUFFER_EXCEEDED

LARGEST = (1 << 62) - 1
STREAMS = 1 << 60
BEYOND = 4 * MAX_STREAMS
TOKEN = bytes(16)


@dataclass(frozen=True, slots=True)
class Streams:
    """The first stream of each kind, seen from who sends the frame."""

    mine: int
    mine_uni: int
    yours: int
    yours_uni: int


TO_SERVER, TO_CLIENT = Streams(0, 2, 1, 3), Streams(1, 3, 0, 2)


def new_connection_id(number: int, retire_prior_to: int = 0, cid: bytes = b"12345678") -> bytes:
    return frame(0x18, number, retire_prior_to, bytes([len(cid)]), cid, TOKEN)


def rows(streams: Streams) -> dict[str, tuple[int, tuple[bytes, ...]]]:
    """By behaviour: the error, and the payloads of the packets."""
    mine, mine_uni = streams.mine, streams.mine_uni
    yours, yours_uni = streams.yours, streams.yours_uni
    abc = frame(0x0A, mine, 3, b"abc")
    abc_and_fin = frame(0x0B, mine, 3, b"abc")
    window_but_one = frame(0x0C, mine, INITIAL_WINDOW - 1, b"a")
    return {
        # RFC 9000, 12.4
        "a frame of unknown type": (ENCODING, (frame(0x21),)),
        "a frame of a large unknown type": (ENCODING, (frame(1 << 26),)),
        "a packet without frames": (VIOLATION, (b"",)),
        "a STREAM that is cut off": (ENCODING, (frame(0x0A, mine, 100, b"abc"),)),
        # 19.8, 4.1, 4.5 and 4.6
        "data on a stream to receive from": (STREAM_STATE, (frame(0x0A, yours_uni, 1, b"a"),)),
        "data on a stream of the peer's to come": (STREAM_STATE, (frame(0x0A, yours, 1, b"a"),)),
        "data beyond 2^62": (ENCODING, (frame(0x0E, mine, LARGEST, 1, b"a"),)),
        "data beyond a stream's limit": (
            FLOW_CONTROL,
            (frame(0x0E, mine, INITIAL_WINDOW, 1, b"a"),),
        ),
        "data beyond the connection's limit": (
            FLOW_CONTROL,
            (window_but_one, frame(0x0A, mine + 4, 1, b"a")),
        ),
        "a reset beyond the connection's limit": (
            FLOW_CONTROL,
            (window_but_one, frame(0x04, mine + 4, 0, 1)),
        ),
        "a reset beyond a stream's limit": (
            FLOW_CONTROL,
            (frame(0x04, mine, 0, INITIAL_WINDOW + 1),),
        ),
        "a stream too many by STREAM": (STREAM_LIMIT, (frame(0x0A, mine + BEYOND, 1, b"a"),)),
        "a stream too many by RESET_STREAM": (STREAM_LIMIT, (frame(0x04, mine + BEYOND, 0, 0),)),
        "a stream too many by STOP_SENDING": (STREAM_LIMIT, (frame(0x05, mine + BEYOND, 0),)),
        "a stream too many by MAX_STREAM_DATA": (STREAM_LIMIT, (frame(0x11, mine + BEYOND, 9),)),
        "a stream too many by STREAM_DATA_BLOCKED": (
            STREAM_LIMIT,
            (frame(0x15, mine + BEYOND, 9),),
        ),
        "a unidirectional stream too many": (
            STREAM_LIMIT,
            (frame(0x0A, mine_uni + BEYOND, 1, b"a"),),
        ),
        "data behind the end": (FINAL_SIZE, (abc_and_fin, frame(0x0E, mine, 3, 1, b"d"))),
        "another end": (FINAL_SIZE, (abc_and_fin, frame(0x0F, mine, 1, 1, b"b"))),
        "a reset before what was received": (FINAL_SIZE, (abc, frame(0x04, mine, 0, 2))),
        "a reset with another final size": (
            FINAL_SIZE,
            (frame(0x04, mine, 0, 2), frame(0x04, mine, 0, 3)),
        ),
        # 19.4, 19.5, 19.10 and 19.13
        "a reset of a stream to receive from": (STREAM_STATE, (frame(0x04, yours_uni, 0, 0),)),
        "STOP_SENDING of a stream to come": (STREAM_STATE, (frame(0x05, yours, 0),)),
        "STOP_SENDING of a stream to send on": (STREAM_STATE, (frame(0x05, mine_uni, 0),)),
        "MAX_STREAM_DATA of a stream to send on": (STREAM_STATE, (frame(0x11, mine_uni, 9),)),
        "MAX_STREAM_DATA of a stream to come": (STREAM_STATE, (frame(0x11, yours, 9),)),
        "STREAM_DATA_BLOCKED of one to receive from": (
            STREAM_STATE,
            (frame(0x15, yours_uni, 9),),
        ),
        # 19.11 and 19.14
        "more than 2^60 streams": (ENCODING, (frame(0x12, STREAMS + 1),)),
        "more than 2^60 unidirectional streams": (ENCODING, (frame(0x13, STREAMS + 1),)),
        "blocked by more than 2^60 streams": (ENCODING, (frame(0x16, STREAMS + 1),)),
        "blocked by more than 2^60 unidirectional": (ENCODING, (frame(0x17, STREAMS + 1),)),
        # 19.6 and 7.5
        "CRYPTO beyond 2^62": (ENCODING, (frame(0x06, LARGEST, 1, b"a"),)),
        "CRYPTO far ahead": (CRYPTO_BUFFER, (frame(0x06, 1 << 20, 1, b"a"),)),
        # 19.15, 19.16 and 5.1.1
        "an empty connection ID": (ENCODING, (new_connection_id(20, 0, b""),)),
        "a connection ID of 21 bytes": (ENCODING, (new_connection_id(20, 0, bytes(21)),)),
        "Retire Prior To above the Sequence Number": (ENCODING, (new_connection_id(20, 21),)),
        "a connection ID too many": (TOO_MANY_IDS, (new_connection_id(20),)),
        "retirement of an ID that was never given": (VIOLATION, (frame(0x19, 100),)),
        "retirement of the ID that it is sent to": (VIOLATION, (frame(0x19, 0),)),
        # 13.1 and 19.3
        "ACK of a packet that was not sent": (VIOLATION, (frame(0x02, 10_000, 0, 0, 0),)),
        "ACK_ECN of a packet that was not sent": (
            VIOLATION,
            (frame(0x03, 10_000, 0, 0, 0, 0, 0, 0),),
        ),
        "ACK of more packets than there are": (ENCODING, (frame(0x02, 5, 0, 0, 6),)),
        "ACK with a gap below zero": (ENCODING, (frame(0x02, 5, 0, 1, 0, 10, 0),)),
        "ACK that is cut off": (ENCODING, (frame(0x02, 5, 0, 3, 0),)),
        "ACK_ECN without counts": (ENCODING, (frame(0x03, 1, 0, 0, 0),)),
        # 9221, 3
        "a DATAGRAM that nobody asked for": (VIOLATION, (frame(0x31, 3, b"abc"),)),
    }


def legal_rows(streams: Streams) -> dict[str, tuple[bytes, ...]]:
    """The other side of each boundary."""
    mine, mine_uni, yours_uni = streams.mine, streams.mine_uni, streams.yours_uni
    return {
        "PING, longer than it need be": (b"\x40\x01",),
        "data up to a stream's limit": (frame(0x0E, mine, INITIAL_WINDOW - 1, 1, b"a"),),
        "the last stream": (frame(0x0A, mine + BEYOND - 4, 1, b"a"),),
        "the last unidirectional stream": (frame(0x0A, mine_uni + BEYOND - 4, 1, b"a"),),
        "2^60 streams": (frame(0x12, STREAMS) + frame(0x13, STREAMS),),
        "blocked by 2^60 streams": (frame(0x16, STREAMS) + frame(0x17, STREAMS),),
        "limits that fall": (frame(0x10, 1) + frame(0x12, 0) + frame(0x13, 0),),
        "a reset twice": (frame(0x04, mine, 0, 2), frame(0x04, mine, 7, 2)),
        "data twice, in pieces, and out of order": (
            frame(0x0E, mine, 2, 2, b"cd"),
            frame(0x0A, mine, 3, b"abc"),
            frame(0x0A, mine, 3, b"abc"),
        ),
        "a response to no challenge": (frame(0x1B, b"12345678"),),
        "DATA_BLOCKED": (frame(0x14, yours_uni),),
    }


@pytest.mark.parametrize("to_server", [True, False], ids=["server", "client"])
@pytest.mark.parametrize("behaviour", rows(TO_SERVER))
def test_a_fault_ends_the_connection(certs: Path, behaviour: str, to_server: bool) -> None:
    error, payloads = rows(TO_SERVER if to_server else TO_CLIENT)[behaviour]
    pair = confirmed_pair(certs)
    *before, last = payloads
    for payload in before:
        assert inject(pair, payload, to_server=to_server) is None, "one fault at a time"
    link = pair.to_client if to_server else pair.to_server
    sent = len(link.sent)
    assert inject(pair, last, to_server=to_server) == error
    assert len(link.sent) == sent + 1, "CONNECTION_CLOSE"
    pair.run_for(0.1)
    ending = (pair.client if to_server else pair.server).ending
    assert ending is not None, "the peer reads it"
    assert (ending.error_code, ending.frame_type is None) == (error, False)


@pytest.mark.parametrize("to_server", [True, False], ids=["server", "client"])
@pytest.mark.parametrize("behaviour", legal_rows(TO_SERVER))
def test_what_is_legal_is_taken(certs: Path, behaviour: str, to_server: bool) -> None:
    payloads = legal_rows(TO_SERVER if to_server else TO_CLIENT)[behaviour]
    pair = confirmed_pair(certs)
    assert inject(pair, *payloads, to_server=to_server) is None
    assert is_alive(pair, to_server=to_server)


@pytest.mark.parametrize(
    "payload", [frame(0x1E), frame(0x07, 1, b"t"), frame(0x07, 0)], ids=["DONE", "TOKEN", "EMPTY"]
)
def test_a_server_takes_no_frame_that_only_a_server_sends(certs: Path, payload: bytes) -> None:
    """RFC 9000, 19.7 and 19.20."""
    assert inject(confirmed_pair(certs), payload) == VIOLATION


def test_a_client_takes_no_empty_token(certs: Path) -> None:
    """RFC 9000, 19.7."""
    assert inject(confirmed_pair(certs), frame(0x07, 0), to_server=False) == ENCODING


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        (b"\x30" + bytes(99), None),
        (b"\x30" + bytes(100), VIOLATION),
        (frame(0x31, 97, bytes(97)), None),
        (frame(0x31, 98, bytes(98)), VIOLATION),
    ],
)
def test_a_datagram_frame_above_the_limit(certs: Path, payload: bytes, error: int | None) -> None:
    """RFC 9221, 3: the limit is of the whole frame."""
    assert inject(confirmed_pair(certs, max_datagram_frame_size=100), payload) == error


@pytest.mark.parametrize("bits", [0x08, 0x10, 0x18])
def test_reserved_bits_of_a_short_header(certs: Path, bits: int) -> None:
    """RFC 9000, 17.3.1."""
    pair = confirmed_pair(certs)
    deliver(pair, [short_packet(pair.client, b"\x01", bits=bits)])
    assert pair.server.ending is not None
    assert pair.server.ending.error_code == VIOLATION


def test_a_close_with_an_unknown_code_is_a_close(certs: Path) -> None:
    pair = confirmed_pair(certs)
    sent = len(pair.to_client.sent)
    assert inject(pair, frame(0x1C, 0x123456, 0, 3, b"why"), frame(0x01)) == 0x123456
    assert len(pair.to_client.sent) == sent, "RFC 9000, 10.2.2: nothing is sent while it drains"


@pytest.mark.parametrize("frame_type", [0x08, 0x10, 0x18, 0x1A, 0x1D, 0x1E])
@pytest.mark.parametrize("epoch", [Epoch.INITIAL, Epoch.HANDSHAKE])
def test_frames_of_1_rtt_in_the_handshake(certs: Path, epoch: Epoch, frame_type: int) -> None:
    """RFC 9000, 12.5."""
    pair = Pair(client_configuration(certs), server_configuration(certs))
    if epoch is Epoch.INITIAL:
        pair.to_client.drops = lambda *_: True  # with Handshake keys it is too late
    pair.connect()

    def has_keys() -> bool:
        end = pair._server if epoch is Epoch.INITIAL else pair.client
        return end is not None and has_handshake_keys(end)

    pair.run_until(has_keys)
    packet = long_packet(pair.server, epoch, frame(frame_type).ljust(40, b"\0"))
    deliver(pair, [packet], to_server=False)
    assert pair.client.ending is not None
    assert pair.client.ending.error_code == VIOLATION


@pytest.mark.parametrize("frame_type", [0x02, 0x06, 0x07, 0x1E])
def test_frames_that_0_rtt_may_not_have(certs: Path, frame_type: int) -> None:
    """RFC 9000, 12.5."""
    first = Pair(client_configuration(certs), server_configuration(certs))
    first.connect()
    first.run_until(lambda: bool(first.client_tickets))
    pair = Pair(
        client_configuration(certs, session_ticket=first.client_tickets[-1]),
        server_configuration(certs),
        tickets=first.tickets,
    )
    pair.connect()
    packet = long_packet(pair.client, Epoch.ZERO_RTT, frame(frame_type, *[0] * 6))
    pair.to_client.drops = lambda *_: True
    pair.run_until(lambda: pair._server is not None)
    deliver(pair, [packet])
    assert pair.server.ending is not None
    assert pair.server.ending.error_code == VIOLATION
