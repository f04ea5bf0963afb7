"""The suite as a whole: what issue and table ask of it, and that no requirement goes untested."""

from __future__ import annotations

import importlib
import re
from collections import Counter

import pytest

from quicmatrix.runner.model.verdict import Status
from quicmatrix.runner.network.scenarios.scenario import parse_scenario
from quicmatrix.testcases.interop import TESTCASES
from quicmatrix.testcases.measurements import TESTCASES as MEASUREMENTS
from quicmatrix.testcases.measurements.crosstraffic import tcp_flow_shares_the_link
from quicmatrix.testcases.model import KIB, MIB, Level, Observation, Requirement, TestCase
from quicmatrix.testcases.shared.closing import no_side_closes_with_an_error
from quicmatrix.testcases.shared.contract import (
    ATTEMPT_IS_MADE,
    CLIENT_IS_DONE,
    ENDPOINT_CONTRACT,
    client_exits_with_0,
)
from quicmatrix.testcases.shared.fragmentation import datagrams_are_not_fragmented
from quicmatrix.testcases.shared.transfers import TRANSFER_ENDS
from tests.support.all_stories import stories

REQUIREMENTS = {
    requirement.name: requirement
    for case in (*TESTCASES, *MEASUREMENTS)
    for requirement in case.requirements
}

CONTRACT = {
    "unknown_testcase_exits_with_127",
    "server_answers_the_readiness_probe",
    "client_finishes_in_time",
    "client_exits_with_0",
    "files_arrive",
}
COMMON = {"one_handshake", "server_initials_are_version_1"}
PATHS = {
    "server_sends_on_several_paths",
    "server_begins_new_paths_with_a_challenge",
    "client_answers_path_challenges",
}
COMPAT = {
    "handshake": COMMON | {"server_sends_no_retry"},
    "transfer": COMMON,
    "longrtt": COMMON | {"client_repeats_its_client_hello"},
    "chacha20": COMMON | {"client_offers_only_chacha20"},
    "multiplexing": COMMON | {"server_allows_at_most_1000_streams"},
    "retry": COMMON
    | {
        "server_sends_a_retry_with_a_token",
        "client_sends_a_retry_token",
        "client_does_not_reset_the_packet_number",
    },
    "resumption": {
        "two_handshakes",
        "server_initials_are_version_1",
        "first_handshake_has_a_certificate",
        "second_handshake_has_no_certificate",
    },
    "zerortt": {
        "two_handshakes",
        "server_initials_are_version_1",
        "client_sends_0_rtt_data",
        "client_sends_little_1_rtt_data",
    },
    "http3": COMMON,
    "blackhole": COMMON,
    "keyupdate": COMMON | {"client_updates_its_keys", "server_updates_its_keys"},
    "ecn": COMMON
    | {
        "server_sends_no_retry",
        "client_marks_packets",
        "server_marks_packets",
        "no_side_marks_congestion",
        "client_reports_ecn_counts",
        "server_reports_ecn_counts",
    },
    "amplificationlimit": COMMON
    | {"server_sends_the_whole_chain", "server_stays_below_fourfold_amplification"},
    "handshakeloss": {"fifty_handshakes", "server_initials_are_version_1"},
    "transferloss": COMMON,
    "handshakecorruption": {"fifty_handshakes", "server_initials_are_version_1"},
    "transfercorruption": COMMON,
    "rebind-port": COMMON | PATHS,
    "rebind-addr": COMMON | PATHS | {"server_sends_to_several_addresses"},
    "connectionmigration": COMMON
    | (PATHS - {"server_sends_on_several_paths"})
    | {"server_sends_on_the_new_path", "client_takes_a_new_connection_id_for_each_path"},
    "versionnegotiation": {"client_receives_version_negotiation"},
    "v2": {
        "client_starts_in_version_1",
        "server_answers_in_version_2",
        "handshake_packets_are_version_2",
    },
    "ipv6": COMMON | {"server_sends_nothing_over_ipv4"},
}
"""What quic-interop-runner checks, beside the contract."""

NETWORK = {
    "datagrams_of_the_client_are_lost",
    "datagrams_of_the_server_are_lost",
    "damaged_datagrams_arrive",
    "datagrams_of_the_client_are_dropped",
    "outage_falls_into_the_transfer",
    "round_trip_outlasts_the_first_probe_timeout",
    "server_reaches_the_amplification_limit",
    "tcp_flow_shares_the_link",
}
"""Without these a test is not exercised, and nobody is to blame."""

ON_RECORDS = {*ENDPOINT_CONTRACT, tcp_flow_shares_the_link} - {datagrams_are_not_fragmented}
"""What is on record is certain: these are never undetermined."""

JOBS = {
    "handshake": ("H", "handshake", "handshake", (KIB,)),
    "transfer": ("DC", "transfer", "transfer", (2 * MIB, 3 * MIB, 5 * MIB)),
    "longrtt": ("LR", "handshake", "handshake", (KIB,)),
    "chacha20": ("C20", "chacha20", "chacha20", (3 * MIB,)),
    "multiplexing": ("M", "transfer", "transfer", (32,) * 1999),
    "retry": ("S", "retry", "retry", (10 * KIB,)),
    "resumption": ("R", "resumption", "resumption", (5 * KIB, 10 * KIB)),
    "zerortt": ("Z", "zerortt", "zerortt", (32,) * 40),
    "http3": ("3", "http3", "http3", (5 * KIB, 10 * KIB, 500 * KIB)),
    "blackhole": ("B", "transfer", "transfer", (10 * MIB,)),
    "keyupdate": ("U", "keyupdate", "transfer", (3 * MIB,)),
    "ecn": ("E", "ecn", "ecn", (100 * KIB,)),
    "amplificationlimit": ("A", "transfer", "transfer", (5 * KIB,)),
    "handshakeloss": ("L1", "multiconnect", "multiconnect", (KIB,) * 50),
    "transferloss": ("L2", "transfer", "transfer", (2 * MIB,)),
    "handshakecorruption": ("C1", "multiconnect", "multiconnect", (KIB,) * 50),
    "transfercorruption": ("C2", "transfer", "transfer", (2 * MIB,)),
    "ipv6": ("6", "transfer", "transfer", (5 * KIB, 10 * KIB)),
    "v2": ("V2", "v2", "v2", (KIB,)),
    "rebind-port": ("BP", "transfer", "transfer", (10 * MIB,)),
    "rebind-addr": ("BA", "transfer", "transfer", (10 * MIB,)),
    "connectionmigration": ("CM", "transfer", "connectionmigration", (2 * MIB,)),
    "versionnegotiation": ("V", "versionnegotiation", "versionnegotiation", ()),
}
"""Letter, TESTCASE of the client and of the server, and files, in the usual order."""

LINK = "--delay=15ms --bandwidth=10Mbps --queue=25"
REBIND = f"rebind {LINK} --first-rebind=1s --rebind-freq=5s"


def rates(scenario: str, percent: int) -> str:
    """A scenario with the same rate both ways."""
    given = f"--rate_to_server={percent} --rate_to_client={percent}"
    return f"{scenario} {LINK} {given} --burst_to_server=3 --burst_to_client=3"


SETTINGS: dict[str, dict[str, object]] = {
    "longrtt": {"scenario": "simple-p2p --delay=750ms --bandwidth=10Mbps --queue=25"},
    "zerortt": {"file_name_length": 250},
    "blackhole": {"scenario": f"blackhole {LINK} --on=5s --off=2s"},
    "amplificationlimit": {
        "scenario": f"droplist {LINK} --drops_to_server=2,3,4,5,6,7",
        "certificates": 9,
        "filler_names": 20,
    },
    "handshakeloss": {"scenario": rates("drop-rate", 30), "timeout_s": 300},
    "transferloss": {"scenario": rates("drop-rate", 2)},
    "handshakecorruption": {"scenario": rates("corrupt-rate", 30), "timeout_s": 300},
    "transfercorruption": {"scenario": rates("corrupt-rate", 2)},
    "ipv6": {"server_name": "server6"},
    "rebind-port": {"scenario": REBIND},
    "rebind-addr": {"scenario": f"{REBIND} --rebind-addr"},
    "connectionmigration": {"server_name": "server46"},
}
"""What else is not as usual."""


def test_what_runs() -> None:
    assert list(JOBS) == [case.name for case in TESTCASES]
    for case in TESTCASES:
        assert JOBS[case.name] == (case.letter, case.client, case.server, case.files)
        usual = TestCase("", "", "", "", "", ())
        settings = ("scenario", "file_name_length", "server_name", "timeout_s")
        for setting in (*settings, "certificates", "filler_names"):
            expected = SETTINGS.get(case.name, {}).get(setting, getattr(usual, setting))
            assert getattr(case, setting) == expected, (case.name, setting)


def test_names_and_letters_are_unique() -> None:
    assert len({case.name for case in TESTCASES}) == len(TESTCASES)
    assert len({case.letter for case in TESTCASES}) == len(TESTCASES)
    for case in TESTCASES:
        names = Counter(requirement.name for requirement in case.requirements)
        assert set(names.values()) == {1}, case.name
        for requirement in case.requirements:
            assert REQUIREMENTS[requirement.name] is requirement, "one name for two requirements"


def test_a_case_lives_in_a_file_of_its_name() -> None:
    for case in TESTCASES:
        name = case.name.replace("-", "_")
        module = importlib.import_module(f"quicmatrix.testcases.interop.{name}")
        assert getattr(module, name.upper()) is case


def test_the_network_knows_each_scenario() -> None:
    for case in TESTCASES:
        assert parse_scenario(case.scenario)


@pytest.mark.parametrize("case", TESTCASES, ids=lambda case: case.name)
def test_compat_is_what_quic_interop_runner_checks(case: TestCase) -> None:
    assert {one.name for one in case.requirements if one.compat} == COMPAT[case.name] | CONTRACT


@pytest.mark.parametrize("case", [*TESTCASES, *MEASUREMENTS], ids=lambda case: case.name)
def test_the_contract_is_part_of_each_case(case: TestCase) -> None:
    assert case.requirements[: len(ATTEMPT_IS_MADE)] == ATTEMPT_IS_MADE
    assert case.requirements[-len(CLIENT_IS_DONE) :] == CLIENT_IS_DONE
    assert case.requirements[-1] is client_exits_with_0, (
        "an exit code is what follows from all else"
    )


@pytest.mark.parametrize("case", [*TESTCASES, *MEASUREMENTS], ids=lambda case: case.name)
def test_each_case_says_who_gave_up(case: TestCase) -> None:
    assert no_side_closes_with_an_error in case.requirements
    if case.files:
        assert set(TRANSFER_ENDS) < set(case.requirements)
        names = [one.name for one in case.requirements]
        assert names.index(TRANSFER_ENDS[-1].name) < names.index(no_side_closes_with_an_error.name)


@pytest.mark.parametrize("case", TESTCASES, ids=lambda case: case.name)
def test_a_summary_is_one_sentence(case: TestCase) -> None:
    assert is_sentence(case.summary)


@pytest.mark.parametrize("requirement", REQUIREMENTS.values(), ids=lambda one: one.name)
def test_a_requirement_reads_well(requirement: Requirement[Observation]) -> None:
    assert is_sentence(requirement.text)
    words = requirement.text.rstrip(".").split()
    assert not {"must", "should", "shall", "will"} & {word.lower() for word in words}
    assert re.fullmatch(r"RFC \d{4}, \d+(\.\d+)*|interop suite", requirement.citation)
    if requirement.level is Level.MUST:
        assert requirement.citation != "interop suite", "what an RFC demands has its section"


@pytest.mark.parametrize("requirement", REQUIREMENTS.values(), ids=lambda one: one.name)
def test_a_requirement_is_held_violated_and_undetermined(
    requirement: Requirement[Observation],
) -> None:
    results = {story.status for story in stories() if story.requirement is requirement}
    assert Status.HELD in results, "no story that passes"
    if requirement.name in NETWORK:
        assert Status.VIOLATED not in results, "nobody is to blame for that"
        assert Status.NOT_EXERCISED in results, "no story without it"
    else:
        assert Status.VIOLATED in results, "no mutant that fails"
    if requirement not in ON_RECORDS:
        assert Status.UNDETERMINED in results, "no trace that cannot tell"


def is_sentence(text: str) -> bool:
    """Whether it is one sentence: no full stop but the last, except in numbers."""
    return bool(re.fullmatch(r"[A-Z](?:[^.]|\.(?=\d))*\.", text))
