"""The same seed gives the same fates to the same datagrams, whatever the endpoints do meanwhile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from quicmatrix.runner.execute.scheduler import Parallelism
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.network.impairments.fate import Direction, Dropped
from quicmatrix.runner.network.recording.link_log import Delivered, read_link_log
from quicmatrix.runner.network.recording.recorder import LINK_LOG
from quicmatrix.runner.plan.select import testcases as all_cases
from tests.support.real_run import REFERENCE, do

pytestmark = [pytest.mark.netns, pytest.mark.tshark]

LINK = "--delay=15ms --bandwidth=10Mbps --queue=1000"  # so that no datagram is lost to the queue
RATES = "--rate_to_client=10 --rate_to_server=10"
SCENARIOS = ("drop-rate", "corrupt-rate")
Fates = dict[tuple[Direction, int], tuple[str, int]]
"""What chance did to the n-th datagram of a direction, if anything, and how long its packet was."""


def played(folder: Path, seed: int) -> dict[str, Fates]:
    """For each scenario, what chance did to each datagram of a transfer."""
    transfer = next(case for case in all_cases() if case.name == "transfer")
    cases = [
        replace(
            transfer,
            name=scenario,
            files=(300_000,),
            scenario=f"{scenario} {LINK} {RATES}",
            requirements=(),
        )
        for scenario in SCENARIOS
    ]
    wanted = [Job.of(REFERENCE.name, REFERENCE.name, case.name, seed) for case in cases]
    result = do(wanted, cases, folder, run_id=folder.name, parallelism=Parallelism(2))
    assert {job.verdict.outcome for job in result.jobs} == {Outcome.PASSED}
    return {job.test: fates(folder / job.folder) for job in result.jobs}


def fates(bundle: Path) -> Fates:
    log = read_link_log(bundle / "sim" / LINK_LOG)
    assert not log.truncated
    return {
        (entry.direction, entry.number): (said_of(entry.fate), entry.ip_length)
        for entry in log.entries
        if entry.number is not None
    }


def said_of(fate: Delivered | Dropped) -> str:
    if isinstance(fate, Dropped):
        return fate.reason
    return " ".join(fate.change.split()[:2])  # "byte 17", not what stood there before


def test_the_same_seed_gives_the_same_fates_and_another_one_others(tmp_path: Path) -> None:
    first, again, other = (
        played(tmp_path / name, seed) for name, seed in (("first", 7), ("again", 7), ("other", 8))
    )
    for scenario in SCENARIOS:
        one, two, three = first[scenario], again[scenario], other[scenario]
        common = one.keys() & two.keys()
        assert {direction for direction, _ in common} == set(Direction)
        assert len(common) > 250
        assert sum(bool(one[key][0]) for key in common) > 10
        for key in common:
            (fate, size), (fate_again, size_again) = one[key], two[key]
            assert bool(fate) == bool(fate_again)
            if size == size_again:  # which byte is damaged depends on how many there are
                assert fate == fate_again
        assert any(bool(one[key][0]) != bool(three[key][0]) for key in common & three.keys())
