"""Who runs jobs: a job goes in, its bundle comes out."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from quicmatrix.runner.bundle.layout import OUTPUT_LOG
from quicmatrix.runner.bundle.records import write_attempt
from quicmatrix.runner.execute import unknown
from quicmatrix.runner.execute.attempt import Names, Stage, attempt, describe, new_record
from quicmatrix.runner.model.attempt import AttemptRecord, ControlRecord, SideRecord
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.trace.model import Side


class Executor(Protocol):
    """Runs jobs, in this process or elsewhere."""

    async def prepare(self, job: Job) -> None:
        """Do what can be done before a job is alone on the machine: measurements are."""

    async def run(
        self, job: Job, core: int | None = None, control: ControlRecord | None = None
    ) -> Path:
        """Run a job once.

        Args:
            job: What to run.
            core: The only core that everything in it may use; None: any.
            control: What came of its control; if that did not pass, the job is not started.

        Returns:
            The folder of its bundle, whatever went wrong: then its record says so.
        """


@dataclass(slots=True)
class LocalExecutor:
    """Runs jobs on this machine.

    Before the first job of an implementation in a role, it is asked for a TESTCASE that does not
    exist; the jobs of one that does not exit with 127 are not started.
    """

    names: Names
    stage: Stage
    folder: Path
    """The run's, where bundles go."""
    repeat_with: Sequence[str] = ()
    """Options that the command which repeats a single job needs too."""
    _problems: dict[tuple[str, Side], str] = field(default_factory=dict)
    _folders: dict[tuple[str, Side], Path] = field(default_factory=dict)
    """Where the logs of those who were asked are."""
    _asking: dict[tuple[str, Side], asyncio.Lock] = field(default_factory=dict)

    async def prepare(self, job: Job) -> None:
        """Ask all implementations in it for a TESTCASE that does not exist."""
        await self._unknown_testcases(job)

    async def run(
        self, job: Job, core: int | None = None, control: ControlRecord | None = None
    ) -> Path:
        """See :class:`Executor`."""
        bundle = self.folder / job.folder
        command = repeat_command(job, self.names, self.repeat_with)
        if control is not None and control.problem:
            record = new_record(job, self.names.tests[job.test].scenario, self.stage.clock())
            bundle.mkdir(parents=True)
            write_attempt(replace(record, repeat_command=command, control=control), bundle)
            return bundle
        record = await self._unknown_testcases(job)
        if record.fault or record.client.unknown_testcase or record.server.unknown_testcase:
            bundle.mkdir(parents=True)
            for side in Side:
                self._link_log(job, side, bundle)
            write_attempt(replace(record, repeat_command=command), bundle)
        else:
            stage = replace(self.stage, core=core)
            await attempt(job, self.names, bundle, stage, command, control=control)
        return bundle

    async def _unknown_testcases(self, job: Job) -> AttemptRecord:
        """A record that says what each side did wrong when it was asked, or what failed then."""
        record = new_record(job, self.names.tests[job.test].scenario, self.stage.clock())
        try:
            client, server = await asyncio.gather(*(self._unknown(job, side) for side in Side))
        except Exception as error:  # noqa: BLE001 - it is this attempt's error, and no other's
            return replace(record, fault=describe(error))
        return replace(
            record,
            client=SideRecord(unknown_testcase=client),
            server=SideRecord(unknown_testcase=server),
        )

    def _link_log(self, job: Job, role: Side, bundle: Path) -> None:
        """Show what it wrote when it was asked as the side's log, in reports and ``explain``."""
        asked = self._folders.get((self.names.implementation(job, role).name, role))
        if asked is not None and (asked / OUTPUT_LOG).is_file():
            (bundle / role).mkdir()
            try:
                os.link(asked / OUTPUT_LOG, bundle / role / OUTPUT_LOG)
            except OSError:  # a file system without hard links
                shutil.copyfile(asked / OUTPUT_LOG, bundle / role / OUTPUT_LOG)

    async def _unknown(self, job: Job, role: Side) -> str:
        if role is job.tester:
            return ""
        implementation = self.names.implementation(job, role)
        key = (implementation.name, role)
        async with self._asking.setdefault(key, asyncio.Lock()):
            if key not in self._problems:
                folder = _new_folder(self.folder / "contract" / f"{implementation.name}_{role}")
                self._folders[key] = folder
                self._problems[key] = await unknown.problem(
                    implementation, role, folder, self.stage
                )
            return self._problems[key]


def repeat_command(job: Job, names: Names, options: Sequence[str] = ()) -> str:
    """The command that runs a job again, as a line for a shell: same pair, test and seed."""

    def word(role: Side) -> str:
        implementation = names.implementation(job, role)
        given = implementation.given.get(role)
        return f"{implementation.name}={given}" if given else implementation.name

    what = ["-t", job.test, "--seed", str(job.seed), *options]
    if job.tester is not None:
        role = job.tester.peer
        return shlex.join(["quicmatrix", "conform", word(role), "--role", role, *what])
    words = ["-c", word(Side.CLIENT), "-s", word(Side.SERVER), *what]
    words += ["--repeat", "1"] if names.tests[job.test].repetitions > 1 else []
    return shlex.join(["quicmatrix", "run", *words])


def _new_folder(wanted: Path) -> Path:
    """The folder itself, or one beside it where an earlier try that failed has left one."""
    folder, number = wanted, 1
    while folder.exists():
        number += 1
        folder = wanted.with_name(f"{wanted.name}.{number}")
    return folder
