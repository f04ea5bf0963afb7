"""``quicmatrix run``: select, execute, report."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import secrets
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quicmatrix.runner.cli import ExitCode, exit_code
from quicmatrix.runner.cli.interruption import until_interrupted
from quicmatrix.runner.cli.options import (
    LOG_LIMIT_MIB,
    backend_option,
    debug_option,
    implementations_option,
    jobs_option,
    json_option,
    log_dir_option,
    log_limit_option,
)
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.execute.signals import Interrupted
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results.run_folder import make_folder, new_run_id, point_latest
from quicmatrix.runner.sandbox.backends import DOCKER, NETNS, backend, engine_version

if TYPE_CHECKING:  # what follows is only imported once there is something to run
    from rich.console import Console

    from quicmatrix.runner.execute.scheduler import Observer
    from quicmatrix.runner.model.job import Job
    from quicmatrix.runner.model.run import RunInfo
    from quicmatrix.runner.plan.select import Selection
    from quicmatrix.runner.sandbox.model import Backend


@dataclass(frozen=True, slots=True)
class Arguments:
    """The options of ``run``, each under its long name."""

    clients: str | None
    servers: str | None
    tests: str | None
    must_include: str | None
    replace: tuple[str, ...]
    implementations: Path | None
    jobs: int
    backend: str
    seed: int | None
    repeat: int | None
    retries: int
    protocol: str
    overrides: tuple[str, ...]
    save_files: str | None
    compat: bool
    strict: bool
    log_limit: int
    log_dir: Path | None
    json: Path | None
    markdown: bool
    debug: bool


@dataclass(frozen=True, slots=True)
class Request:
    """All that is settled before anything is started."""

    arguments: Arguments
    command_line: str
    backend: Backend
    selection: Selection
    jobs: tuple[Job, ...]
    seed: int
    tools: Mapping[str, str]
    remarks: Sequence[str]
    """What is not as endpoints may expect it."""


@click.command()
@click.option(
    "-c",
    "--clients",
    "--client",
    metavar="A,B",
    help="Clients: names, or name=command|image.  [all]",
)
@click.option(
    "-s",
    "--servers",
    "--server",
    metavar="A,B",
    help="Servers: names, or name=command|image.  [all]",
)
@click.option(
    "-t",
    "--tests",
    "--test",
    metavar="T,T",
    help="Tests: names or letters, onlyTests, onlyMeasurements.  [all]",
)
@click.option(
    "-i", "--must-include", metavar="NAME", help="Only pairs with this implementation in them."
)
@click.option(
    "-r",
    "--replace",
    metavar="NAME=IMAGE",
    multiple=True,
    help="Use other images for implementations, a=x,b=y; may be given often.",
)
@implementations_option
@jobs_option({NETNS: 2, DOCKER: 2}, "How many tests run side by side.  [two for each core]")
@backend_option(NETNS, "What the sides are: local commands, or images.  [netns]")
@click.option(
    "--seed",
    type=click.IntRange(min=0, max=2**63 - 1),
    help="Repeats the network's every drop and corruption.  [random]",
)
@click.option(
    "--repeat",
    metavar="N",
    type=click.IntRange(min=1),
    help="Do each job so often.  [1; measurements: 5]",
)
@click.option(
    "--retries",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    help="Attempt a job that does not pass so often again.  [0; bad luck on a lossy link: 1]",
)
@click.option("-p", "--protocol", type=click.Choice(["quic"]), default="quic", help="quic.  [quic]")
@click.option(
    "--set",
    "overrides",
    metavar="TEST.KEY=VALUE",
    multiple=True,
    help="Override a test's timeout (120s) or scenario; may be given often.",
)
@click.option(
    "-f",
    "--save-files",
    is_flag=False,
    flag_value="yes",
    metavar="",
    help="Keep the files of attempts that did not get them all, served and downloaded.",
)
@click.option("--compat", is_flag=True, help="Judge by quic-interop-runner's requirements alone.")
@click.option("--strict", is_flag=True, help="Let SHOULD requirements decide too.")
@log_limit_option
@log_dir_option("A new folder for everything that is stored.  [runs/TIME]")
@json_option("Write the result, as quic-interop-runner does, to this file too.")
@click.option("-m", "--markdown", is_flag=True, help="Print the result as Markdown at the end.")
@debug_option
@click.pass_context
def command(context: click.Context, /, **options: object) -> int:
    """Run clients against servers and judge each pair by its packets.

    Without options, everything that can run here meets everything else in every test. A program
    of your own takes part as name=command, an image, with --backend docker, as name=image:

    \b
        quicmatrix run -c mine=./my-client -s all
        quicmatrix run -c reference -s reference -t handshake,S,L1 --repeat 5
        quicmatrix run --backend docker -c reference -s mine=me/my-server:latest

    The exit code is 0 if nothing unexpected was seen, and 1 if something needs attention.
    """  # noqa: D301 - click's mark for text that keeps its lines
    words: tuple[str, ...] = context.obj or ()
    return _run(Arguments(**options), shlex.join(["quicmatrix", *words]))  # type: ignore[arg-type]


def _measuring_cores() -> tuple[int, ...]:
    """The cores that measurements can have to themselves."""
    return tuple(sorted(os.sched_getaffinity(0)))


def _run(arguments: Arguments, command_line: str) -> int:
    from quicmatrix.runner.plan import select  # noqa: PLC0415 - loads the suite
    from quicmatrix.runner.results.report_files import check_writable  # noqa: PLC0415 - imports the result's types
    from quicmatrix.runner.sandbox.netns.privileges import enter_user_namespace  # noqa: PLC0415 - as above
    from quicmatrix.runner.trace import tshark  # noqa: PLC0415 - as above

    place = backend(arguments.backend)
    if arguments.json is not None:
        check_writable(arguments.json)
    if arguments.log_dir is not None and os.path.lexists(arguments.log_dir):
        raise UserError(f"--log-dir {arguments.log_dir}: exists already", "name a new folder")
    remarks: Sequence[str] = ()
    tools: dict[str, str] = {}
    if arguments.backend == DOCKER:  # choosing may take a while, as images are fetched
        remarks = place.check()
        tools["docker"] = engine_version()
    selection = _select(arguments, place)
    seed = secrets.randbelow(2**31) if arguments.seed is None else arguments.seed
    jobs = select.jobs(selection, seed, arguments.repeat)
    if not jobs:
        for reason in selection.left_out:
            click.echo(printable(f"left out: {reason}"), err=True)
        click.echo("nothing was selected, so nothing was run", err=True)
        return ExitCode.NOTHING_SELECTED
    if arguments.backend == NETNS:
        enter_user_namespace(sys.orig_argv, os.environ)
        remarks = place.check()
    tools["tshark"] = tshark.check()
    return _perform(Request(arguments, command_line, place, selection, jobs, seed, tools, remarks))


def _select(arguments: Arguments, place: Backend) -> Selection:
    from quicmatrix.runner.plan import implementations, select  # noqa: PLC0415 - loads the suite
    from quicmatrix.runner.sandbox.model import Form  # noqa: PLC0415 - as above

    if arguments.replace and place.form is Form.COMMAND:
        raise UserError(
            "--replace names an image, but local commands are what runs",
            "--backend docker runs images; -c name=./program names a command",
        )
    known = implementations.load(arguments.implementations)
    return select.select(
        implementations.replaced(implementations.beside_ours(known), arguments.replace),
        clients=_unless_all(arguments.clients),
        servers=_unless_all(arguments.servers),
        tests=_unless_all(arguments.tests),
        must_include=arguments.must_include,
        cwd=Path.cwd(),
        form=place.form,
        require=place.require,
        by_default=[one.name for one in known],
        overrides=arguments.overrides,
    )


def _unless_all(words: str | None) -> str | None:
    return None if words == "all" else words


def _perform(request: Request) -> int:
    from rich.console import Console  # noqa: PLC0415 - there is something to show now

    from quicmatrix.runner.console.closing import (  # noqa: PLC0415 - as above
        explain_failures,
        summarize,
    )
    from quicmatrix.runner.results.report_files import (  # noqa: PLC0415 - as above
        export,
        write_reports,
    )
    from quicmatrix.runner.results.run_files import load  # noqa: PLC0415 - as above
    from quicmatrix.runner.results.run_view import run_view  # noqa: PLC0415 - as above

    arguments = request.arguments
    now = datetime.now(UTC)
    folder = make_folder(arguments.log_dir, now)
    # Markdown is for redirecting, so it gets the standard output for itself.
    console = Console(stderr=arguments.markdown, highlight=False)
    signalled = 0
    with _observer(console, debug=arguments.debug) as observer:
        try:
            asyncio.run(_execute(request, now, folder, observer, console))
        except Interrupted as interrupted:
            signalled = interrupted.number
        if arguments.log_dir is None and not point_latest(folder):
            observer.note(f"{folder.parent / 'latest'} is no link, so it was left as it is")
    result = load(folder)
    view = run_view(result)
    reports = write_reports(view, folder)
    if arguments.json is not None:
        export(result, arguments.json)
    console.print()
    explain_failures(console, view, debug=arguments.debug)
    summarize(console, view, reports.get("html"), debug=arguments.debug)
    if arguments.markdown:
        click.echo(reports["markdown"].read_text(encoding="utf-8"), nl=False)
    return ExitCode.SIGNALLED + signalled if signalled else exit_code(result)


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

    arguments, selection = request.arguments, request.selection
    limits = Limits(log_bytes=arguments.log_limit * MIB)
    run_id = new_run_id(now)
    plan = Plan(_run_info(request, run_id, now.timestamp()), request.jobs)
    taking_part = (*selection.clients, *selection.servers)
    names = Names(
        {one.name: one for one in taking_part}, {test.name: test for test in selection.tests}
    )
    for remark in (*request.remarks, *(f"left out: {one}" for one in selection.left_out)):
        observer.note(remark)
    with scratch_folder(Path(tempfile.gettempdir())) as scratch:
        attach(Label(run_id, Runner.this()), scratch)
        options = RunOptions(
            folder=folder,
            stage=Stage(
                request.backend,
                run_id,
                scratch,
                Path.cwd(),
                limits,
                passed_on={"CRON": os.environ.get("CRON", "")},
                save_files=arguments.save_files is not None,
            ),
            names=names,
            parallelism=Parallelism(arguments.jobs, _measuring_cores()),
            repeat_with=_repeat_with(arguments),
        )
        async with judging_processes(Policy(arguments.compat, arguments.strict)) as judge:
            await until_interrupted(execute(plan, options, judge, observer), console, observer.note)


def _run_info(request: Request, run_id: str, started_at: float) -> RunInfo:
    from quicmatrix.runner.model.run import RunInfo, TestInfo  # noqa: PLC0415 - as above

    arguments, selection = request.arguments, request.selection
    taking_part = (*selection.clients, *selection.servers)
    known = request.backend.images
    return RunInfo(
        run_id=run_id,
        started_at=started_at,
        clients=tuple(one.name for one in selection.clients),
        servers=tuple(one.name for one in selection.servers),
        urls={one.name: one.url for one in taking_part},
        known=tuple(dict.fromkeys(entry for one in taking_part for entry in one.known)),
        tests=tuple(
            TestInfo(
                test.name,
                test.letter,
                test.summary,
                test.scenario,
                test.is_measurement,
                overridden=selection.overridden.get(test.name, ()),
            )
            for test in selection.tests
        ),
        seed=request.seed,
        retries=arguments.retries,
        command_line=request.command_line,
        compat=arguments.compat,
        strict=arguments.strict,
        tools={
            "quicmatrix": version("quicmatrix"),
            "python": platform.python_version(),
            "kernel": platform.release(),
            **request.tools,
        },
        images={
            one.name: known[one.image] for one in taking_part if one.image and one.image in known
        },
    )


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


def _repeat_with(arguments: Arguments) -> tuple[str, ...]:
    """What else a command needs to run one of the jobs again as it was."""
    words: list[str] = []
    if arguments.backend != NETNS:
        words += ["--backend", arguments.backend]
    if arguments.implementations is not None:
        words += ["--implementations", str(arguments.implementations)]
    for replacement in arguments.replace:
        words += ["--replace", replacement]
    for override in arguments.overrides:
        words += ["--set", override]
    if arguments.log_limit != LOG_LIMIT_MIB:
        words += ["--log-limit", str(arguments.log_limit)]
    words += ["--compat"] if arguments.compat else []
    words += ["--strict"] if arguments.strict else []
    return tuple(words)
