"""Runs trials, side by side, and gathers what they show. What a subject does is never an error.

Every trial leaves a folder of its name in the check's. That of an exchange is a bundle as a run's,
so that Wireshark decrypts its captures.
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
from quicmatrix.runner.contract_check.cases import Kind, Trial
from quicmatrix.runner.contract_check.early_start import early_start
from quicmatrix.runner.contract_check.endpoint_logs import logs_of
from quicmatrix.runner.contract_check.model import (
    Answer,
    Conversation,
    EarlyStart,
    ImageFacts,
    Observations,
    Unseen,
)
from quicmatrix.runner.contract_check.recording_backend import Testimony, Witness
from quicmatrix.runner.execute import unknown
from quicmatrix.runner.execute.attempt import Stage, attempt
from quicmatrix.runner.execute.sim import LOG_NAME
from quicmatrix.runner.judge.judge import decode, judge
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.network.control import MiddleboxError
from quicmatrix.runner.sandbox.model import SandboxError
from quicmatrix.runner.trace.model import Capture, Side, Trace

_NO_TRACE = Trace(Capture(Side.CLIENT), Capture(Side.SERVER))
_SEED = 1


@dataclass(frozen=True, slots=True)
class Setting:
    """Who meets whom, and where."""

    subject: Implementation
    peer: Implementation
    stage: Stage
    folder: Path
    """Where bundles go; it exists."""
    parallel: int
    """How many trials run side by side."""


Progress = Callable[[Trial], None]
Seen = Answer | Conversation | EarlyStart


async def observe(
    setting: Setting,
    trials: Sequence[Trial],
    *,
    image: ImageFacts | None = None,
    started: Progress,
    finished: Progress,
) -> Observations:
    """Run trials; the basic ones first, since they may show that the others are in vain.

    Args:
        setting: Who and where.
        trials: What to run.
        image: What the engine says of the subject's image.
        started: Called when a trial begins.
        finished: Called when it is over, or left out.
    """
    gathering = _Gathering(setting, started, finished)
    basic = [trial for trial in trials if trial.basic]
    others = [trial for trial in trials if not trial.basic]
    if image is not None and not image.fits:
        gathering.leave_out(trials, "the image does not fit the machine")
    else:
        await gathering.do(basic)
        for role in Side:
            its = [trial for trial in others if trial.role is role]
            if reason := gathering.in_vain(role):
                gathering.leave_out(its, reason)
                others = [trial for trial in others if trial.role is not role]
        await gathering.do(others)
    return gathering.observations(frozenset(trial.role for trial in trials), image)


class _Gathering:
    """What has been seen so far."""

    def __init__(self, setting: Setting, started: Progress, finished: Progress) -> None:
        self._setting = setting
        self._started = started
        self._finished = finished
        self._free = asyncio.Semaphore(setting.parallel)
        self._found: dict[str, Seen] = {}
        self._missing: dict[str, str] = {}
        self._unlaunchable = ""

    async def do(self, trials: Sequence[Trial]) -> None:
        """Run trials side by side."""
        async with asyncio.TaskGroup() as group:
            for trial in trials:
                group.create_task(self._do(trial))

    def leave_out(self, trials: Sequence[Trial], reason: str) -> None:
        """Do not run them."""
        for trial in trials:
            self._missing[trial.name] = reason
            self._finished(trial)

    def in_vain(self, role: Side) -> str:
        """Why the other trials of a role would show nothing; empty if they may."""
        if self._unlaunchable:
            return "left out, since it could not be started"
        seen = self._found.get(f"{role}-transfer")
        if role is Side.CLIENT or not isinstance(seen, Conversation):
            return ""
        if seen.record.server_ready or seen.record.fault:
            return ""
        return "left out, since the server never got ready"

    def observations(self, roles: frozenset[Side], image: ImageFacts | None) -> Observations:
        """All of it."""
        answers: dict[Side, Answer] = {}
        conversations: dict[str, Conversation] = {}
        early: EarlyStart | None = None
        for name, seen in self._found.items():
            match seen:
                case Answer():
                    answers[Side(name.partition("-")[0])] = seen
                case Conversation():
                    conversations[name] = seen
                case EarlyStart():
                    early = seen
        return Observations(
            roles=roles,
            image=image,
            answers=MappingProxyType(answers),
            conversations=MappingProxyType(conversations),
            early=early,
            unlaunchable=self._unlaunchable,
            missing=MappingProxyType(self._missing),
        )

    async def _do(self, trial: Trial) -> None:
        async with self._free:
            self._started(trial)
            try:
                testimony, seen = await _perform(trial, self._setting)
            except Unseen as reason:
                self._missing[trial.name] = str(reason)
            else:
                self._found[trial.name] = seen
                self._unlaunchable = self._unlaunchable or testimony.unlaunchable
            self._finished(trial)


async def _perform(trial: Trial, setting: Setting) -> tuple[Testimony, Seen]:
    """Run one trial.

    Raises:
        Unseen: The machine or the runner failed.
    """
    witness = Witness(setting.stage.backend, trial.changes)
    stage = replace(setting.stage, backend=witness)
    folder = setting.folder / trial.name
    testimony = witness.testimonies[trial.role]
    started = time.monotonic()
    try:
        match trial.kind:
            case Kind.UNKNOWN:
                verdict = await unknown.violation(setting.subject, trial.role, folder, stage)
                problem = verdict.violations[0].message if verdict else ""
                after_s = testimony.ran_s or time.monotonic() - started
                return testimony, Answer(problem, testimony.exit, after_s)
            case Kind.EXCHANGE:
                return testimony, await _converse(trial, setting, stage, folder, witness)
            case Kind.EARLY:
                return testimony, await _begin_early(trial, setting, stage, folder)
    except (SandboxError, MiddleboxError, DamagedCapture, OSError) as error:
        if testimony.unlaunchable:
            return testimony, Answer(testimony.unlaunchable, None, 0.0)
        raise Unseen(f"the machine or the runner failed: {error}") from error


async def _converse(
    trial: Trial, setting: Setting, stage: Stage, bundle: Path, witness: Witness
) -> Conversation:
    assert trial.test is not None
    client, server = setting.subject, setting.peer
    if trial.role is Side.SERVER:
        client, server = server, client
    record = await attempt(Job(client, server, trial.test, _SEED), bundle, stage)
    trace = await decode(bundle) if trial.decoded else None
    return Conversation(
        record=record,
        verdict=judge(record, trace or _NO_TRACE, trial.test, compat=True),
        logs=await asyncio.to_thread(logs_of, bundle / trial.role, LOG_NAME),
        trace=trace,
        stopping_s=witness.testimonies[trial.role].stopping_s,
        altered=witness.altered,
    )


async def _begin_early(trial: Trial, setting: Setting, stage: Stage, bundle: Path) -> EarlyStart:
    assert trial.test is not None
    with ExitStack() as stack:
        scratch = Path(tempfile.mkdtemp(dir=stage.scratch))
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        job = Job(setting.subject, setting.peer, trial.test, _SEED)
        ended, datagrams = await early_start(job, bundle, scratch, stage)
    trace = await decode(bundle) if ended is None else None
    logs = await asyncio.to_thread(logs_of, bundle / "client", LOG_NAME)
    return EarlyStart(ended, datagrams, logs, trace)
