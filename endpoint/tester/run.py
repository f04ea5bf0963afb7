"""From the environment to the exit code: 0 the script is done, 1 it failed, 127 no such case."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from quicmatrix.endpoint.contract import Contract, read_contract
from quicmatrix.endpoint.logs import open_logs
from quicmatrix.endpoint.tester.configuration import Settings
from quicmatrix.endpoint.tester.steps import Steps
from quicmatrix.endpoint.tester.streams import NoStimulusError
from quicmatrix.endpoint.tester.tester import Tester
from quicmatrix.endpoint.transport.crypto.epoch_hash import use_identity_hash

CASE_GROUP = "quicmatrix.conformance"
"""Entry points of this group are functions: all cases, or those that may have an id."""
DONE, FAILED, UNSUPPORTED = 0, 1, 127
LOGS = Path("/logs")


class Flow(Protocol):
    """What a case is a deviation from."""

    @property
    def alpn(self) -> str:
        """``hq-interop`` or ``h3``."""

    @property
    def versions(self) -> tuple[int, ...]:
        """That the tester speaks."""


class Case(Protocol):
    """What is needed of a case to run it."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def flow(self) -> Flow:
        """What it is a deviation from."""

    @property
    def script(self) -> Callable[[Tester], Awaitable[None]]:
        """What the tester does."""


def main(environment: Mapping[str, str] | None = None, logs: Path = LOGS) -> int:
    """Run the case that the environment asks for; return the exit code."""
    environment = os.environ if environment is None else environment
    wanted = environment.get("TESTCASE", "")
    case = find(wanted)
    if case is None:
        print(f"tester: there is no case {wanted!r}", file=sys.stderr)  # noqa: T201
        return UNSUPPORTED
    contract = read_contract({**environment, "TESTCASE": "transfer"})
    use_identity_hash()  # this process is ours, and has no connection yet
    return asyncio.run(_run(case, contract, logs))


def find(wanted: str) -> Case | None:
    """The case of that id; None if there is none."""
    for entry in entry_points(group=CASE_GROUP):
        for case in entry.load()(wanted):
            if case.id == wanted:
                return case  # type: ignore[no-any-return]
    return None


async def _run(case: Case, contract: Contract, folder: Path) -> int:
    steps = Steps.open(folder)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    with open_logs(contract) as logs:
        settings = Settings(case.flow.alpn, case.flow.versions)
        tester = Tester(contract, settings, steps, logs.key_log)
        script = asyncio.create_task(_perform(case, tester))
        waiting = asyncio.create_task(stopped.wait())
        await asyncio.wait((script, waiting), return_when=asyncio.FIRST_COMPLETED)
        for task in (script, waiting):
            task.cancel()
        try:
            await script
        except asyncio.CancelledError:
            steps.add("done", "the client was gone first")
        except Exception as error:  # noqa: BLE001 - it is our own fault, and the log says so
            steps.add("failed", f"{type(error).__name__}: {error}")
            traceback.print_exc()
            return FAILED
        else:
            steps.add("done")
        finally:
            tester.close()
    return DONE


async def _perform(case: Case, tester: Tester) -> None:
    try:
        await case.script(tester)
    except NoStimulusError as reason:
        tester.steps.add("skipped", str(reason))
    await tester.finish()
