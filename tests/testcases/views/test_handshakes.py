"""Which packets belong to which handshake."""

from __future__ import annotations

import pytest

from quicmatrix.testcases.model import Inconclusive
from quicmatrix.testcases.views.handshakes import handshakes, second_handshake
from tests.support.story import client, client_2, server, server_2, together, trace

FIRST = (client.initial(), together(server.initial(), server.handshake()), server.initial())
SECOND = (client_2.initial(), server_2.initial())


def test_a_handshake_contains_the_servers_packets_with_its_connection_id() -> None:
    seen = trace(*FIRST, *SECOND)
    first, second = handshakes(seen)
    assert [packet in first for packet in seen.right.packets] == [
        False,
        True,
        True,
        True,
        False,
        False,
    ]
    assert [packet in second for packet in seen.right.packets].index(True) == 5
    assert (first.connection, second.connection) == (0, 1)
    assert second_handshake(seen) == second


def test_a_second_handshake_that_may_be_hidden() -> None:
    assert second_handshake(trace(*FIRST)) is None
    with pytest.raises(Inconclusive, match="cut off"):
        second_handshake(trace(*FIRST, right_damage="cut off"))


def test_a_handshake_whose_connection_is_unknown() -> None:
    (only,) = handshakes(trace(server.initial(connection=None)))
    with pytest.raises(Inconclusive, match="the connection of Initial 0"):
        _ = only.connection
