"""What counts as before and after a Retry."""

from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.views.retries import exchanges
from tests.support.story import Leg, client, client_2, server, trace


def test_an_initial_on_its_way_when_the_retry_arrives_counts_as_before() -> None:
    seen = trace(
        client.initial(),
        server.retry(token=b"t"),
        client.initial(),
        client.initial(token=b"t", dcid=b"retry"),
        client.initial(dcid=b"server"),
        client_2.initial(),
    )
    (attempt,) = exchanges(seen, Side.CLIENT)
    assert [one.datagram.frame_number for one in attempt.before] == [1, 3]
    assert [one.datagram.frame_number for one in attempt.after] == [4, 5]
    assert attempt.retry.datagram.frame_number == 2


def test_a_token_from_an_earlier_connection_is_not_the_retrys() -> None:
    seen = trace(
        client.initial(token=b"old"),
        server.retry(token=b"t"),
        client.initial(token=b"old"),
        client.initial(token=b"t"),
    )
    (attempt,) = exchanges(seen, Side.CLIENT)
    assert [len(attempt.before), len(attempt.after)] == [2, 1]


def test_the_client_goes_by_one_of_two_retries() -> None:
    seen = trace(
        client.initial(),
        client.initial(),
        server.retry(token=b"1"),
        server.retry(token=b"2"),
        client.initial(token=b"2"),
    )
    (attempt,) = exchanges(seen, Side.CLIENT)
    assert len(attempt.retries) == 2
    assert attempt.retry.token == b"2"


def test_a_token_tells_that_a_client_changed_its_connection_id() -> None:
    seen = trace(client.initial(), server.retry(token=b"t"), client.initial(token=b"t", scid=b"x"))
    (attempt,) = exchanges(seen, Side.SERVER)
    assert [one.scid for one in attempt.after] == [b"x"]


def test_a_retry_that_leads_nowhere() -> None:
    (attempt,) = exchanges(trace(client.initial(), server.retry(token=b"t")), Side.SERVER)
    assert (len(attempt.before), attempt.after) == (1, ())
    assert attempt.retry.token == b"t"


def test_a_lost_retry_is_not_seen_by_the_client() -> None:
    seen = trace(client.initial(), server.retry().lost())
    assert len(exchanges(seen, Side.CLIENT)) == 0
    assert len(exchanges(seen, Side.SERVER)) == 1


def test_a_retry_and_its_initials_share_a_path() -> None:
    elsewhere = client_2.initial(scid=b"client")
    seen = trace(client.initial(), elsewhere, server.retry(token=b"t"), client.initial(token=b"t"))
    (attempt,) = exchanges(seen, Side.CLIENT)
    assert [one.datagram.frame_number for one in attempt.before] == [1]


@pytest.mark.parametrize("hidden", [client.garbage(), server.garbage()])
def test_what_is_hidden_of_either_side_is_a_gap(hidden: Leg) -> None:
    assert exchanges(trace(client.initial(), server.retry()), Side.CLIENT).gap == ""
    assert exchanges(trace(client.initial(), server.retry(), hidden), Side.CLIENT).gap
