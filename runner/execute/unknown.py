"""The first question to every implementation: does it exit with 127 when it does not know a test?

Without that, ``unsupported`` could not be distinguished from ``failed`` or, worse, ``passed``.
It finds all that a test has: files, certificates, environment, limits.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from pathlib import Path

from quicmatrix.runner.bundle.layout import OUTPUT_LOG
from quicmatrix.runner.bundle.untrusted_files import last_lines
from quicmatrix.runner.execute.attempt import Stage, launch
from quicmatrix.runner.execute.contract import NOT_SUPPORTED, job_environment
from quicmatrix.runner.execute.files import fill_folders
from quicmatrix.runner.execute.sim import capturing
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.sandbox.model import Exit, Process
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import KIB, TestCase

TIME_LIMIT_S = 60.0
"""How long it may take: a JVM needs seconds to start, and more on a machine that is busy."""
_LOG_LINES = 3
_LINE_LENGTH = 200


async def problem(implementation: Implementation, role: Side, folder: Path, stage: Stage) -> str:
    """Ask an implementation for a test that cannot exist.

    Args:
        implementation: Who is asked.
        role: In which role.
        folder: Where its log is stored; it must not exist yet.
        stage: Where to run it.

    Returns:
        What it did instead of exiting with 127, with the end of its log; empty if it did that.

    Raises:
        SandboxError, MiddleboxError: The machine or the runner failed.
    """
    (folder / "sim").mkdir(parents=True)
    name = f"unknown-{secrets.token_hex(4)}"
    test = TestCase(name, "?", "It does not exist.", name, name, (), (KIB,))
    with tempfile.TemporaryDirectory(dir=stage.scratch, ignore_cleanup_errors=True) as scratch:
        folders, www = fill_folders(Path(scratch), test, seed=0, started_at=stage.clock())
        orders = job_environment(role, test, [file.name for file in www])
        start = launch(implementation, role, orders, stage)
        async with (
            stage.backend.sandbox(stage.run_id, folders, stage.limits) as sandbox,
            # Images wait for the sim before they start.
            capturing(
                sandbox.sim,
                scenario=test.scenario,
                seed=0,
                folder=folder / "sim",
                scratch=Path(scratch),
                cwd=stage.cwd,
            ) as channel,
        ):
            host = sandbox.client if role is Side.CLIENT else sandbox.server
            how = await _end_of(await host.start(start, folder / OUTPUT_LOG))
            if how is not None:
                await channel.finish()
    if how is not None and how.code == NOT_SUPPORTED:
        return ""
    said = "; ".join(last_lines(folder / OUTPUT_LOG, _LOG_LINES, _LINE_LENGTH))
    log = f"; its log ends with: {said}" if said else "; its log is empty"
    return f"asked for TESTCASE={name}, it {_described(how)}{log}"


async def _end_of(process: Process) -> Exit | None:
    """How it ended; None if it had to be killed when its time was over."""
    try:
        async with asyncio.timeout(TIME_LIMIT_S):
            return await process.wait()
    except TimeoutError:
        await process.kill()
        return None


def _described(how: Exit | None) -> str:
    if how is None:
        return f"still ran after {TIME_LIMIT_S:g} s"
    if how.log_overflow:
        return "flooded its log and was stopped"
    if how.out_of_memory:
        return "used more memory than it may"
    if how.exceeded:
        return f"reached a limit: {', '.join(how.exceeded)}"
    end = f"exited with {how.code}" if how.signal is None else f"was ended by signal {how.signal}"
    return f"{end} instead of 127"
