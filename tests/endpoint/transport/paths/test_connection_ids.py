from __future__ import annotations

import pytest
from aioquic.quic.packet import QuicErrorCode

from quicmatrix.endpoint.transport.paths.connection_ids import MOST_HELD
from tests.support.injection import frame, inject, is_alive
from tests.support.quic_pair import Pair, random_loss

FIRST_ID = b"12345678"
OTHER_ID = b"abcdefgh"


def new_connection_id(number: int, retire_prior_to: int, cid: bytes = FIRST_ID) -> bytes:
    return frame(0x18, number, retire_prior_to, bytes([len(cid)]), cid, bytes(16))


def test_all_that_are_taken_back_are_retired_and_replaced(pair: Pair) -> None:
    """RFC 9000, 5.1.2: each number, and the next packet has another ID."""
    before = pair.server._peer_cid.cid
    cid = pair.client._host_cids[2].cid
    again = new_connection_id(2, 2, cid)
    assert inject(pair, again) is None
    pair.run_for(0.5)
    numbers = [cid.sequence_number for cid in pair.client._host_cids]
    assert numbers == [2, 3, 4, 5]
    assert pair.server._peer_cid.cid != before
    assert is_alive(pair)


def test_an_id_that_comes_after_it_was_taken_back_is_retired_at_once(pair: Pair) -> None:
    """RFC 9000, 19.15; once is enough."""
    assert inject(pair, new_connection_id(20, 20)) is None
    retired: list[int] = []
    pair.server._write_retire_connection_id_frame = (  # type: ignore[method-assign]
        lambda builder, sequence_number: retired.append(sequence_number)
    )
    late = new_connection_id(19, 0, OTHER_ID)
    assert inject(pair, late, late) is None
    assert retired == [19]


def test_the_same_id_twice_is_one(pair: Pair) -> None:
    before = len(pair.server._peer_cid_available)
    frames = [new_connection_id(20, 20), new_connection_id(20, 20)]
    assert inject(pair, *frames) is None
    assert before == MOST_HELD - 1
    assert pair.server._peer_cid.cid == FIRST_ID
    assert pair.server._peer_cid_available == []


def test_a_peer_that_takes_back_all_ids_is_in_error(pair: Pair) -> None:
    """In aioquic this is an IndexError."""
    assert inject(pair, new_connection_id(22, 20), new_connection_id(21, 20, OTHER_ID)) is None
    pair.server.change_connection_id()
    assert inject(pair, new_connection_id(22, 22)) == QuicErrorCode.PROTOCOL_VIOLATION


def test_without_connection_ids_there_are_no_new_ones(pair: Pair) -> None:
    """RFC 9000, 19.15 and 19.16: who has none can be given none, nor take one back."""
    pair.server._peer_cid.cid = b""
    assert inject(pair, new_connection_id(8, 0)) == QuicErrorCode.PROTOCOL_VIOLATION


def test_without_own_connection_ids_none_can_be_retired(pair: Pair) -> None:
    pair.client.host_cid = b""
    assert inject(pair, frame(0x19, 1), to_server=False) == QuicErrorCode.PROTOCOL_VIOLATION


@pytest.mark.parametrize("loss", [0.0, 0.3])
@pytest.mark.parametrize("by_server", [True, False], ids=["server", "client"])
def test_all_connection_ids_are_replaced_on_request(
    pair: Pair, by_server: bool, loss: float
) -> None:
    """RFC 9000, 5.1.2: nothing is lost meanwhile."""
    owner, peer = (pair.server, pair.client) if by_server else (pair.client, pair.server)
    pair.to_client.drops, pair.to_server.drops = random_loss(loss, 1), random_loss(loss, 2)
    old = {cid.cid for cid in owner._host_cids}
    owner.replace_connection_ids()
    (pair.drive_server if by_server else pair.drive_client)()
    pair.run_for(10.0)
    assert peer._peer_cid.cid not in old
    assert not old & {cid.cid for cid in owner._host_cids}
    assert len(owner._host_cids) == MOST_HELD
    pair.to_client.drops = pair.to_server.drops = random_loss(0.0, 3)
    assert is_alive(pair, to_server=by_server)
    assert is_alive(pair, to_server=not by_server)
