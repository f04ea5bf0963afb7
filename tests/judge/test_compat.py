"""What --compat says, beside what quic-interop-runner's checks say of the same: docs/compat.md.

Its words were read from its source (commit 1d6f655) and written down here by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from quicmatrix.runner.judge.compat import NEED_A_KEY_LOG, has_key_log
from quicmatrix.runner.judge.judge import Policy, judge
from quicmatrix.runner.model.attempt import AttemptRecord, Ending, EntryKind, FileRecord, SideRecord
from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.plan.select import testcases as all_testcases
from quicmatrix.runner.trace.model import (
    ClientHello,
    PathChallenge,
    PathResponse,
    Trace,
)
from quicmatrix.testcases.model import Observation, TestCase
from tests.support.story import SERVER_4, client, record, server, trace

CASES = {case.name: case for case in all_testcases()}
COMPAT = Policy(compat=True)
SUCCEEDED, FAILED, UNSUPPORTED = "succeeded", "failed", "unsupported"


def its_word(outcome: Outcome) -> str | None:
    """As it stands in result.json."""
    if outcome in (Outcome.FAILED, Outcome.CRASHED, Outcome.TIMEOUT):
        return FAILED
    if outcome in (Outcome.PASSED, Outcome.NONCONFORMANT):
        return SUCCEEDED
    return UNSUPPORTED if outcome is Outcome.UNSUPPORTED else None


def only(name: str, *requirements: str) -> TestCase:
    """A test case with some of its requirements."""
    found = CASES[name]
    wanted = tuple(one for one in found.requirements if one.name in requirements)
    assert len(wanted) == len(requirements)
    return replace(found, requirements=wanted)


CONTRACT = only(
    "handshake", "client_exits_with_0", "files_arrive", "server_runs_until_it_is_stopped"
)
DONE = SideRecord(ending=Ending.EXITED, exit_code=0)
STOPPED = SideRecord(ending=Ending.STOPPED, exit_code=0)
FILE = FileRecord("a", EntryKind.FILE, 3, "00" * 32)


def attempted(**changes: object) -> AttemptRecord:
    found = record(client=DONE, server=STOPPED, www=(FILE,), downloads=(FILE,), server_ready=True)
    return replace(found, **changes)  # type: ignore[arg-type]


def downloads(*further: FileRecord) -> AttemptRecord:
    return attempted(downloads=(FILE, *further))


@pytest.mark.parametrize(
    ("seen", "theirs", "ours"),
    [
        (attempted(), SUCCEEDED, SUCCEEDED),
        (attempted(client=replace(DONE, exit_code=1)), SUCCEEDED, FAILED),
        (attempted(client=replace(DONE, exit_code=None, signal=11)), SUCCEEDED, FAILED),
        (attempted(server=SideRecord(ending=Ending.EXITED, exit_code=139)), SUCCEEDED, FAILED),
        (attempted(server=replace(STOPPED, exit_code=None, signal=11)), SUCCEEDED, FAILED),
        (
            attempted(
                client=replace(DONE, exit_code=1),
                server=replace(STOPPED, exit_code=None, signal=15),
            ),
            FAILED,
            FAILED,
        ),
        (attempted(client=replace(DONE, exit_code=127)), UNSUPPORTED, UNSUPPORTED),
        (attempted(client=replace(DONE, ending=Ending.OUT_OF_TIME)), FAILED, FAILED),
        (attempted(downloads=()), FAILED, FAILED),
        (downloads(FileRecord("b", EntryKind.FILE)), FAILED, FAILED),
        (downloads(FileRecord("b", EntryKind.FOLDER)), SUCCEEDED, FAILED),
        (
            downloads(
                FileRecord("b", EntryKind.FOLDER), FileRecord("b/c", EntryKind.FILE, 1, "11" * 32)
            ),
            SUCCEEDED,
            FAILED,
        ),
        (downloads(FileRecord("b", EntryKind.OTHER)), SUCCEEDED, FAILED),
        (attempted(downloads=(FileRecord("a", EntryKind.FOLDER),)), FAILED, FAILED),
    ],
)
def test_exits_and_files(seen: AttemptRecord, theirs: str, ours: str) -> None:
    said = Observation(trace(), seen)
    assert its_word(judge(said, CONTRACT, COMPAT).outcome) == theirs
    assert its_word(judge(said, CONTRACT).outcome) == ours


def test_without_a_key_log_some_tests_are_unsupported() -> None:
    assert {CASES[name].letter for name in NEED_A_KEY_LOG} == {"R", "E", "M", "U", "BP", "BA", "CM"}
    for name in CASES:
        seen = Observation(trace(), attempted(test=name))
        verdict = judge(seen, replace(CONTRACT, name=name), COMPAT, key_log=False)
        wanted = Outcome.UNSUPPORTED if name in NEED_A_KEY_LOG else Outcome.PASSED
        assert verdict.outcome is wanted, name
        assert judge(seen, CONTRACT, COMPAT).outcome is Outcome.PASSED
        assert judge(seen, CONTRACT, key_log=False).outcome is Outcome.PASSED
    both_failed = attempted(
        test="ecn", client=replace(DONE, exit_code=1), server=replace(STOPPED, exit_code=1)
    )
    verdict = judge(Observation(trace(), both_failed), CONTRACT, COMPAT, key_log=False)
    assert verdict.outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("log", "is_one"),
    [
        (b"", False),
        (b"CLIENT_RANDOM 00 00\n", False),
        (b"# x\nSERVER_HANDSHAKE_TRAFFIC_SECRET 00 00\n", True),
    ],
)
def test_what_counts_as_a_key_log(log: bytes, is_one: bool, tmp_path: Path) -> None:
    assert not has_key_log(tmp_path)
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "keys.log").write_bytes(log)
    assert has_key_log(tmp_path) is is_one


def word_on(case: TestCase, seen: Trace, policy: Policy) -> str | None:
    return its_word(judge(Observation(seen, attempted(test=case.name)), case, policy).outcome)


def challenge(data: bytes) -> PathChallenge:
    return PathChallenge(data)


ANSWERS = only("rebind-port", "client_answers_path_challenges")


@pytest.mark.parametrize(
    ("legs", "theirs"),
    [
        (lambda a, b: (a, b), SUCCEEDED),
        (lambda a, b: (a.lost(), b), FAILED),
    ],
)
def test_the_first_challenge_of_a_path(
    legs: Callable[..., tuple[object, ...]], theirs: str
) -> None:
    first = server.one_rtt(challenge(b"first")).behind(5000)
    second = server.one_rtt(challenge(b"again")).behind(5000)
    sent = legs(first, second)
    given = [b"again"] if theirs == FAILED else [b"first", b"again"]
    seen = trace(
        client.one_rtt(),
        server.one_rtt(),
        client.one_rtt().behind(5000),
        *sent,  # type: ignore[arg-type]
        *(client.one_rtt(PathResponse(data)).behind(5000) for data in given),
    )
    assert word_on(ANSWERS, seen, COMPAT) == theirs
    assert word_on(ANSWERS, seen, Policy()) == SUCCEEDED


NEW_IDS = only("connectionmigration", "client_takes_a_new_connection_id_for_each_path")


@pytest.mark.parametrize(
    ("start", "before", "moved", "theirs", "outcome"),
    [
        (b"random00", b"server00", b"server01", SUCCEEDED, Outcome.PASSED),
        # What it learned in the handshake may be used on the new path.
        (b"random00", b"server00", b"server00", SUCCEEDED, Outcome.FAILED),
        (b"server00", b"server00", b"server00", FAILED, Outcome.FAILED),
    ],
)
def test_connection_ids_after_a_migration(
    start: bytes, before: bytes, moved: bytes, theirs: str, outcome: Outcome
) -> None:
    elsewhere = replace(SERVER_4, port=4443)
    seen = trace(
        client.initial(dcid=start),
        client.one_rtt(dcid=before),
        client.one_rtt(dcid=moved).on(elsewhere),
    )
    assert word_on(NEW_IDS, seen, COMPAT) == theirs
    said = judge(Observation(seen, attempted()), NEW_IDS)
    assert said.outcome is outcome


@pytest.mark.parametrize(
    ("suites", "theirs", "ours"),
    [
        ((0x1303,), SUCCEEDED, SUCCEEDED),
        ((0x1303, 0x1301), SUCCEEDED, FAILED),
        ((0x1301, 0x1303), FAILED, FAILED),
    ],
)
def test_cipher_suites_behind_the_first(suites: tuple[int, ...], theirs: str, ours: str) -> None:
    case = only("chacha20", "client_offers_only_chacha20")
    seen = trace(client.initial(ClientHello(suites)))
    assert word_on(case, seen, COMPAT) == theirs
    assert word_on(case, seen, Policy()) == ours
