"""From command to verdict, over real packets: mutated endpoints, each caught by name.

All of them run once, side by side, in one run; the tests then look at what it stored.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from quicmatrix.runner.execute.scheduler import Parallelism
from quicmatrix.runner.judge.bundle import decode, judge_bundle
from quicmatrix.runner.judge.judge import Policy
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.model.run import JobResult, RunResult
from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.plan import select
from quicmatrix.runner.sandbox.label import labelled_processes
from quicmatrix.runner.trace.model import VERSION_1, VERSION_2, Ack, Datagram, PacketType, Side
from quicmatrix.testcases.model import MIB, TestCase
from quicmatrix.testcases.shared.contract import ENDPOINT_CONTRACT
from quicmatrix.testcases.shared.fates import fate
from tests.support.real_run import REFERENCE, do

pytestmark = [pytest.mark.netns, pytest.mark.tshark]

MUTANTS = Path(__file__).parents[1] / "mutants"
CASES = {case.name: case for case in select.testcases()}
SEED = 7


@dataclass(frozen=True, slots=True)
class Expected:
    """A mutant, where it takes part, and what is said of it."""

    mutant: str
    role: Side
    test: str
    outcome: Outcome
    requirement: str = ""
    """Which requirement it breaks; empty if it is no matter of requirements."""
    reason: str = ""
    timeout_s: float = 20.0
    files: tuple[int, ...] = ()
    """Sizes, if the test case's would take too long."""


C, S = Side.CLIENT, Side.SERVER
FAILED, CRASHED, TIMEOUT = Outcome.FAILED, Outcome.CRASHED, Outcome.TIMEOUT
NONCONFORMANT = Outcome.NONCONFORMANT
EXPECTED = (
    Expected("client_forgets_retry_token", C, "retry", NONCONFORMANT, "client_repeats_the_token"),
    Expected("client_alters_retry_token", C, "retry", NONCONFORMANT, "client_repeats_the_token"),
    Expected("server_sends_no_retry", S, "retry", FAILED, "server_sends_a_retry_with_a_token"),
    Expected("client_reports_no_ecn", C, "ecn", FAILED, "client_reports_ecn_counts"),
    Expected(
        "client_ignores_version_negotiation",
        *(C, "versionnegotiation", FAILED, "client_abandons_the_attempt"),
        timeout_s=30.0,
    ),
    Expected("client_never_updates_keys", C, "keyupdate", FAILED, "client_updates_its_keys"),
    Expected("client_skips_early_data", C, "zerortt", FAILED, "client_sends_0_rtt_data"),
    Expected("client_offers_every_cipher", C, "chacha20", FAILED, "client_offers_only_chacha20"),
    Expected("server_stays_in_version_1", S, "v2", FAILED, "server_answers_in_version_2"),
    Expected(
        "server_allows_2000_streams",
        *(S, "multiplexing", FAILED, "server_allows_at_most_1000_streams"),
    ),
    Expected(
        "server_amplifies_fivefold",
        *(S, "amplificationlimit", FAILED, "server_keeps_to_the_amplification_limit"),
    ),
    Expected(
        "server_trusts_new_paths",
        *(S, "rebind-port", FAILED, "server_validates_each_new_path"),
        files=(3 * MIB,),
    ),
    Expected(
        "client_ignores_path_challenges",
        *(C, "rebind-addr", TIMEOUT, "client_answers_path_challenges"),
        timeout_s=5.0,
        files=(2 * MIB,),
    ),
    Expected(
        "client_connects_once", C, "handshakecorruption", FAILED, "fifty_handshakes", timeout_s=60.0
    ),
    Expected("server_flips_a_bit", S, "handshake", FAILED, "files_arrive", "but other bytes"),
    Expected("client_adds_a_file", C, "handshake", FAILED, "files_arrive", "nobody asked for"),
    Expected(
        "client_litters_downloads", C, "handshake", CRASHED, "files_arrive", "reached a limit"
    ),
    Expected("accepts_any_testcase", S, "handshake", FAILED, "unknown_testcase_exits_with_127"),
    Expected("client_aborts", C, "transfer", CRASHED, reason="the client was ended by SIGABRT"),
    Expected("floods_its_log", C, "handshake", CRASHED, reason="flooded its log"),
    Expected("server_is_never_ready", S, "handshake", CRASHED, reason="before it was ready"),
    Expected("hangs", C, "handshake", TIMEOUT, reason="not done after 2 s", timeout_s=2.0),
    Expected("hangs", S, "handshake", TIMEOUT, reason="Version Negotiation probe"),
)
HEALTHY = {
    "handshake": (),
    "v2": (),
    "ipv6": (),
    "amplificationlimit": (),
    "transferloss": (),
    "transfercorruption": (),
    "rebind-port": (2 * MIB,),
    "rebind-addr": (2 * MIB,),
}
"""What the reference does right, with files that are smaller if need be."""


def implementation(mutant: str) -> Implementation:
    command = (sys.executable, "-P", str(MUTANTS / f"{mutant}.py"))
    name = mutant.replace("_", "-")
    return Implementation(name, commands=dict.fromkeys(Side, command))


def job(expected: Expected) -> Job:
    mutant = implementation(expected.mutant).name
    client = mutant if expected.role is C else REFERENCE.name
    server = mutant if expected.role is S else REFERENCE.name
    return Job.of(client, server, case(expected).name, SEED)


def case(expected: Expected) -> TestCase:
    """The test case with another name, so that each mutant may have a time limit of its own."""
    found = CASES[expected.test]
    name = f"{expected.test}-of-{expected.mutant}-{expected.role}"
    files = expected.files or found.files
    return replace(found, name=name, timeout_s=expected.timeout_s, files=files)


def healthy(test: str) -> Job:
    return Job.of(REFERENCE.name, REFERENCE.name, test, SEED)


TESTS = (
    *map(case, EXPECTED),
    *(replace(CASES[name], files=files or CASES[name].files) for name, files in HEALTHY.items()),
)
BY_NAME = {test.name: test for test in TESTS}


@dataclass(frozen=True, slots=True)
class Run:
    folder: Path
    jobs: tuple[Job, ...]
    result: RunResult

    def of(self, job: Job) -> JobResult:
        (found,) = self.result.of(job.client, job.server, job.test)
        return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("whole-chain") / "run"
    jobs = (*map(job, EXPECTED), *map(healthy, HEALTHY))
    mutants = dict.fromkeys(expected.mutant for expected in EXPECTED)
    result = do(
        jobs,
        TESTS,
        folder,
        run_id="whole-chain",
        parallelism=Parallelism(4),
        implementations=(REFERENCE, *map(implementation, mutants)),
    )
    yield Run(folder, jobs, result)
    shutil.rmtree(folder)


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda one: f"{one.mutant}-{one.role}")
def test_a_mutant_is_caught_by_name(run: Run, expected: Expected) -> None:
    verdict = run.of(job(expected)).verdict
    assert verdict.outcome is expected.outcome, verdict
    assert expected.reason in verdict.reason
    if expected.requirement:
        violated = {one.requirement: one for one in verdict.violated}
        assert expected.requirement in violated, verdict
        broken = violated[expected.requirement]
        assert broken.citation
        packets = [piece for violation in broken.violations for piece in violation.evidence]
        if expected.requirement not in {one.name for one in ENDPOINT_CONTRACT}:
            assert packets or "no" in broken.violations[0].message


@pytest.mark.parametrize("test", HEALTHY)
def test_beside_them_the_reference_passes(run: Run, test: str) -> None:
    verdict = run.of(healthy(test)).verdict
    assert verdict.outcome is Outcome.PASSED, verdict
    assert verdict.version == (VERSION_2 if test == "v2" else VERSION_1)


def test_damaged_datagrams_arrive_and_are_dropped(run: Run) -> None:
    seen = decode(run.folder / run.of(healthy("transfercorruption")).folder)
    for sender in Side:
        near, far = seen.near(sender), seen.near(sender.peer)
        harmed = [one for one in far.datagrams if one.sender is sender and is_damaged(one)]
        assert harmed
        frame_numbers = {one.frame_number for one in harmed}
        first = {packet.datagram.frame_number: packet for packet in reversed(far.packets)}
        assert not any(first[number].decrypted for number in frame_numbers if number in first)
        # The receiver never acknowledges what had been in it.
        lost = {
            packet.number
            for packet in near.packets
            if packet.sender is sender
            and packet.type is PacketType.ONE_RTT
            and is_damaged(packet.datagram)
        }
        acknowledged = {
            number
            for packet in far.packets
            if packet.sender is sender.peer and packet.type is PacketType.ONE_RTT
            for frame in packet.frames
            if isinstance(frame, Ack)
            for low, high in frame.ranges
            for number in lost
            if number is not None and min(low, high) <= number <= max(low, high)
        }
        assert lost
        assert acknowledged == set()


def is_damaged(datagram: Datagram) -> bool:
    return fate(datagram).corrupted


def test_judging_again_gives_the_same_verdicts(run: Run) -> None:
    for one in run.jobs:
        before = run.of(one).verdict
        assert judge_bundle(run.folder / one.folder, BY_NAME, Policy()).verdict == before


def test_a_capture_without_keys_is_inconclusive_and_never_passed(run: Run, tmp_path: Path) -> None:
    (one,) = (one for one in run.jobs if "keyupdate" in one.test)
    bundle = tmp_path / shutil.copytree(run.folder / one.folder, tmp_path / "bundle")
    for name in ("trace_node_left.pcap", "trace_node_right.pcap"):
        path = bundle / "sim" / name
        data = path.read_bytes()
        path.write_bytes(data.replace(b"_TRAFFIC_SECRET", b"_XXXXXXX_SECRET"))
    verdict = judge_bundle(bundle, BY_NAME, Policy()).verdict
    assert verdict.outcome is Outcome.INCONCLUSIVE, verdict


@pytest.mark.parametrize("keep", [0, 10, 1000])
def test_a_capture_that_was_cut_off_is_inconclusive(run: Run, tmp_path: Path, keep: int) -> None:
    bundle = shutil.copytree(run.folder / "reference_reference" / "handshake", tmp_path / "bundle")
    path = bundle / "sim" / "trace_node_right.pcap"
    path.write_bytes(path.read_bytes()[:keep])
    verdict = judge_bundle(bundle, BY_NAME, Policy()).verdict
    assert verdict.outcome is Outcome.INCONCLUSIVE, verdict


def test_nothing_of_the_run_is_left(run: Run) -> None:
    assert run.result.complete
    assert [run_id for _, run_id, _ in labelled_processes() if run_id == "whole-chain"] == []
    assert list(run.folder.parent.iterdir()) == [run.folder]
