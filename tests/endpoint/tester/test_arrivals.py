from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.endpoint.tester import frames, packets
from quicmatrix.endpoint.tester.arrivals import destination_of, is_initial
from quicmatrix.endpoint.tester.packets import ConnectionIdPair, Shape
from quicmatrix.endpoint.tester.peer import HANDSHAKE, INITIAL
from quicmatrix.endpoint.transport.sockets.listener import negotiation_for

IDS = ConnectionIdPair(b"original", b"client")
KEYS = packets.initial_keys(IDS.destination, is_client=True)
FIRST = packets.long_packet(INITIAL, KEYS, IDS, 0, frames.crypto(b"hello"))
UNKNOWN = packets.long_header(b"original", b"client", bytes(1200), version=0x1A2A3A4A)


def test_a_clients_first_initial_is_known() -> None:
    assert is_initial(FIRST)
    assert is_initial(bytes([FIRST[0] & ~0x40]) + FIRST[1:]), "whatever its QUIC bit is"
    assert destination_of(FIRST) == IDS.destination
    handshake = packets.long_packet(HANDSHAKE, KEYS, IDS, 0, frames.ping())
    assert not is_initial(handshake)
    assert destination_of(handshake) == IDS.destination
    short = packets.short_packet(KEYS, b"eightcid", 1, frames.ping())
    assert not is_initial(short)
    assert destination_of(short) == b"eightcid"


def test_a_version_that_we_do_not_speak_is_answered_with_those_that_we_do() -> None:
    answer = negotiation_for(UNKNOWN, (1,))
    assert answer[1:] == bytes(4) + b"\x06client\x08original" + (1).to_bytes(4)


@pytest.mark.parametrize(
    "datagram",
    [
        FIRST,
        UNKNOWN[:1199],
        packets.long_header(b"original", b"client", bytes(1200), version=0),
        packets.short_packet(KEYS, b"eightcid", 1, frames.ping(), Shape(datagram_size=1200)),
    ],
)
def test_what_needs_no_negotiation_gets_none(datagram: bytes) -> None:
    assert negotiation_for(datagram, (1,)) == b""


@given(st.binary(max_size=60))
def test_no_datagram_is_too_strange(datagram: bytes) -> None:
    is_initial(datagram)
    destination_of(datagram)
    assert negotiation_for(datagram, (1,)) == b""
