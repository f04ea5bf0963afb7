"""A client that is started too early: does it wait until the sim says that it captures?

quic-interop-runner starts all containers at the same time. A client that does not wait for TCP port
57832 of ``sim`` sends its first datagrams where nobody captures them, and to a server that does not
listen yet.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from contextlib import suppress
from pathlib import Path

from quicmatrix.runner.bundle import capture, key_logs, untrusted_files
from quicmatrix.runner.contract_check import early_listener
from quicmatrix.runner.execute import pki
from quicmatrix.runner.execute.attempt import Stage, launch
from quicmatrix.runner.execute.contract import job_environment
from quicmatrix.runner.execute.files import fill_www
from quicmatrix.runner.execute.sim import LOG_NAME, capturing
from quicmatrix.runner.judge.judge import LEFT_CAPTURE, RIGHT_CAPTURE
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.network.recording import recorder
from quicmatrix.runner.network.topology import SIM_LEFT
from quicmatrix.runner.sandbox.model import Exit, Folders, Launch, Process
from quicmatrix.runner.trace.model import Side

EARLY_S = 3.0
"""How much too early. A client that does not wait begins within this time."""
EARLY_LOG = Path("sim", "early.log")
_A_MOMENT_S = 0.2
_LOG_FILES = 4096


async def early_start(
    job: Job, bundle: Path, scratch: Path, stage: Stage, early_s: float = EARLY_S
) -> tuple[Exit | None, int | None]:
    """Start a client, and only later the sim.

    Args:
        job: Who meets whom.
        bundle: The folder for captures and logs; it must not exist yet.
        scratch: An empty folder for what need not be kept.
        stage: Where to run it.
        early_s: How long the client is left without a sim.

    Returns:
        How the client ended before there was a sim, None if it did not; and how many datagrams it
        had sent to the server by then, None if nobody could listen.

    Raises:
        SandboxError, MiddleboxError: The machine or the runner failed.
    """
    for part in ("client", "server", "sim"):
        (bundle / part).mkdir(parents=True)
    folders = Folders(scratch / "www", scratch / "certs")
    folders.www.mkdir()
    folders.certs.mkdir()
    pki.issue(dt.datetime.fromtimestamp(stage.clock(), dt.UTC)).write(folders.certs)
    names = [file.name for file in fill_www(folders.www, job.test, job.seed)]
    async with stage.backend.sandbox(stage.run_id, folders, stage.limits) as sandbox:
        server = await sandbox.server.start(
            launch(job.server, Side.SERVER, job_environment(Side.SERVER, job, names), stage),
            bundle / "server" / LOG_NAME,
        )
        listener = await sandbox.sim.start(_listener(early_s, stage.cwd), bundle / EARLY_LOG)
        client = await sandbox.client.start(
            launch(job.client, Side.CLIENT, job_environment(Side.CLIENT, job, names), stage),
            bundle / "client" / LOG_NAME,
        )
        await listener.wait()
        datagrams = _number(bundle / EARLY_LOG)
        ended = await _ended_within(client, _A_MOMENT_S)
        if ended is None:
            async with capturing(
                sandbox.sim,
                scenario=job.test.scenario,
                seed=job.seed,
                folder=bundle / "sim",
                scratch=scratch,
                cwd=stage.cwd,
            ) as channel:
                await _ended_within(client, job.test.timeout_s)
                await client.kill()
                await channel.finish()
        await server.stop()
        for side, host in ((Side.CLIENT, sandbox.client), (Side.SERVER, sandbox.server)):
            await asyncio.to_thread(
                untrusted_files.copy_out,
                host.folder("/logs"),
                bundle / side,
                stage.limits.logs_bytes,
                _LOG_FILES,
            )
    if ended is None:
        await asyncio.to_thread(_finish_captures, bundle)
    return ended, datagrams


def _listener(seconds: float, cwd: Path) -> Launch:
    command = (sys.executable, "-P", "-m", early_listener.__name__, SIM_LEFT.name, str(seconds))
    return Launch(command, cwd)


def _number(log: Path) -> int | None:
    """What the listener has counted."""
    text = log.read_text(encoding="ascii", errors="replace").strip()
    return int(text) if text.isascii() and text.isdigit() else None


async def _ended_within(process: Process, limit_s: float) -> Exit | None:
    with suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            return await process.wait()
    return None


def _finish_captures(bundle: Path) -> None:
    keys = key_logs.merge(bundle / side / "keys.log" for side in Side)
    for raw, path in (
        (recorder.LEFT_CAPTURE, LEFT_CAPTURE),
        (recorder.RIGHT_CAPTURE, RIGHT_CAPTURE),
    ):
        capture.finish(bundle / "sim" / raw, bundle / path, keys)
        (bundle / "sim" / raw).unlink()
