"""An endpoint in a container: signals, exit, and log."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace

from quicmatrix.runner.sandbox.docker.container import exit_of
from quicmatrix.runner.sandbox.docker.engine import Engine
from quicmatrix.runner.sandbox.full_folders import FullFolders
from quicmatrix.runner.sandbox.log import BoundedLog
from quicmatrix.runner.sandbox.model import Exit, SandboxError
from quicmatrix.runner.sandbox.netns.holder import finish

END_S = 20.0
"""How long the engine may take to kill a container."""


class DockerProcess:
    """A container that runs; see :class:`quicmatrix.runner.sandbox.model.Process`.

    The engine closes the output stream of a container when the container has ended, and not before,
    even if its programs have closed theirs. So the end of the stream is the end of the container,
    and no thread has to wait for it. The engine kills what the endpoint leaves behind.
    """

    def __init__(
        self,
        engine: Engine,
        container: str,
        log: BoundedLog,
        folders: FullFolders,
        grace_s: float,
    ) -> None:
        self._engine = engine
        self._container = container
        self._log = log
        self._folders = folders
        self._grace_s = grace_s
        self._end = asyncio.ensure_future(self._supervise())  # awaited when the host ends

    async def wait(self) -> Exit:
        """Wait until it has ended."""
        return await asyncio.shield(self._end)

    async def stop(self) -> Exit:
        """SIGTERM to the container's first process; after the grace period, :meth:`kill`."""
        await self._signal(signal.SIGTERM)
        await asyncio.wait({self._end}, timeout=self._grace_s)
        return await self.kill()

    async def kill(self) -> Exit:
        """SIGKILL; the engine kills all else in the container when its first process is dead.

        Raises:
            SandboxError: It is not dead in time.
        """
        await self._signal(signal.SIGKILL)
        await asyncio.wait({self._end}, timeout=END_S)
        if not self._end.done():
            raise SandboxError(f"a container survives SIGKILL for {END_S} s")
        return await self.wait()

    async def _signal(self, number: signal.Signals) -> None:
        if not self._end.done():
            await finish(asyncio.to_thread(self._engine.signal, self._container, number))

    async def _supervise(self) -> Exit:
        try:
            await self._folders.during(asyncio.ensure_future(self._log.over.wait()))
            if self._log.overflow or self._log.fault is not None:
                # The engine does not end a container before all of its output was read.
                self._log.close()
                await asyncio.to_thread(self._engine.signal, self._container, signal.SIGKILL)
            end = await asyncio.to_thread(self._engine.wait, self._container)
        finally:
            self._log.close()
        if self._log.fault is not None:
            raise SandboxError(f"cannot write a log: {self._log.fault}")
        how = exit_of(end, log_overflow=self._log.overflow)
        return replace(how, exceeded=self._folders.exceeded, log_left_out=self._log.left_out)
