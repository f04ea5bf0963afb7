from __future__ import annotations

from dataclasses import replace

from quicmatrix.runner.contract_check.cases import (
    CONNECTIONS,
    EXCHANGES,
    Kind,
    Trial,
    catalogue,
    one_connection_for_each_file,
)
from quicmatrix.runner.plan import select
from quicmatrix.runner.trace.model import Packet, PacketType, Side, Trace
from tests.support.good_contract import packet, trace


def trials() -> dict[str, Trial]:
    return {trial.name: trial for trial in catalogue(select.testcases())}


def test_names_are_unique_and_begin_with_the_role() -> None:
    found = catalogue(select.testcases())
    assert len(trials()) == len(found)
    assert all(trial.name.startswith(f"{trial.role}-") for trial in found)


def test_only_the_peer_has_no_key_log() -> None:
    for role in Side:
        assert trials()[f"{role}-transfer"].changes == {role.peer: {"SSLKEYLOGFILE": None}}


def test_a_testcase_is_told_to_the_subject_as_it_is_called() -> None:
    for role, names in EXCHANGES.items():
        for name in names:
            test = trials()[f"{role}-{name}"].test
            assert test is not None
            assert (test.client if role is Side.CLIENT else test.server) == name
            assert test.requirements


def test_nothing_is_large_and_every_link_is_good() -> None:
    for trial in trials().values():
        if trial.kind is not Kind.UNKNOWN:
            assert trial.test is not None
            assert sum(trial.test.files) <= 600 * 1024
            assert trial.test.scenario.startswith("simple-p2p ")


def initials(*scids: bytes) -> Trace:
    """Initial packets of the server with these connection IDs."""

    def initial(number: int, scid: bytes) -> Packet:
        one = packet(PacketType.INITIAL, number)
        return replace(one, scid=scid, datagram=replace(one.datagram, sender=Side.SERVER))

    return trace(*(initial(number, scid) for number, scid in enumerate(scids)))


def test_connections_are_counted_by_their_ids() -> None:
    assert CONNECTIONS == 3
    assert not list(one_connection_for_each_file(initials(b"a", b"b", b"a", b"c")))
    (violation,) = one_connection_for_each_file(initials(b"a", b"a", b"a"))
    assert violation.message == "there are 1 connections for 3 files"
    assert violation.side is Side.CLIENT
