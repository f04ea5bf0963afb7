"""One attempt at a job: two endpoints and the middlebox between them, from start to bundle.

The order of events, and who may end it::

    sandbox   three hosts, empty
    sim       the middlebox captures from before the first datagram ...
    server    ... and probes the server with Version Negotiation until it answers   START_S at most
    client    does what its TESTCASE says; its time counts from its own start       the test's time
              (a tester as the server ends it by its own end, and then it is stopped at once)
    server    gets SIGTERM, then, if it takes no notice, SIGKILL                    STOP_S at most
    sim       delivers what is in flight, and closes its captures                    10 s at most
    bundle    files are listed, logs copied out, secrets put into the captures
    sandbox   gone, with all that ran in it

What an endpoint does is never an exception here, only a fact in the record.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from quicmatrix.runner.bundle import capture, key_logs, untrusted_files
from quicmatrix.runner.bundle.capture import DamagedCapture
from quicmatrix.runner.bundle.layout import KEY_LOG, LEFT_CAPTURE, OUTPUT_LOG, RIGHT_CAPTURE
from quicmatrix.runner.bundle.records import write_attempt, write_file
from quicmatrix.runner.bundle.stored_captures import record_captures
from quicmatrix.runner.errors import UserError, raised_at
from quicmatrix.runner.execute.contract import LOCAL, job_environment
from quicmatrix.runner.execute.files import fill_folders
from quicmatrix.runner.execute.idle import STAT, cpu_time
from quicmatrix.runner.execute.sim import capturing
from quicmatrix.runner.model.attempt import (
    AttemptRecord,
    ControlRecord,
    Ending,
    LinkRecord,
    SideRecord,
)
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.network import control
from quicmatrix.runner.network.control import MiddleboxError
from quicmatrix.runner.network.recording import recorder
from quicmatrix.runner.plan.implementations import require_program
from quicmatrix.runner.plan.tester import TESTER
from quicmatrix.runner.sandbox.model import (
    Backend,
    Exit,
    Form,
    Host,
    Launch,
    Limits,
    Process,
    Sandbox,
    SandboxError,
)
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import TestCase

START_S = 30.0
"""How long a server may take from its start until it answers the probe: a JVM needs seconds."""
STOP_S = 5.0
"""How long an endpoint may take from SIGTERM to its end."""
_SERVER_GONE_GRACE_S = 2.0
"""How long a client may go on when its server has ended: it is told why soon enough."""
_PROBE_GRACE_S = 10.0
"""How much longer the middlebox may take to say that the server was silent all the time."""
_OVERHEAD_S = 90.0
"""What everything but the client may take at most; beyond it, the runner itself hangs."""


@dataclass(frozen=True, slots=True)
class Names:
    """What the names in a job stand for."""

    implementations: Mapping[str, Implementation]
    tests: Mapping[str, TestCase]

    def implementation(self, job: Job, role: Side) -> Implementation:
        """Who plays a role in a job."""
        if role is job.tester:
            return TESTER
        return self.implementations[job.participant(role).name]


@dataclass(frozen=True, slots=True)
class Stage:
    """Where attempts happen."""

    backend: Backend
    run_id: str
    scratch: Path
    """A folder of the run's own, for what vanishes with the attempt."""
    cwd: Path
    """Where local commands start."""
    limits: Limits
    clock: Callable[[], float] = time.time
    """Seconds since the epoch."""
    core: int | None = None
    """The core that everything in the attempt runs on; None: wherever there is room."""
    passed_on: Mapping[str, str] = field(default_factory=dict)
    """Variables that all endpoints have beside those of the contract."""
    save_files: bool = False
    """Whether to keep what was served and downloaded where the client did not get it all."""
    start_s: float = START_S
    stop_s: float = STOP_S


async def attempt(
    job: Job,
    names: Names,
    bundle: Path,
    stage: Stage,
    repeat_command: str = "",
    *,
    control: ControlRecord | None = None,
) -> AttemptRecord:
    """Run a job once and store all there is to know of it.

    Args:
        job: What to run.
        names: What the names in it stand for.
        bundle: The folder to store it in; it must not exist yet.
        stage: Where to run it.
        repeat_command: What runs it again.
        control: What came of its control.

    Returns:
        The record, which also stands in the bundle's attempt.json. Its ``fault`` says so if the
        runner or the machine failed.
    """
    for part in ("client", "server", "sim"):
        (bundle / part).mkdir(parents=True)
    test = names.tests[job.test]
    started = time.monotonic()
    record = replace(new_record(job, test.scenario, stage.clock()), repeat_command=repeat_command)
    record = replace(record, timeout_s=test.timeout_s, control=control)
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(dir=stage.scratch))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        try:
            async with asyncio.timeout(test.timeout_s + _OVERHEAD_S):
                # In a task of its own: up to Python 3.12, a TaskGroup that fails while it is left
                # may leave its task marked as cancelled.
                performing = _perform(job, names, stage, record, bundle=bundle, folder=folder)
                record = await asyncio.ensure_future(performing)
        except TimeoutError:
            record = replace(record, fault="the attempt hung in the runner and was given up")
        except Exception as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise asyncio.CancelledError from error  # what it met on its way out
            record = replace(record, fault=describe(error))
    record = replace(record, duration_s=time.monotonic() - started)
    write_attempt(record, bundle)
    return record


def new_record(job: Job, scenario: str, started_at: float) -> AttemptRecord:
    """The record of an attempt in which nothing has happened yet."""
    return AttemptRecord(
        client_name=job.client,
        server_name=job.server,
        test=job.test,
        scenario=scenario,
        seed=job.seed,
        repetition=job.repetition,
        attempt=job.attempt,
        tester=job.tester,
        started_at=started_at,
        duration_s=0.0,
        server_ready=False,
        client=SideRecord(),
        server=SideRecord(),
        link=LinkRecord(),
    )


def describe(error: Exception) -> str:
    """A fault in one line; of one that nobody foresaw, where it was raised too."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, (SandboxError, MiddleboxError, DamagedCapture, UserError, OSError)):
        return text
    return f"{text} ({raised_at(error)})"


def launch(
    implementation: Implementation, role: Side, environment: Mapping[str, str], stage: Stage
) -> Launch:
    """What starts an implementation in a role, in the form that the backend can start.

    Raises:
        UserError: It has no image, no local command for the role, or there is no such program.
    """
    environment = {**stage.passed_on, **environment}
    if stage.backend.form is Form.IMAGE:
        if not implementation.image:
            raise UserError(f"{implementation.name} has no image as {role}")
        return Launch((), stage.cwd, environment, image=implementation.image, core=stage.core)
    require_program(implementation, role)
    program, *arguments = implementation.commands[role]
    found = shutil.which(program)
    assert found is not None
    return Launch((found, *arguments), stage.cwd, {**LOCAL, **environment}, core=stage.core)


async def _perform(
    job: Job, names: Names, stage: Stage, record: AttemptRecord, *, bundle: Path, folder: Path
) -> AttemptRecord:
    test = names.tests[job.test]
    folders, www = fill_folders(folder, test, job.seed, record.started_at)
    record = replace(record, www=www)
    async with stage.backend.sandbox(stage.run_id, folders, stage.limits) as sandbox:
        record = await _converse(job, names, stage, record, sandbox, bundle=bundle, folder=folder)
        record = await asyncio.to_thread(
            _collect, record, bundle, sandbox, stage.limits, folders.www
        )
        if stage.save_files and {*record.downloads} != {*record.www}:
            await asyncio.to_thread(_save_files, bundle, sandbox, stage.limits, folders.www)
    damage = await asyncio.to_thread(_finish_captures, bundle)
    missing = "; ".join(filter(None, (record.link.incomplete, damage)))
    captures = await asyncio.to_thread(record_captures, bundle)
    return replace(record, link=replace(record.link, incomplete=missing), captures=captures)


async def _converse(
    job: Job,
    names: Names,
    stage: Stage,
    record: AttemptRecord,
    sandbox: Sandbox,
    *,
    bundle: Path,
    folder: Path,
) -> AttemptRecord:
    """Start everything in order, let the client do its work, and stop everything in order."""
    test = names.tests[job.test]
    launches = {
        role: launch(
            names.implementation(job, role),
            role,
            job_environment(
                role, test, [file.name for file in record.www], tester=role is job.tester
            ),
            stage,
        )
        for role in Side
    }
    async with capturing(
        sandbox.sim,
        scenario=test.scenario,
        seed=job.seed,
        folder=bundle / "sim",
        scratch=folder,
        cwd=stage.cwd,
        core=stage.core,
        probe_timeout_s=stage.start_s,
    ) as channel:
        server = await Started.on(sandbox.server, launches[Side.SERVER], bundle / "server")
        client: Started | None = None
        idle: float | None = None
        if ready := await _until_ready(channel, server, stage.start_s):
            client = await Started.on(sandbox.client, launches[Side.CLIENT], bundle / "client")
            before = cpu_time(STAT.read_text())
            # A tester has waited for all that it needs before it ends.
            grace_s = 0.0 if job.tester is Side.SERVER else _SERVER_GONE_GRACE_S
            await _until_done(client, server, test.timeout_s, stage.stop_s, grace_s)
            idle = cpu_time(STAT.read_text()).idle_share_since(before)
        await server.stop(Ending.STOPPED, stage.stop_s)
        summary = await channel.finish()
    return replace(
        record,
        server_ready=ready,
        client=client.record() if client else SideRecord(),
        server=server.record(),
        link=_link_record(summary),
        idle_share=idle,
    )


@dataclass(slots=True)
class Started:
    """A side's process, and how it came to its end."""

    process: Process
    launch: Launch
    began: float
    ending: Ending | None = None
    exit: Exit | None = None
    ended: float = 0.0

    @classmethod
    async def on(cls, host: Host, launch: Launch, folder: Path) -> Started:
        """Start it, its log going to the side's folder of the bundle."""
        began = time.monotonic()
        return cls(await host.start(launch, folder / OUTPUT_LOG), launch, began)

    async def wait(self) -> None:
        """Wait until it ends by itself, or by flooding its log."""
        how = await self.process.wait()
        self._end(how, Ending.LOG_OVERFLOW if how.log_overflow else Ending.EXITED)

    async def stop(self, ending: Ending, within_s: float) -> None:
        """End it if it still runs, by force if it takes longer, and remember why."""
        if self.exit is None:
            try:
                async with asyncio.timeout(within_s):
                    how = await self.process.stop()
            except TimeoutError:
                how = await self.process.kill()
            killed = how.signal == signal.SIGKILL and ending is Ending.STOPPED
            self._end(how, Ending.KILLED if killed else ending)

    def record(self) -> SideRecord:
        """Its part of attempt.json."""
        assert self.exit is not None
        assert self.ending is not None
        left_out = self.exit.log_left_out
        return SideRecord(
            command=self.launch.command,
            ending=self.ending,
            exit_code=self.exit.code,
            signal=self.exit.signal,
            out_of_memory=self.exit.out_of_memory,
            exceeded=self.exit.exceeded,
            notes=(f"{OUTPUT_LOG}: {left_out} bytes in its middle",) if left_out else (),
            duration_s=self.ended - self.began,
            image=self.launch.image,
        )

    def _end(self, how: Exit, ending: Ending) -> None:
        if self.exit is None:
            self.exit, self.ending, self.ended = how, ending, time.monotonic()


async def _until_ready(channel: control.Channel, server: Started, start_s: float) -> bool:
    """Whether the server answered the probe before it ended or the probe's time was over."""
    try:
        async with asyncio.TaskGroup() as group:
            ended = group.create_task(server.wait())
            ready = group.create_task(channel.server_ready(start_s + _PROBE_GRACE_S))
            await asyncio.wait((ended, ready), return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
            ready.cancel()
    except ExceptionGroup as several:
        raise several.exceptions[0] from several
    return not ready.cancelled() and ready.result()


async def _until_done(
    client: Started, server: Started, timeout_s: float, stop_s: float, grace_s: float
) -> None:
    """Wait for the client; no longer than its time, and not long beyond the server's end."""
    async with asyncio.TaskGroup() as group:
        done = group.create_task(client.wait())
        gone = group.create_task(server.wait())
        await asyncio.wait((done, gone), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if gone.done():
            await asyncio.wait((done,), timeout=grace_s)
        done.cancel()
        gone.cancel()
    why = Ending.STOPPED if server.exit is not None else Ending.OUT_OF_TIME
    await client.stop(why, stop_s)


def _collect(
    record: AttemptRecord, bundle: Path, sandbox: Sandbox, limits: Limits, www: Path
) -> AttemptRecord:
    """List what the client downloaded and copy the logs, while the hosts are still there."""
    downloads, complete = untrusted_files.manifest(
        sandbox.client.folder("/downloads"),
        max_entries=limits.downloads_entries,
        max_bytes=limits.downloads_bytes,
        www=www,
    )
    notes = {
        name: untrusted_files.copy_out(
            host.folder("/logs"), bundle / name, max_bytes=limits.logs_bytes, max_files=4096
        )
        for name, host in (("client", sandbox.client), ("server", sandbox.server))
    }
    for name in notes:
        if (bundle / name / KEY_LOG).is_dir():
            notes[name] += (f"{KEY_LOG}: not a file",)
    return replace(
        record,
        downloads=downloads,
        downloads_complete=complete,
        client=replace(record.client, notes=record.client.notes + notes["client"]),
        server=replace(record.server, notes=record.server.notes + notes["server"]),
    )


def _save_files(bundle: Path, sandbox: Sandbox, limits: Limits, www: Path) -> None:
    """Keep what was served and downloaded, in folders named as quic-interop-runner names them."""
    shutil.copytree(www, bundle / "server_www")
    untrusted_files.copy_out(
        sandbox.client.folder("/downloads"),
        bundle / "client_downloads",
        max_bytes=limits.downloads_bytes,
        max_files=limits.downloads_entries,
    )


def _link_record(summary: control.Summary) -> LinkRecord:
    lost = summary.kernel_drops
    missing = (summary.truncated, f"the kernel lost {lost} frames" if lost else "")
    return LinkRecord(
        forwarded_to_client=summary.forwarded.to_client,
        forwarded_to_server=summary.forwarded.to_server,
        dropped=summary.dropped,
        lateness_ms=summary.lateness_ms,
        incomplete="; ".join(filter(None, missing)),
        kernel_drops=lost,
        cross_traffic=summary.cross_traffic,
    )


def _finish_captures(bundle: Path) -> str:
    """Put the secrets into the captures, and all logs into one output.txt.

    Returns:
        What is wrong with a capture; empty if nothing.
    """
    damage = ""
    keys = key_logs.merge(bundle / side / KEY_LOG for side in ("client", "server"))
    for raw_name, path in (
        (recorder.LEFT_CAPTURE, LEFT_CAPTURE),
        (recorder.RIGHT_CAPTURE, RIGHT_CAPTURE),
    ):
        raw = bundle / "sim" / raw_name
        damage = capture.finish(raw, bundle / path, keys) or damage
        raw.unlink()
    logs = ((side, bundle / side / OUTPUT_LOG) for side in ("sim", "server", "client"))
    lines = (
        side.encode() + b" | " + line + b"\n"
        for side, log in logs
        if log.exists()
        for line in log.read_bytes().splitlines()
    )
    write_file(bundle / "output.txt", b"".join(lines))
    return damage
