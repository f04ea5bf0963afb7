"""Runs attacks of tests/support/hostile.py: arguments are FOLDER PLACE MODE..."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from quicmatrix.runner.execute.scheduler import Parallelism
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.sandbox.model import MIB, Limits
from quicmatrix.runner.sandbox.netns.netns import NetnsBackend
from quicmatrix.runner.sandbox.netns.privileges import enter_user_namespace
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import TestCase
from quicmatrix.testcases.shared.contract import ENDPOINT_CONTRACT
from tests.support.real_run import do

HOSTILE = Path(__file__).with_name("hostile.py")
ENDLESS = ("stopped", "sigterm-ignored")
"""Attacks that end only when their time is over; the others have time on a busy machine too."""
LIMITS = Limits(
    memory_bytes=192 * MIB,
    processes=64,
    log_bytes=24 * MIB,
    logs_bytes=24 * MIB,
    downloads_bytes=8 * MIB,
    downloads_entries=1000,
    temporary_bytes=16 * MIB,
)


def case(mode: str, side: Side) -> TestCase:
    """A test case whose only subject is the endpoint contract."""
    client, server = (mode, "fine") if side is Side.CLIENT else ("fine", mode)
    timeout_s = 2.0 if mode in ENDLESS else 60.0
    return TestCase(mode, mode, "Attacks.", client, server, ENDPOINT_CONTRACT, timeout_s=timeout_s)


def job(mode: str, side: Side) -> Job:
    """The job in which an attack happens."""
    return Job.of("hostile", "hostile", case(mode, side).name, 1)


def main(folder: Path, place: str, *modes: str) -> None:
    """Run the attacks of these names."""
    command = (os.path.realpath(sys.executable), "-I", "-S", str(HOSTILE), place)
    sides = {mode: Side.SERVER if mode.startswith("server-") else Side.CLIENT for mode in modes}
    do(
        [job(*one) for one in sides.items()],
        [case(*one) for one in sides.items()],
        folder,
        run_id="hostile",
        parallelism=Parallelism(4),
        implementations=(Implementation("hostile", commands=dict.fromkeys(Side, command)),),
        # Before Linux 5.14, without control groups, it is one limit for all sides together.
        limits=LIMITS if "pids" in NetnsBackend().limited() else replace(LIMITS, processes=4096),
    )


if __name__ == "__main__":
    enter_user_namespace(sys.orig_argv, os.environ)
    main(Path(sys.argv[1]), *sys.argv[2:])
