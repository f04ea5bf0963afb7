"""Judging in processes: limited, apart from each other, and gone with the runner."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.judge.judge import Policy
from quicmatrix.runner.judge.pool import NICENESS, judging_processes
from quicmatrix.runner.model.verdict import Judgement, Outcome, Verdict

MEMORY = 2 << 30


def judgement(reason: str) -> Judgement:
    return Judgement(Verdict(Outcome.PASSED, reason), 0.0, 0.0)


def task(bundle: Path, policy: Policy) -> Judgement:
    """What is to be done is the bundle's name."""
    match bundle.name:
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "fill":
            return judgement(str(len(bytearray(MEMORY))))
        case "missing":
            raise UserError("there is no bundle", "look elsewhere")
    return judgement(f"{os.getpid()} {os.nice(0)} {policy.strict}")


def judged(*names: str, processes: int = 1) -> list[Judgement | BaseException]:
    async def all_of_them() -> list[Judgement | BaseException]:
        async with judging_processes(Policy(strict=True), processes, MEMORY, task) as judge:
            return await asyncio.gather(
                *(judge.judge(Path(name)) for name in names), return_exceptions=True
            )

    return asyncio.run(all_of_them())


def reason(one: Judgement | BaseException) -> str:
    assert isinstance(one, Judgement)
    return one.verdict.reason


def test_bundles_are_judged_elsewhere_and_politely() -> None:
    process, niceness, strict = reason(*judged("x")).split()
    assert int(process) != os.getpid()
    assert int(niceness) == NICENESS
    assert strict == "True"


def test_as_many_at_a_time_as_there_are_processes() -> None:
    found = {reason(one).split()[0] for one in judged(*"abcdefgh", processes=2)}
    assert 1 <= len(found) <= 2


def test_a_bundle_that_ends_its_process_is_one_bundle_s_error() -> None:
    before, dead, after = judged("a", "die", "b")
    assert isinstance(dead, Judgement)
    assert dead.verdict.outcome is Outcome.ERROR
    assert dead.verdict.reason == "the process that judged it was killed"
    assert reason(before).split()[0] != reason(after).split()[0]


def test_memory_is_limited() -> None:
    full, after = judged("fill", "a")
    assert isinstance(full, Judgement)
    assert full.verdict.outcome is Outcome.ERROR
    assert full.verdict.reason == "judging it needs more memory than it may use"
    assert reason(after)


def test_a_missing_bundle_is_the_user_s_error() -> None:
    (error,) = judged("missing")
    assert isinstance(error, UserError)
    assert (error.message, error.hint) == ("there is no bundle", "look elsewhere")


PARENT = """
import asyncio, os, signal, sys
from pathlib import Path
from quicmatrix.runner.judge.judge import Policy
from quicmatrix.runner.judge.pool import judging_processes
from tests.judge.test_pool import task

async def main():
    async with judging_processes(Policy(), 1, 2 << 30, task) as judge:
        found = await judge.judge(Path("x"))
        print(found.verdict.reason, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    asyncio.run(main())
"""


def test_a_runner_that_is_killed_leaves_no_process(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline().split()[0].isdigit()
        # Its output ends when all who have it are gone, the processes that judge included.
        rest, _ = parent.communicate(timeout=60)
    assert (rest, parent.returncode) == ("", -signal.SIGKILL)
