"""Runs contract cases, side by side, and collects what they show.

Every case has a folder of its name in the check's. That of an attempt is a bundle as a run's, with
captures that Wireshark decrypts. What the implementation does is never an error here.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from quicmatrix.runner.bundle.capture import DamagedCapture
from quicmatrix.runner.contract_check.cases import ContractCase
from quicmatrix.runner.contract_check.early_start import early_start
from quicmatrix.runner.contract_check.endpoint_logs import read_endpoint_logs
from quicmatrix.runner.contract_check.model import (
    CaseResult,
    EarlyStart,
    ImageFacts,
    Observations,
    ObservedAttempt,
    UnknownTestcase,
)
from quicmatrix.runner.contract_check.recording_backend import ProcessRecording, RecordingBackend
from quicmatrix.runner.execute import unknown
from quicmatrix.runner.execute.attempt import Names, Stage, attempt
from quicmatrix.runner.judge.bundle import decode
from quicmatrix.runner.judge.judge import judge
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.network.control import MiddleboxError
from quicmatrix.runner.sandbox.model import SandboxError
from quicmatrix.runner.trace.model import Capture, Side, Trace
from quicmatrix.testcases.model import Inconclusive, Observation, TestCase

_NO_TRACE = Trace(Capture(Side.CLIENT), Capture(Side.SERVER))
_SEED = 1


@dataclass(frozen=True, slots=True)
class CheckSetup:
    """Who meets whom, and where."""

    implementation: Implementation
    """The one under test."""
    peer: Implementation
    stage: Stage
    folder: Path
    """Where bundles go; it exists."""
    parallel: int
    """How many cases run side by side."""

    def implementations(self, role: Side) -> dict[Side, Implementation]:
        """Who plays which role when the implementation under test plays this one."""
        return {role: self.implementation, role.peer: self.peer}


ProgressCallback = Callable[[ContractCase], None]


async def observe(
    setup: CheckSetup,
    cases: Sequence[ContractCase],
    *,
    image: ImageFacts | None = None,
    started: ProgressCallback,
    finished: ProgressCallback,
) -> Observations:
    """Run cases; first those that may show that the others cannot succeed.

    Args:
        setup: Who and where.
        cases: What to run.
        image: What the engine says of the implementation's image.
        started: Called when a case begins.
        finished: Called when it is over, or skipped.
    """
    runner = _CaseRunner(setup, started, finished)
    if image is not None and not image.fits:
        runner.skip(cases, "the image does not fit the machine")
        return runner.observations(image)
    await runner.run([case for case in cases if case.runs_first])
    others = [case for case in cases if not case.runs_first]
    for role in Side:
        if reason := runner.reason_to_skip(role):
            runner.skip([case for case in others if case.role is role], reason)
            others = [case for case in others if case.role is not role]
    await runner.run(others)
    return runner.observations(image)


class _CaseRunner:
    """Runs cases and keeps their results."""

    def __init__(
        self, setup: CheckSetup, started: ProgressCallback, finished: ProgressCallback
    ) -> None:
        self._setup = setup
        self._started = started
        self._finished = finished
        self._free = asyncio.Semaphore(setup.parallel)
        self._results: dict[str, CaseResult] = {}
        self._skipped: dict[str, str] = {}
        self._launch_error = ""

    async def run(self, cases: Sequence[ContractCase]) -> None:
        """Run cases side by side."""
        async with asyncio.TaskGroup() as group:
            for case in cases:
                group.create_task(self._run(case))

    def skip(self, cases: Sequence[ContractCase], reason: str) -> None:
        """Do not run them."""
        for case in cases:
            self._skipped[case.name] = reason
            self._finished(case)

    def reason_to_skip(self, role: Side) -> str:
        """Why the other cases of a role cannot succeed; empty if they may."""
        if self._launch_error:
            return "skipped, since it could not be started"
        transfer = self._results.get(f"{role}-transfer")
        if role is Side.CLIENT or not isinstance(transfer, ObservedAttempt):
            return ""
        if transfer.record.server_ready or transfer.record.fault:
            return ""
        return "skipped, since the server never got ready"

    def observations(self, image: ImageFacts | None) -> Observations:
        """All results."""
        return Observations(
            image,
            MappingProxyType(self._results),
            MappingProxyType(self._skipped),
            self._launch_error,
        )

    async def _run(self, case: ContractCase) -> None:
        async with self._free:
            self._started(case)
            backend = RecordingBackend(self._setup.stage.backend, case.environment)
            try:
                self._results[case.name] = await _result(case, self._setup, backend)
            except Inconclusive as reason:
                self._skipped[case.name] = str(reason)
            launch_error = backend.processes[case.role].launch_error
            self._launch_error = self._launch_error or launch_error
            self._finished(case)


async def _result(case: ContractCase, setup: CheckSetup, backend: RecordingBackend) -> CaseResult:
    """Run one case.

    Raises:
        Inconclusive: The machine or the runner failed, or the program could not be started.
    """
    stage = replace(setup.stage, backend=backend)
    bundle = setup.folder / case.name
    recording = backend.processes[case.role]
    try:
        if case.test is None:
            return await _unknown_testcase(case, setup, stage, bundle, recording)
        if case.early:
            return await _early_start(case.test, setup, stage, bundle)
        return await _attempt(case, case.test, setup, stage, backend)
    except (SandboxError, MiddleboxError, DamagedCapture, OSError) as error:
        if recording.launch_error:
            raise Inconclusive(f"it could not be started: {recording.launch_error}") from error
        raise Inconclusive(f"the machine or the runner failed: {error}") from error


async def _unknown_testcase(
    case: ContractCase, setup: CheckSetup, stage: Stage, folder: Path, recording: ProcessRecording
) -> UnknownTestcase:
    started_at = time.monotonic()
    problem = await unknown.problem(setup.implementation, case.role, folder, stage)
    duration_s = recording.duration_s or time.monotonic() - started_at
    return UnknownTestcase(problem, recording.exit, duration_s)


async def _attempt(
    case: ContractCase,
    test: TestCase,
    setup: CheckSetup,
    stage: Stage,
    backend: RecordingBackend,
) -> ObservedAttempt:
    bundle = setup.folder / case.name
    players = setup.implementations(case.role)
    job = Job.of(players[Side.CLIENT].name, players[Side.SERVER].name, test.name, _SEED)
    names = Names({one.name: one for one in players.values()}, {test.name: test})
    record = await attempt(job, names, bundle, stage)
    trace = await asyncio.to_thread(decode, bundle) if case.decoded else _NO_TRACE
    observation = Observation(trace, record)
    return ObservedAttempt(
        test,
        observation,
        verdict=judge(observation, test),
        logs=await asyncio.to_thread(read_endpoint_logs, bundle / case.role),
        stop_duration_s=backend.processes[case.role].stop_duration_s,
        modified_files=backend.modified_files,
    )


async def _early_start(test: TestCase, setup: CheckSetup, stage: Stage, bundle: Path) -> EarlyStart:
    with ExitStack() as stack:
        scratch = Path(tempfile.mkdtemp(dir=stage.scratch))
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        players = setup.implementations(Side.CLIENT)
        exit_, datagrams = await early_start(players, test, bundle, scratch, stage, seed=_SEED)
    trace = await asyncio.to_thread(decode, bundle) if exit_ is None else None
    logs = await asyncio.to_thread(read_endpoint_logs, bundle / Side.CLIENT)
    return EarlyStart(exit_, datagrams, logs, trace)
