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

from runner.conduct.early_start import early_start
from runner.conduct.leavings import logs_of
from runner.conduct.model import (
    Answer,
    Conversation,
    EarlyStart,
    ImageFacts,
    Observations,
    Unseen,
)
from runner.conduct.trials import Kind, Trial
from runner.conduct.witness import Testimony, Witness
from runner.execute import unknown
from runner.execute.attempt import LOG_NAME, Stage, attempt
from runner.judge import decode, judge
from runner.model import Implementation, Job
from runner.network.capture import DamagedCapture
from runner.network.control import MiddleboxError
from runner.sandbox.model import SandboxError
from runner.trace.model import Capture, Side, Trace

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
    free = asyncio.Semaphore(setting.parallel)
    found: dict[str, Seen] = {}
    missing: dict[str, str] = {}
    testimonies: list[Testimony] = []

    async def do(trial: Trial) -> None:
        async with free:
            started(trial)
            try:
                testimony, seen = await _perform(trial, setting)
            except Unseen as reason:
                missing[trial.name] = str(reason)
            else:
                testimonies.append(testimony)
                found[trial.name] = seen
            finished(trial)

    async with asyncio.TaskGroup() as group:
        for trial in trials:
            if trial.basic:
                group.create_task(do(trial))
    vain = {role: _in_vain(role, found, missing, testimonies) for role in Side}
    async with asyncio.TaskGroup() as group:
        for trial in trials:
            if not trial.basic and not vain[trial.role]:
                group.create_task(do(trial))
    for trial in trials:
        if not trial.basic and vain[trial.role]:
            missing[trial.name] = vain[trial.role]
            finished(trial)
    return Observations(
        roles=frozenset(trial.role for trial in trials),
        image=image,
        answers=MappingProxyType(
            {
                trial.role: seen
                for trial in trials
                if isinstance(seen := found.get(trial.name), Answer)
            }
        ),
        conversations=MappingProxyType(
            {name: seen for name, seen in found.items() if isinstance(seen, Conversation)}
        ),
        early=next((seen for seen in found.values() if isinstance(seen, EarlyStart)), None),
        unlaunchable=next((one.unlaunchable for one in testimonies if one.unlaunchable), ""),
        missing=MappingProxyType(missing),
    )


def _in_vain(
    role: Side, found: dict[str, Seen], missing: dict[str, str], testimonies: list[Testimony]
) -> str:
    """Why the other trials of a role would show nothing; empty if they may."""
    if any(one.unlaunchable for one in testimonies):
        return "it could not be started"
    basic = found.get(f"{role}-transfer")
    if isinstance(basic, Conversation) and role is Side.SERVER and not basic.record.server_ready:
        return "left out, since the server never got ready"
    return missing.get(f"{role}-transfer", "")


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
        ended = await early_start(job, bundle, scratch, stage)
    trace = await decode(bundle) if ended is None else None
    logs = await asyncio.to_thread(logs_of, bundle / "client", LOG_NAME)
    return EarlyStart(ended, logs, trace)
