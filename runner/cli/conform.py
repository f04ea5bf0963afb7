"""``quicmatrix conform``: one requirement of an RFC at a time, with a tester as the peer."""

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
from quicmatrix.runner.sandbox.backends import DOCKER, NETNS
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:  # what follows is only imported once there is something to run
    from rich.console import Console

    from quicmatrix.runner.cli.execution import Place
    from quicmatrix.runner.model.implementation import Implementation
    from quicmatrix.runner.model.run import TestInfo
    from quicmatrix.runner.plan.conformance import Selection
    from quicmatrix.runner.results.run_view import RunView
    from quicmatrix.testcases.conformance.model import Case


@dataclass(frozen=True, slots=True)
class Arguments:
    """The options of ``conform``, each under its long name."""

    implementation: tuple[str, ...]
    role: str
    tests: str | None
    level: str | None
    implementations: Path | None
    jobs: int
    backend: str
    seed: int | None
    repeat: int | None
    strict: bool
    log_limit: int
    log_dir: Path | None
    json: Path | None
    markdown: bool
    debug: bool


@click.command()
@click.argument("implementation", metavar="IMPLEMENTATION...", nargs=-1, required=True)
@click.option(
    "--role",
    type=click.Choice(["client", "server", "both"]),
    default="both",
    help="The role in which they are tested.  [both]",
)
@click.option(
    "-t",
    "--tests",
    "--test",
    metavar="ID,ID",
    help="Cases: ids, sections, globs: rfc9000/19, */stream-*.  [all]",
)
@click.option(
    "--level",
    type=click.Choice(["must", "should", "may"]),
    help="Only cases whose requirement is of this level.  [any]",
)
@implementations_option
@jobs_option({NETNS: 2, DOCKER: 2}, "How many cases run side by side.  [two for each core]")
@backend_option(NETNS, "What runs: local commands, or images.  [netns]")
@seed_option("Repeats a run.  [random]")
@repeat_option("Do each case so often; those that differ are flaky.  [1]")
@strict_option
@log_limit_option
@log_dir_option("A new folder for everything that is stored.  [runs/TIME]")
@json_option("Write the result to this file too.")
@markdown_option
@debug_option
@click.pass_context
def command(context: click.Context, /, **options: object) -> int:
    """Find out what implementations do that the RFCs forbid.

    A tester takes the place of each one's peer, breaks one rule at a time, and the packets show how
    the implementation answers. An IMPLEMENTATION is a name, or a program of your own as
    name=command, or, with --backend docker, an image as name=image:

    \b
        quicmatrix conform reference
        quicmatrix conform mine=./my-server --role server -t rfc9000/19,rfc9114
        quicmatrix list conformance

    The exit code is 0 if no MUST was violated, 1 if something needs attention, and 2 if no case
    could be run.
    """  # noqa: D301 - click's mark for text that keeps its lines
    words: tuple[str, ...] = context.obj or ()
    return _run(Arguments(**options), shlex.join(["quicmatrix", *words]))  # type: ignore[arg-type]


def _run(arguments: Arguments, command_line: str) -> int:
    from quicmatrix.runner.plan import conformance  # noqa: PLC0415 - loads the cases

    output = Output(
        log_dir=arguments.log_dir,
        json=arguments.json,
        markdown=arguments.markdown,
        debug=arguments.debug,
    )
    place = open_place(arguments.backend, output)
    cases = conformance.conformance_cases()
    selection = _select(arguments, place, cases)
    seed = secrets.randbelow(2**31) if arguments.seed is None else arguments.seed
    jobs = conformance.jobs(selection, cases, seed, arguments.repeat or 1)
    if not jobs:
        click.echo("no case is for these implementations and roles, so none was run", err=True)
        return ExitCode.NOTHING_SELECTED
    enter(place, sys.orig_argv)
    wanted = {job.test for job in jobs}
    taking_part = tuple(case for case in cases if case.id in wanted)
    request = Request(
        command_line=command_line,
        output=output,
        place=place,
        parallel=arguments.jobs,
        clients=_as(Side.CLIENT, selection),
        servers=_as(Side.SERVER, selection),
        tests=tuple(case.test_case for case in taking_part),
        infos=tuple(map(_info, taking_part)),
        jobs=jobs,
        seed=seed,
        strict=arguments.strict,
        left_out=selection.left_out,
        log_limit=arguments.log_limit,
        repeat_with=(
            *common_options(arguments.backend, arguments.implementations, arguments.log_limit),
            *(("--strict",) if arguments.strict else ()),
        ),
    )
    result, signalled = perform(request, partial(_close, debug=arguments.debug))
    return ExitCode.SIGNALLED + signalled if signalled else exit_code(result)


def _select(arguments: Arguments, place: Place, cases: tuple[Case, ...]) -> Selection:
    from quicmatrix.runner.plan import conformance, implementations  # noqa: PLC0415 - as above
    from quicmatrix.runner.plan.tester import TESTER  # noqa: PLC0415 - as above

    level = Level(arguments.level.upper()) if arguments.level else None
    wanted = conformance.select_cases(arguments.tests, level, cases)
    tested, left_out = conformance.select_tested(
        arguments.implementation,
        None if arguments.role == "both" else Side(arguments.role),
        implementations.beside_ours(implementations.load(arguments.implementations)),
        cwd=Path.cwd(),
        form=place.backend.form,
        require=place.backend.require,
    )
    for role in {role for _, role in tested}:
        place.backend.require(TESTER, role.peer)
    return conformance.Selection(tested, wanted, left_out)


def _as(role: Side, selection: Selection) -> tuple[Implementation, ...]:
    """Who plays a role: those that are tested in it, and the tester for those in the other."""
    from quicmatrix.runner.plan.tester import TESTER  # noqa: PLC0415 - as above

    tested = tuple(one for one, its in selection.tested if its is role)
    others = any(its is not role for _, its in selection.tested)
    return (TESTER, *tested) if others else tested


def _info(case: Case) -> TestInfo:
    from quicmatrix.runner.model.run import TestInfo  # noqa: PLC0415 - as above

    test = case.test_case
    return TestInfo(
        test.name,
        test.letter,
        test.summary,
        test.scenario,
        level=case.level,
        citation=case.citation,
        control=case.flow.control,
        rows=case.rows,
    )


def _close(console: Console, view: RunView, reports: Mapping[str, Path], *, debug: bool) -> None:
    from quicmatrix.runner.console.closing import summarize  # noqa: PLC0415 - there is something now
    from quicmatrix.runner.console.conformance import explain_conformance  # noqa: PLC0415 - as above

    explain_conformance(console, view, debug=debug)
    summarize(console, view, reports.get("html"), debug=debug)
