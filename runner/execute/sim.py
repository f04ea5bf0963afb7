"""The middlebox of an attempt: started first of all, and followed until it has captured it all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from quicmatrix.runner.bundle.layout import OUTPUT_LOG
from quicmatrix.runner.network import control
from quicmatrix.runner.sandbox.model import Host, Launch

CAPTURE_LIMIT = 256 * 1024 * 1024
"""Bytes that each capture may have: ten times what the largest test case needs."""


@asynccontextmanager
async def capturing(
    host: Host,
    *,
    scenario: str,
    seed: int,
    folder: Path,
    scratch: Path,
    cwd: Path,
    core: int | None = None,
    probe_timeout_s: float | None = None,
) -> AsyncIterator[control.Channel]:
    """A middlebox that captures, from before the first datagram.

    Args:
        host: The sim's host.
        scenario: What it does to packets.
        seed: Of its randomness.
        folder: For its captures and its log.
        scratch: For its control socket.
        cwd: Where it starts.
        core: The only core that it may run on, if so.
        probe_timeout_s: How long to wait for the server; None: it is not probed.

    Raises:
        MiddleboxError, SandboxError: The machine or the runner failed.
    """
    async with control.listen(scratch / "control") as channel:
        command = control.command(
            scenario=scenario,
            seed=seed,
            capture_dir=folder,
            capture_limit=CAPTURE_LIMIT,
            control=scratch / "control",
            probe_timeout_s=probe_timeout_s,
        )
        await host.start(Launch(command, cwd, core=core), folder / OUTPUT_LOG)
        await channel.capturing()
        yield channel
