"""The first question to every implementation: does it exit with 127 when it does not know a test?

Without that, ``unsupported`` could not be distinguished from ``failed`` or, worse, ``passed``.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from quicmatrix.runner.bundle.layout import OUTPUT_LOG
from quicmatrix.runner.execute.attempt import Stage, launch
from quicmatrix.runner.execute.contract import NOT_SUPPORTED, environment
from quicmatrix.runner.execute.sim import capturing
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.sandbox.model import Folders
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import DEFAULT_SCENARIO

_TIME_LIMIT_S = 10.0


async def problem(implementation: Implementation, role: Side, folder: Path, stage: Stage) -> str:
    """Ask an implementation for a test that cannot exist.

    Args:
        implementation: Who is asked.
        role: In which role.
        folder: Where its log is stored; it must not exist yet.
        stage: Where to run it.

    Returns:
        What it did instead of exiting with 127; empty if it did that.

    Raises:
        SandboxError, MiddleboxError: The machine or the runner failed.
    """
    (folder / "sim").mkdir(parents=True)
    with ExitStack() as stack:
        scratch = Path(tempfile.mkdtemp(dir=stage.scratch))
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        return await _ask(implementation, role, folder, scratch, stage)


async def _ask(
    implementation: Implementation, role: Side, folder: Path, scratch: Path, stage: Stage
) -> str:
    folders = Folders(www=scratch / "www", certs=scratch / "certs")
    folders.www.mkdir()
    folders.certs.mkdir()
    testcase = f"unknown-{secrets.token_hex(4)}"
    variables = environment(role, testcase, [f"https://server4:443/{testcase}"])
    async with (
        stage.backend.sandbox(stage.run_id, folders, stage.limits) as sandbox,
        # Images wait for the sim before they start.
        capturing(
            sandbox.sim,
            scenario=DEFAULT_SCENARIO,
            seed=0,
            folder=folder / "sim",
            scratch=scratch,
            cwd=stage.cwd,
        ) as channel,
    ):
        host = sandbox.client if role is Side.CLIENT else sandbox.server
        process = await host.start(
            launch(implementation, role, variables, stage), folder / OUTPUT_LOG
        )
        try:
            async with asyncio.timeout(_TIME_LIMIT_S):
                how = await process.wait()
        except TimeoutError:
            await process.kill()
            return f"asked for TESTCASE={testcase}, it still ran after {_TIME_LIMIT_S:g} s"
        await channel.finish()
    if how.code == NOT_SUPPORTED:
        return ""
    end = f"exited with {how.code}" if how.signal is None else f"was ended by signal {how.signal}"
    return f"asked for TESTCASE={testcase}, it {end} instead of 127"
