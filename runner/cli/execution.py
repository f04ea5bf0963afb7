"""What the subcommands that run jobs have in common: from a plan to results and reports."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quicmatrix.runner.cli.interruption import until_interrupted
from quicmatrix.runner.cli.options import LOG_LIMIT_MIB
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.execute.signals import Interrupted
from quicmatrix.runner.results.run_folder import make_folder, new_run_id, point_latest
from quicmatrix.runner.sandbox.backends import DOCKER, NETNS, backend, engine_version

if TYPE_CHECKING:  # what follows is only imported once there is something to run
    from rich.console import Console

    from quicmatrix.runner.execute.scheduler import Observer
    from quicmatrix.runner.model.implementation import Implementation
    from quicmatrix.runner.model.job import Job
    from quicmatrix.runner.model.run import RunInfo, RunResult, TestInfo
    from quicmatrix.runner.results.run_view import RunView
    from quicmatrix.runner.sandbox.model import Backend
    from quicmatrix.testcases.model import TestCase

Closing = Callable[["Console", "RunView", Mapping[str, Path]], None]
"""Prints the end of a run, given what is shown of it and where its reports are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where results go, and how much is told: the options of the same names."""

    log_dir: Path | None
    json: Path | None
    markdown: bool
    debug: bool


@dataclass(slots=True)
class Place:
    """Where a run takes place, and what was found out about that."""

    kind: str
    """The word of ``--backend``."""
    backend: Backend
    tools: dict[str, str] = field(default_factory=dict)
    """Name and version of what takes part in it."""
    remarks: Sequence[str] = ()
    """What is not as endpoints may expect it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """All that is settled before anything is started."""

    command_line: str
    output: Output
    place: Place
    parallel: int
    """How many jobs run side by side."""
    clients: tuple[Implementation, ...]
    servers: tuple[Implementation, ...]
    tests: tuple[TestCase, ...]
    infos: tuple[TestInfo, ...]
    """What reports need to know of the tests."""
    jobs: tuple[Job, ...]
    seed: int
    retries: int = 0
    compat: bool = False
    strict: bool = False
    left_out: Sequence[str] = ()
    """What cannot run here, with the reason."""
    log_limit: int = LOG_LIMIT_MIB
    """MiB that an endpoint may print."""
    save_files: bool = False
    repeat_with: tuple[str, ...] = ()
    """Options that the command which repeats a single job needs too."""


def open_place(kind: str, output: Output) -> Place:
    """Check that results can be stored where they should, and that the backend is there.

    Raises:
        UserError: They cannot, or it is not.
    """
    from quicmatrix.runner.results.report_files import check_writable  # noqa: PLC0415 - imports the result's types

    place = Place(kind, backend(kind))
    if output.json is not None:
        check_writable(output.json)
    if output.log_dir is not None and os.path.lexists(output.log_dir):
        raise UserError(f"--log-dir {output.log_dir}: exists already", "name a new folder")
    if kind == DOCKER:  # choosing may take a while, as images are fetched
        place.remarks = place.backend.check()
        place.tools["docker"] = engine_version()
    return place


def enter(place: Place, words: Sequence[str]) -> None:
    """Check what only matters once there is something to run; may start this program anew.

    Args:
        place: Where it runs.
        words: The command line of this process, interpreter included.

    Raises:
        UserError: Nothing can run here.
    """
    from quicmatrix.runner.sandbox.netns.privileges import enter_user_namespace  # noqa: PLC0415 - as above
    from quicmatrix.runner.trace import tshark  # noqa: PLC0415 - as above

    if place.kind == NETNS:
        enter_user_namespace(words, os.environ)
        place.remarks = place.backend.check()
    place.tools["tshark"] = tshark.check()


def perform(request: Request, close: Closing) -> tuple[RunResult, int]:
    """Do all jobs, write and show what came of them.

    Returns:
        The result, and the number of the signal that ended the run early, or 0.
    """
    from rich.console import Console  # noqa: PLC0415 - there is something to show now

    from quicmatrix.runner.results.report_files import (  # noqa: PLC0415 - as above
        export,
        write_reports,
    )
    from quicmatrix.runner.results.run_files import load  # noqa: PLC0415 - as above
    from quicmatrix.runner.results.run_view import run_view  # noqa: PLC0415 - as above

    output = request.output
    now = datetime.now(UTC)
    folder = make_folder(output.log_dir, now)
    # Markdown is for redirecting, so it gets the standard output for itself.
    console = Console(stderr=output.markdown, highlight=False)
    signalled = 0
    with _observer(console, debug=output.debug) as observer:
        try:
            asyncio.run(_execute(request, now, folder, observer, console))
        except Interrupted as interrupted:
            signalled = interrupted.number
        if output.log_dir is None and not point_latest(folder):
            observer.note(f"{folder.parent / 'latest'} is no link, so it was left as it is")
    result = load(folder)
    view = run_view(result)
    reports = write_reports(view, folder)
    if output.json is not None:
        export(result, output.json)
    console.print()
    close(console, view, reports)
    if output.markdown:
        click.echo(reports["markdown"].read_text(encoding="utf-8"), nl=False)
    return result, signalled


async def _execute(
    request: Request, now: datetime, folder: Path, observer: Observer, console: Console
) -> None:
    from quicmatrix.runner.execute.attempt import Names, Stage  # noqa: PLC0415 - as above
    from quicmatrix.runner.execute.run import RunOptions, execute  # noqa: PLC0415 - as above
    from quicmatrix.runner.execute.scheduler import Parallelism  # noqa: PLC0415 - as above
    from quicmatrix.runner.judge.judge import Policy  # noqa: PLC0415 - as above
    from quicmatrix.runner.judge.pool import judging_processes  # noqa: PLC0415 - as above
    from quicmatrix.runner.results.run_files import Plan  # noqa: PLC0415 - as above
    from quicmatrix.runner.sandbox.label import (  # noqa: PLC0415 - as above
        Label,
        Runner,
        attach,
        scratch_folder,
    )
    from quicmatrix.runner.sandbox.model import MIB, Limits  # noqa: PLC0415 - as above

    run_id = new_run_id(now)
    plan = Plan(_run_info(request, run_id, now.timestamp()), request.jobs)
    names = Names(
        {one.name: one for one in (*request.clients, *request.servers)},
        {test.name: test for test in request.tests},
    )
    for remark in (*request.place.remarks, *(f"left out: {one}" for one in request.left_out)):
        observer.note(remark)
    with scratch_folder(Path(tempfile.gettempdir())) as scratch:
        attach(Label(run_id, Runner.this()), scratch)
        options = RunOptions(
            folder=folder,
            stage=Stage(
                request.place.backend,
                run_id,
                scratch,
                Path.cwd(),
                Limits(log_bytes=request.log_limit * MIB),
                passed_on={"CRON": os.environ.get("CRON", "")},
                save_files=request.save_files,
            ),
            names=names,
            parallelism=Parallelism(request.parallel, _measuring_cores()),
            repeat_with=request.repeat_with,
        )
        async with judging_processes(Policy(request.compat, request.strict)) as judge:
            await until_interrupted(execute(plan, options, judge, observer), console, observer.note)


def _measuring_cores() -> tuple[int, ...]:
    """The cores that measurements can have to themselves."""
    return tuple(sorted(os.sched_getaffinity(0)))


def _run_info(request: Request, run_id: str, started_at: float) -> RunInfo:
    from quicmatrix.runner.model.run import RunInfo  # noqa: PLC0415 - as above

    taking_part = (*request.clients, *request.servers)
    known = request.place.backend.images
    return RunInfo(
        run_id=run_id,
        started_at=started_at,
        clients=tuple(one.name for one in request.clients),
        servers=tuple(one.name for one in request.servers),
        urls={one.name: one.url for one in taking_part},
        tests=request.infos,
        seed=request.seed,
        retries=request.retries,
        command_line=request.command_line,
        compat=request.compat,
        strict=request.strict,
        known=tuple(dict.fromkeys(entry for one in taking_part for entry in one.known)),
        tools={
            "quicmatrix": version("quicmatrix"),
            "python": platform.python_version(),
            "kernel": platform.release(),
            **request.place.tools,
        },
        images={
            one.name: known[one.image] for one in taking_part if one.image and one.image in known
        },
    )


def common_options(backend: str, implementations: Path | None, log_limit: int) -> tuple[str, ...]:
    """The options of ``run`` and ``conform`` that a single job needs too, to run as it did."""
    words: list[str] = []
    if backend != NETNS:
        words += ["--backend", backend]
    if implementations is not None:
        words += ["--implementations", str(implementations)]
    if log_limit != LOG_LIMIT_MIB:
        words += ["--log-limit", str(log_limit)]
    return tuple(words)


@contextlib.contextmanager
def _observer(console: Console, *, debug: bool) -> Iterator[Observer]:
    """A display for terminals, lines for everything else."""
    from quicmatrix.runner.console.lines import Lines  # noqa: PLC0415 - imports rich
    from quicmatrix.runner.console.live import Display  # noqa: PLC0415 - as above

    if console.is_terminal and not console.is_dumb_terminal:
        with Display(console, clock=time.monotonic, debug=debug) as display:
            yield display
    else:
        yield Lines(console, debug=debug)
