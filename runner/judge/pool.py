"""Judges bundles in processes of their own, side by side and with a memory limit.

So decoding never delays the event loop, nor the threads that stop endpoints. Each process judges
one bundle at a time, and a bundle that ends its process is one bundle's error.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import Protocol

from quicmatrix.runner.judge.judge import Policy
from quicmatrix.runner.model.verdict import Judgement

MEMORY_BYTES = 4 << 30
"""Of address space, for each process; the largest test case needs a tenth of it."""
NICENESS = 5
"""Endpoints that are running come first."""


class Judge(Protocol):
    """Who judges bundles."""

    async def judge(self, bundle: Path) -> Judgement:
        """The judgement of a stored attempt; what goes wrong in it is an error of that attempt.

        Raises:
            UserError: There is no such bundle.
        """


@asynccontextmanager
async def judging_processes(
    policy: Policy,
    processes: int | None = None,
    memory_bytes: int = MEMORY_BYTES,
    task: Callable[[Path, Policy], Judgement] | None = None,
) -> AsyncIterator[Judge]:
    """A pool of processes that judge.

    Args:
        policy: Which requirements decide.
        processes: How many; None: one for each core.
        memory_bytes: What each may use.
        task: What they do, if it is not judging by the installed test cases.
    """
    count = processes or len(os.sched_getaffinity(0))
    pool = _Pool([_Process(memory_bytes) for _ in range(count)], policy, task or _judge)
    try:
        yield pool
    finally:
        pool.close()


class _Process:
    """A process that is started when it is needed, and again when it has died."""

    def __init__(self, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._executor: ProcessPoolExecutor | None = None

    async def run(
        self, task: Callable[[Path, Policy], Judgement], bundle: Path, policy: Policy
    ) -> Judgement:
        """Do a task.

        Raises:
            BrokenProcessPool: The process died of it.
        """
        if self._executor is None:
            self._executor = ProcessPoolExecutor(
                1, get_context("spawn"), _begin, (self._memory_bytes,)
            )
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._executor, task, bundle, policy
            )
        except BrokenProcessPool:
            self.close()
            raise

    def close(self) -> None:
        """Let it end when it is done with what it does."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None


class _Pool:
    """See :class:`Judge`."""

    def __init__(
        self,
        processes: list[_Process],
        policy: Policy,
        task: Callable[[Path, Policy], Judgement],
    ) -> None:
        self._processes = processes
        self._free: asyncio.Queue[_Process] = asyncio.Queue()
        for process in processes:
            self._free.put_nowait(process)
        self._policy = policy
        self._task = task

    async def judge(self, bundle: Path) -> Judgement:
        from quicmatrix.runner.judge.bundle import unjudged  # noqa: PLC0415 - loads what decodes

        process = await self._free.get()
        try:
            return await process.run(self._task, bundle, self._policy)
        except BrokenProcessPool:
            return unjudged("the process that judged it was killed")
        except MemoryError:
            return unjudged("judging it needs more memory than it may use")
        finally:
            self._free.put_nowait(process)

    def close(self) -> None:
        """Let all processes end."""
        for process in self._processes:
            process.close()


# --- In the process ----------------------------------------------------------------------------


def _begin(memory_bytes: int) -> None:
    """Limit this process, and end it when its parent is gone. SIGINT is the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, most))  # tshark's limit is another
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def _judge(bundle: Path, policy: Policy) -> Judgement:
    from quicmatrix.runner.bundle.records import read_attempt  # noqa: PLC0415 - not in the parent
    from quicmatrix.runner.judge.bundle import judge_bundle  # noqa: PLC0415 - as above
    from quicmatrix.runner.plan.conformance import cases_for  # noqa: PLC0415 - as above
    from quicmatrix.runner.plan.select import unprompted  # noqa: PLC0415 - as above

    return judge_bundle(bundle, cases_for(read_attempt(bundle)), policy, unprompted())
