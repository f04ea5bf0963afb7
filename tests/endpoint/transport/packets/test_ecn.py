from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from aioquic.tls import Epoch

from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.packets.ecn import Codepoint, EcnState
from tests.support.quic_pair import Link, Pair, client_configuration, server_configuration
from tests.support.transfer import Sink, download


def transfer(
    certs: Path,
    remark: Callable[[int, int], int],
    *,
    client_type: type[Connection] = Connection,
    size: int = 500_000,
) -> tuple[Pair, Sink]:
    """A download over a path that does something to the marks of the server's packets."""
    pair = Pair(
        client_configuration(certs),
        server_configuration(certs),
        to_client=Link(remark=remark),
        client_type=client_type,
    )
    return pair, download(pair, size)


def keep(_number: int, codepoint: int) -> int:
    return codepoint


def test_marks_are_sent_counted_and_reported(certs: Path) -> None:
    pair, sink = transfer(certs, keep)
    pair.run_until(lambda: sink.is_finished)
    pair.run_for(1.0)
    for sender, receiver in ((pair.client, pair.server), (pair.server, pair.client)):
        assert sender.ecn_state is EcnState.CAPABLE
        assert sender.codepoint_to_send is Codepoint.ECT_0
        reported = sender._reported[Epoch.ONE_RTT]
        assert 0 < reported.ect_0 <= receiver._arrived[Epoch.ONE_RTT].ect_0
        assert (reported.ect_1, reported.ce) == (0, 0)


def test_each_packet_number_space_has_its_counts(certs: Path) -> None:
    pair, _ = transfer(certs, keep)
    pair.run_until(lambda: pair.client.is_confirmed)
    arrived = pair.client._arrived
    assert set(arrived) == {Epoch.INITIAL, Epoch.HANDSHAKE, Epoch.ONE_RTT}
    assert len({id(counts) for counts in arrived.values()}) == 3


def test_duplicates_do_not_count(certs: Path) -> None:
    pair, _ = transfer(certs, keep)
    pair.run_until(lambda: pair.client.is_confirmed)
    pair.run_for(1.0)
    pair.server.send_ping(uid=1)
    ((datagram, _),) = pair.server.datagrams_to_send(now=pair.now)
    source = pair.client.peer_address
    before = pair.client._arrived[Epoch.ONE_RTT].ect_0
    for _ in range(2):
        pair.client.codepoint_received = Codepoint.ECT_0
        pair.client.receive_datagram(datagram, source, now=pair.now)
    assert pair.client._arrived[Epoch.ONE_RTT].ect_0 == before + 1


@pytest.mark.parametrize(
    "remark",
    [
        lambda _number, _codepoint: Codepoint.NOT_ECT,
        lambda _number, _codepoint: Codepoint.ECT_1,
        lambda number, codepoint: codepoint if number % 10 else Codepoint.NOT_ECT,
    ],
    ids=["bleached", "remarked", "now and then bleached"],
)
def test_a_path_that_changes_marks_is_noticed(
    certs: Path, remark: Callable[[int, int], int]
) -> None:
    pair, sink = transfer(certs, remark)
    pair.run_until(lambda: sink.is_finished)
    assert pair.server.ecn_state is EcnState.FAILED
    assert pair.server.codepoint_to_send is Codepoint.NOT_ECT
    assert pair.client.ecn_state is EcnState.CAPABLE, "the other direction is another path"


def test_a_path_that_drops_marked_packets_is_left_unmarked(certs: Path) -> None:
    pair = Pair(client_configuration(certs), server_configuration(certs))
    pair.to_client.drops = lambda *_: pair.server.codepoint_to_send is Codepoint.ECT_0
    pair.complete_handshake(limit_s=3.0)
    assert pair.server.ecn_state is EcnState.FAILED
    assert pair.to_client.dropped > 3


def test_a_peer_that_counts_what_was_not_sent_is_not_believed(certs: Path) -> None:
    class Liar(Connection):
        def _count(self, epoch: Epoch) -> None:
            for _ in range(2):
                super()._count(epoch)

    pair, sink = transfer(certs, keep, client_type=Liar)
    pair.run_until(lambda: sink.is_finished)
    assert pair.server.ecn_state is EcnState.FAILED


def test_a_mark_of_congestion_slows_down_without_a_loss(certs: Path) -> None:
    def marked(number: int, codepoint: int) -> int:
        return Codepoint.CE if number == 60 else codepoint

    pair, sink = transfer(certs, marked)
    pair.to_client.queue = 10_000
    pair.run_until(lambda: len(pair.to_client.sent) > 60)
    pair.run_until(lambda: pair.server._reported[Epoch.ONE_RTT].ce == 1)
    assert pair.server.ecn_state is EcnState.CAPABLE
    assert vars(pair.server._loss._cc)["_congestion_recovery_start_time"] == pair.now
    assert pair.to_client.dropped == 0
    pair.run_until(lambda: sink.is_finished)


def test_validation_begins_anew_on_another_path(certs: Path) -> None:
    pair, sink = transfer(certs, lambda number, mark: 0 if number < 100 else mark, size=1_000_000)
    pair.run_until(lambda: sink.received > 300_000)
    assert pair.server.codepoint_to_send is Codepoint.NOT_ECT
    pair.client_address = ("193.167.0.101", 50000)
    pair.run_until(lambda: sink.is_finished)
    assert pair.server.ecn_state is EcnState.CAPABLE
