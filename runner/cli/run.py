"""``quicmatrix run``: select, execute, report."""

from __future__ import annotations

import secrets
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quicmatrix.runner.cli import ExitCode, exit_code
from quicmatrix.runner.cli.execution import (
    Output,
    Request,
    common_options,
    enter,
    open_place,
    perform,
)
from quicmatrix.runner.cli.options import (
    backend_option,
    debug_option,
    implementations_option,
    jobs_option,
    json_option,
    log_dir_option,
    log_limit_option,
    markdown_option,
    repeat_option,
    seed_option,
    strict_option,
)
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.printable import printable
from quicmatrix.runner.sandbox.backends import DOCKER, NETNS

if TYPE_CHECKING:  # what follows is only imported once there is something to run
    from rich.console import Console

    from quicmatrix.runner.model.run import TestInfo
    from quicmatrix.runner.plan.select import Selection
    from quicmatrix.runner.results.run_view import RunView
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
@seed_option("Repeats the network's every drop and corruption.  [random]")
@repeat_option("Do each job so often.  [1; measurements: 5]")
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
@strict_option
@log_limit_option
@log_dir_option("A new folder for everything that is stored.  [runs/TIME]")
@json_option("Write the result, as quic-interop-runner does, to this file too.")
@markdown_option
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


def _run(arguments: Arguments, command_line: str) -> int:
    from quicmatrix.runner.plan import select  # noqa: PLC0415 - loads the suite

    output = Output(
        log_dir=arguments.log_dir,
        json=arguments.json,
        markdown=arguments.markdown,
        debug=arguments.debug,
    )
    place = open_place(arguments.backend, output)
    selection = _select(arguments, place.backend)
    seed = secrets.randbelow(2**31) if arguments.seed is None else arguments.seed
    jobs = select.jobs(selection, seed, arguments.repeat)
    if not jobs:
        for reason in selection.left_out:
            click.echo(printable(f"left out: {reason}"), err=True)
        click.echo("nothing was selected, so nothing was run", err=True)
        return ExitCode.NOTHING_SELECTED
    enter(place, sys.orig_argv)
    request = Request(
        command_line=command_line,
        output=output,
        place=place,
        parallel=arguments.jobs,
        clients=selection.clients,
        servers=selection.servers,
        tests=selection.tests,
        infos=_infos(selection),
        jobs=jobs,
        seed=seed,
        retries=arguments.retries,
        compat=arguments.compat,
        strict=arguments.strict,
        left_out=selection.left_out,
        log_limit=arguments.log_limit,
        save_files=arguments.save_files is not None,
        repeat_with=_repeat_with(arguments),
    )
    result, signalled = perform(request, partial(_close, debug=arguments.debug))
    return ExitCode.SIGNALLED + signalled if signalled else exit_code(result)


def _close(console: Console, view: RunView, reports: Mapping[str, Path], *, debug: bool) -> None:
    from quicmatrix.runner.console.closing import (  # noqa: PLC0415 - there is something to show now
        explain_failures,
        summarize,
    )

    explain_failures(console, view, debug=debug)
    summarize(console, view, reports.get("html"), debug=debug)


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


def _infos(selection: Selection) -> tuple[TestInfo, ...]:
    from quicmatrix.runner.model.run import TestInfo  # noqa: PLC0415 - as above

    return tuple(
        TestInfo(
            test.name,
            test.letter,
            test.summary,
            test.scenario,
            test.is_measurement,
            overridden=selection.overridden.get(test.name, ()),
        )
        for test in selection.tests
    )


def _repeat_with(arguments: Arguments) -> tuple[str, ...]:
    """What else a command needs to run one of the jobs again as it was."""
    words: list[str] = []
    for replacement in arguments.replace:
        words += ["--replace", replacement]
    for override in arguments.overrides:
        words += ["--set", override]
    words += ["--compat"] if arguments.compat else []
    words += ["--strict"] if arguments.strict else []
    common = common_options(arguments.backend, arguments.implementations, arguments.log_limit)
    return (*common, *words)
