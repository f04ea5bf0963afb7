"""A middlebox that moves nothing, but keeps the control protocol and leaves captures behind."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from quicmatrix.runner.network.recording import recorder
from quicmatrix.runner.network.recording.capture_writer import CaptureWriter
from quicmatrix.runner.sandbox.fake import Program, Running
from quicmatrix.runner.sandbox.model import Exit

FINISHED = {
    "event": "finished",
    "forwarded": {"to_client": 5, "to_server": 4},
    "dropped": 1,
    "lateness_ms": {"count": 9, "mean": 0.1, "p50": 0.1, "p99": 0.2, "worst": 0.3},
    "kernel_drops": 0,
    "truncated": "",
}


def sim(
    *,
    ready: bool = True,
    dies: bool = False,
    kernel_drops: int = 0,
    cross_traffic: dict[str, object] | None = None,
) -> Program:
    """A fake sim; it may find the server silent, die, have lost frames, or a TCP flow beside it."""

    async def program(running: Running) -> Exit:
        options = dict(
            word[2:].split("=", 1)
            for word in running.launch.command
            if word.startswith("--")
            if "=" in word
        )
        folder = Path(options["capture-dir"])
        for name in (recorder.LEFT_CAPTURE, recorder.RIGHT_CAPTURE):
            with CaptureWriter(folder / name, "eth0", "fake", 1 << 20) as capture:
                capture.write(1, b"\0" * 60, "#1 delivered")
        reader, writer = await asyncio.open_unix_connection(options["control"])

        def emit(event: dict[str, object]) -> None:
            writer.write(json.dumps(event).encode() + b"\n")

        try:
            emit({"event": "capturing"})
            if "--probe-server" in running.launch.command:
                emit({"event": "server-ready" if ready else "server-silent", "after_s": 0.1})
            await reader.read(1)
            if not dies:
                emit({**FINISHED, "kernel_drops": kernel_drops, "cross_traffic": cross_traffic})
        finally:
            writer.close()
        return Exit(1 if dies else 0)

    return program
