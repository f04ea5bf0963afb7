"""``quicmatrix run``: select, execute, report."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quicmatrix.runner.cli import ExitCode
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.execute.signals import Interrupted, until_signalled
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results.run_folder import make_folder, point_latest
from quicmatrix.runner.sandbox.backends import BACKENDS, DOCKER, NETNS, backend, engine_version

if TYPE_CHECKING:  # what follows is only imported once there is something to run
    from rich.console import Console

    from quicmatrix.runner.execute.run import Observer
    from quicmatrix.runner.model.implementation import Image
    from quicmatrix.runner.model.job import Job
    from quicmatrix.runner.plan.select import Selection
    from quicmatrix.runner.results.store import RunResult
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
    compat: bool
    strict: bool
    log_dir: Path | None
    json: Path | None
    markdown: bool
    debug: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is settled before anything is started."""

    arguments: Arguments
    command_line: str
    place: Backend
    selection: Selection
    jobs: tuple[Job, ...]
    seed: int
    tools: Mapping[str, str]
    remarks: Sequence[str]
    """What is not as endpoints may expect it."""


@click.command()
@click.option(
    "-c", "--clients", metavar="A,B", help="Clients: names, or name=command|image.  [all]"
)
@click.option(
    "-s", "--servers", metavar="A,B", help="Servers: names, or name=command|image.  [all]"
)
@click.option(
    "-t",
    "--tests",
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
    help="Use another image for an implementation; may be given often.",
)
@click.option(
    "--implementations",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="An implementations file other than ours.",
)
@click.option(
    "-n",
    "--jobs",
    metavar="N|auto",
    default="auto",
    callback=lambda _context, _option, word: _parallel(word),
    help="How many tests run side by side.  [two for each core]",
)
@click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    default=NETNS,
    help="What the sides are: local commands, or images.  [netns]",
)
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
    help="Attempt a job that does not pass so often again.  [0]",
)
@click.option("--compat", is_flag=True, help="Judge by quic-interop-runner's requirements alone.")
@click.option("--strict", is_flag=True, help="Let SHOULD requirements decide too.")
@click.option(
    "-l",
    "--log-dir",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="A new folder for everything that is stored.  [runs/TIME]",
)
@click.option(
    "-j",
    "--json",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the result, as quic-interop-runner does, to this file too.",
)
@click.option("-m", "--markdown", is_flag=True, help="Print the result as Markdown at the end.")
@click.option("-d", "--debug", is_flag=True, help="Tell every detail.")
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


def _parallel(word: str) -> int:
    """How many jobs run side by side."""
    if word == "auto":
        return 2 * _cores()
    if not (word.isascii() and word.isdigit() and int(word) >= 1):
        raise click.BadParameter(f"{word!r} is neither a number from 1 nor 'auto'")
    return int(word)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


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
    return _perform(Plan(arguments, command_line, place, selection, jobs, seed, tools, remarks))


def _select(arguments: Arguments, place: Backend) -> Selection:
    from quicmatrix.runner.plan import implementations, select  # noqa: PLC0415 - loads the suite

    known = implementations.load(arguments.implementations)
    return select.select(
        implementations.replaced(known, arguments.replace),
        clients=_unless_all(arguments.clients),
        servers=_unless_all(arguments.servers),
        tests=_unless_all(arguments.tests),
        must_include=arguments.must_include,
        cwd=Path.cwd(),
        form=place.form,
        require=place.require,
    )


def _unless_all(words: str | None) -> str | None:
    return None if words == "all" else words


def _perform(plan: Plan) -> int:
    from rich.console import Console  # noqa: PLC0415 - there is something to show now

    from quicmatrix.runner.console.closing import explain_failures, summarize  # noqa: PLC0415 - as above
    from quicmatrix.runner.results import store  # noqa: PLC0415 - as above
    from quicmatrix.runner.results.report_files import export, write_reports  # noqa: PLC0415 - as above

    arguments = plan.arguments
    now = datetime.now(UTC)
    folder = make_folder(arguments.log_dir, now)
    # Markdown is for redirecting, so it gets the standard output for itself.
    console = Console(stderr=arguments.markdown, highlight=False)
    signalled = 0
    with _observer(console, debug=arguments.debug) as observer:
        try:
            asyncio.run(
                _execute(
                    plan, f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}", folder, observer, console
                )
            )
        except Interrupted as interrupted:
            signalled = interrupted.number
        if arguments.log_dir is None and not point_latest(folder):
            observer.note(f"{folder.parent / 'latest'} is no link, so it was left as it is")
    result = store.load(folder)
    reports = write_reports(result, folder)
    if arguments.json is not None:
        export(result, arguments.json)
    console.print()
    explain_failures(console, result, debug=arguments.debug)
    summarize(console, result, reports.get("html"), debug=arguments.debug)
    if arguments.markdown:
        click.echo(reports["markdown"].read_text(encoding="utf-8"), nl=False)
    return ExitCode.SIGNALLED + signalled if signalled else _judgement(result)


async def _execute(
    plan: Plan, run_id: str, folder: Path, observer: Observer, console: Console
) -> None:
    from quicmatrix.runner.execute.run import RunOptions, execute  # noqa: PLC0415 - there is something to run
    from quicmatrix.runner.sandbox.label import Label, Runner, attach, scratch_folder  # noqa: PLC0415 - as above

    arguments = plan.arguments
    with scratch_folder(Path(tempfile.gettempdir())) as scratch:
        attach(Label(run_id, Runner.this()), scratch)
        options = RunOptions(
            folder=folder,
            scratch=scratch,
            run_id=run_id,
            seed=plan.seed,
            parallel=arguments.jobs,
            cores=_measuring_cores(),
            retries=arguments.retries,
            compat=arguments.compat,
            strict=arguments.strict,
            command_line=plan.command_line,
            repeat_with=_repeat_with(arguments),
            tools=plan.tools,
            images=_images(plan),
        )
        for remark in plan.remarks:
            observer.note(remark)
        await until_signalled(
            execute(plan.selection, plan.jobs, options, plan.place, observer),
            stopping=lambda: observer.note("stopping; once more ends it at once"),
            dying=lambda: _give_back(console),
        )


def _images(plan: Plan) -> dict[str, Image]:
    """By implementation, the image that is started."""
    taking_part = (*plan.selection.clients, *plan.selection.servers)
    known = plan.place.images
    return {one.name: known[one.image] for one in taking_part if one.image and one.image in known}


def _judgement(result: RunResult) -> ExitCode:
    from quicmatrix.runner.results.matrix import needs_attention  # noqa: PLC0415 - there is a result now
    from quicmatrix.runner.results.store import settled  # noqa: PLC0415 - as above

    failed = any(needs_attention(job.verdict.outcome) for job in settled(result.jobs))
    return ExitCode.FAILED if failed else ExitCode.OK


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


def _give_back(console: Console) -> None:
    """Leave the terminal as it was: a process that is killed cannot do it later."""
    console.show_cursor(True)
    click.echo("\nended at once; 'quicmatrix clean' removes what is left of it", err=True)


def _repeat_with(arguments: Arguments) -> tuple[str, ...]:
    """What else a command needs to run one of the jobs again as it was."""
    words: list[str] = []
    if arguments.backend != NETNS:
        words += ["--backend", arguments.backend]
    if arguments.implementations is not None:
        words += ["--implementations", str(arguments.implementations)]
    for replacement in arguments.replace:
        words += ["--replace", replacement]
    words += ["--compat"] if arguments.compat else []
    words += ["--strict"] if arguments.strict else []
    return tuple(words)
