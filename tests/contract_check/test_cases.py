from __future__ import annotations

from dataclasses import replace

from quicmatrix.runner.contract_check.cases import (
    CONNECTIONS,
    TESTCASES,
    ContractCase,
    contract_cases,
    one_connection_for_each_file,
)
from quicmatrix.runner.plan import select
from quicmatrix.runner.trace.model import Packet, PacketType, Side
from quicmatrix.testcases.model import Held, Observation, Violation
from tests.support.good_contract import RECORD, packet, trace


def cases() -> dict[str, ContractCase]:
    return {case.name: case for case in contract_cases(select.testcases())}


def test_names_are_unique_and_begin_with_the_role() -> None:
    found = contract_cases(select.testcases())
    assert len(cases()) == len(found)
    assert all(case.name.startswith(f"{case.role}-") for case in found)


def test_only_the_peer_has_no_key_log() -> None:
    for role in Side:
        assert cases()[f"{role}-transfer"].environment == {role.peer: {"SSLKEYLOGFILE": None}}


def test_the_implementation_gets_the_testcase_of_the_cases_name() -> None:
    for role, names in TESTCASES.items():
        for name in names:
            test = cases()[f"{role}-{name}"].test
            assert test is not None
            assert (test.client if role is Side.CLIENT else test.server) == name
            assert test.requirements


def test_nothing_is_large_and_every_link_is_good() -> None:
    attempts = [case.test for case in cases().values() if case.test is not None]
    assert len(attempts) == len(cases()) - len(Side)
    for test in attempts:
        assert sum(test.files) <= 600 * 1024
        assert test.scenario.startswith("simple-p2p ")


def test_multiconnect_requires_what_all_test_cases_require() -> None:
    test = cases()["client-multiconnect"].test
    assert test is not None
    names = {one.name for one in test.requirements}
    assert {"files_arrive", "client_exits_with_0", "one_connection_for_each_file"} <= names
    assert "one_handshake" not in names


def initials(*scids: bytes) -> Observation:
    """Initial packets of the server with these connection IDs."""

    def initial(number: int, scid: bytes) -> Packet:
        one = packet(PacketType.INITIAL, number)
        return replace(one, scid=scid, datagram=replace(one.datagram, sender=Side.SERVER))

    packets = (initial(number, scid) for number, scid in enumerate(scids))
    return Observation(trace(*packets), RECORD)


def test_connections_are_counted_by_their_ids() -> None:
    assert CONNECTIONS == 3
    (held,) = one_connection_for_each_file(initials(b"a", b"b", b"a", b"c"))
    assert isinstance(held, Held)
    assert len(held.evidence) == CONNECTIONS
    (violation,) = one_connection_for_each_file(initials(b"a", b"a", b"a"))
    assert isinstance(violation, Violation)
    assert violation.message == "there are 1 connections for 3 files"
    assert violation.side is Side.CLIENT
