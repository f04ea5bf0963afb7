"""Starts a client before the sim is ready: does it wait until the sim captures?

quic-interop-runner starts all containers at the same time. A client that does not wait for TCP port
57832 of ``sim`` sends its first datagrams before anything is captured, and before the server
listens.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from quicmatrix.runner.bundle import capture, key_logs, untrusted_files
from quicmatrix.runner.bundle.layout import LEFT_CAPTURE, OUTPUT_LOG, RIGHT_CAPTURE
from quicmatrix.runner.contract_check import early_listener
from quicmatrix.runner.execute import pki
from quicmatrix.runner.execute.attempt import Stage, launch
from quicmatrix.runner.execute.contract import job_environment
from quicmatrix.runner.execute.files import fill_www
from quicmatrix.runner.execute.sim import capturing
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.network.recording import recorder
from quicmatrix.runner.network.topology import SIM_LEFT
from quicmatrix.runner.sandbox.model import Exit, Folders, Launch, Process
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import TestCase

EARLY_S = 3.0
"""How long before the sim the client starts. A client that does not wait sends within this time."""
EARLY_LOG = Path("sim", "early.log")
_EXIT_GRACE_S = 0.2
_LOG_FILES = 4096


async def early_start(
    players: Mapping[Side, Implementation],
    test: TestCase,
    bundle: Path,
    scratch: Path,
    stage: Stage,
    *,
    seed: int,
    early_s: float = EARLY_S,
) -> tuple[Exit | None, int | None]:
    """Start server and client, and the sim later.

    Args:
        players: Who plays which role.
        test: What they are to do.
        bundle: The folder for captures and logs; it must not exist yet.
        scratch: An empty folder for what need not be kept.
        stage: Where to run it.
        seed: Of the files and the network.
        early_s: How much later the sim starts.

    Returns:
        How the client ended before the sim was ready, None if it did not; and how many datagrams
        it had sent to the server by then, None if they could not be counted.

    Raises:
        SandboxError, MiddleboxError: The machine or the runner failed.
    """
    for part in ("client", "server", "sim"):
        (bundle / part).mkdir(parents=True)
    folders = Folders(scratch / "www", scratch / "certs")
    folders.www.mkdir()
    folders.certs.mkdir()
    pki.issue(dt.datetime.fromtimestamp(stage.clock(), dt.UTC)).write(folders.certs)
    names = [file.name for file in fill_www(folders.www, test, seed)]
    launches = {
        role: launch(implementation, role, job_environment(role, test, names), stage)
        for role, implementation in players.items()
    }
    async with stage.backend.sandbox(stage.run_id, folders, stage.limits) as sandbox:
        server = await sandbox.server.start(launches[Side.SERVER], bundle / "server" / OUTPUT_LOG)
        listener = await sandbox.sim.start(_listener(early_s, stage.cwd), bundle / EARLY_LOG)
        client = await sandbox.client.start(launches[Side.CLIENT], bundle / "client" / OUTPUT_LOG)
        await listener.wait()
        datagrams = _count(bundle / EARLY_LOG)
        exit_ = await _ended_within(client, _EXIT_GRACE_S)
        if exit_ is None:
            async with capturing(
                sandbox.sim,
                scenario=test.scenario,
                seed=seed,
                folder=bundle / "sim",
                scratch=scratch,
                cwd=stage.cwd,
            ) as channel:
                await _ended_within(client, test.timeout_s)
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
    if exit_ is None:
        await asyncio.to_thread(_finish_captures, bundle)
    return exit_, datagrams


def _listener(seconds: float, cwd: Path) -> Launch:
    command = (sys.executable, "-P", "-m", early_listener.__name__, SIM_LEFT.name, str(seconds))
    return Launch(command, cwd)


def _count(log: Path) -> int | None:
    """What the listener printed."""
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
