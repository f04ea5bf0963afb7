"""``quicmatrix explain``: one attempt in full, from what is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quicmatrix.runner.cli import ExitCode
from quicmatrix.runner.errors import UserError

if TYPE_CHECKING:  # what follows is only imported once there is something to explain
    from quicmatrix.runner.console.explanation import Dissections
    from quicmatrix.runner.model.run import JobResult, RunResult
    from quicmatrix.runner.results.matrix import Cell


@click.command()
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.argument("client", metavar="CLIENT")
@click.argument("server", metavar="SERVER")
@click.argument("test", metavar="TEST")
@click.option("--repetition", metavar="N", type=click.IntRange(min=1), help="Which repetition.")
@click.option("--attempt", metavar="N", type=click.IntRange(min=1), help="Which attempt at it.")
@click.option("--dissect", is_flag=True, help="Dissect the packets of each violation in full.")
def command(
    run: Path,
    client: str,
    server: str,
    test: str,
    *,
    repetition: int | None,
    attempt: int | None,
    dissect: bool,
) -> int:
    """Explain a verdict: every requirement, and the packets around each violation.

    RUN is the folder of a run, such as runs/latest; CLIENT, SERVER and TEST are names; a test's
    letter will do if no other test has it. Of several attempts, the first that needs attention is
    explained unless another is named.

    \b
        quicmatrix explain runs/latest reference ngtcp2 retry --dissect
    """  # noqa: D301 - click's mark for text that keeps its lines
    from quicmatrix.runner.results.run_files import load  # noqa: PLC0415 - imports msgspec

    result = load(run)
    cell = _cell(result, client, server, test)
    job = _attempt(cell, repetition, attempt)
    return _explain(run if run.is_dir() else run.parent, cell, job, dissect=dissect)


def _cell(result: RunResult, client: str, server: str, test: str) -> Cell:
    """The cell of the run's matrix that was named.

    Raises:
        UserError: There is none.
    """
    from quicmatrix.runner.plan.select import unknown  # noqa: PLC0415 - as above
    from quicmatrix.runner.results.matrix import matrix  # noqa: PLC0415 - there is a result now

    for role, word, names in (
        ("client", client, result.clients),
        ("server", server, result.servers),
    ):
        if word not in names:
            raise unknown(f"{role} of this run", word, names)
    named = [known.name for known in result.tests if test in (known.name, known.letter)]
    if test in named:  # a name may be another test's letter
        named = [test]
    if not named:
        words = [word for known in result.tests for word in (known.letter, known.name)]
        raise unknown("test of this run", test, words)
    if len(named) > 1:
        raise UserError(
            f"{len(named)} tests have the letter {test}", f"name one: {', '.join(named)}"
        )
    for cell in matrix(result.jobs, result.tests, result.announced).get((client, server), ()):
        if cell.test == named[0]:
            return cell
    raise UserError(
        f"client {client}, server {server}: {test} was not run", "the run stopped before"
    )


def _attempt(cell: Cell, repetition: int | None, attempt: int | None) -> JobResult:
    """The attempt that was asked for, or else the first that needs attention.

    Raises:
        UserError: There is no such attempt.
    """
    from quicmatrix.runner.results.matrix import needs_attention  # noqa: PLC0415 - there is a result now

    found = [
        job
        for job in cell.attempts
        if repetition in (None, job.repetition) and attempt in (None, job.attempt)
    ]
    if not found:
        raise UserError(
            f"{cell.test}: there is no such attempt",
            f"there are: {_listing(cell.attempts)}",
        )
    return next((job for job in found if needs_attention(job.verdict.outcome)), found[0])


def _listing(jobs: Iterable[JobResult]) -> str:
    return ", ".join(f"repetition {job.repetition} attempt {job.attempt}" for job in jobs)


def _explain(run: Path, cell: Cell, job: JobResult, *, dissect: bool) -> int:
    from rich.console import Console  # noqa: PLC0415 - there is something to show now
    from rich.text import Text  # noqa: PLC0415 - as above

    from quicmatrix.runner.bundle.layout import OUTPUT_LOG  # noqa: PLC0415 - as above
    from quicmatrix.runner.bundle.records import read_attempt  # noqa: PLC0415 - as above
    from quicmatrix.runner.bundle.tester_log import read_steps  # noqa: PLC0415 - as above
    from quicmatrix.runner.console.closing import failure  # noqa: PLC0415 - as above
    from quicmatrix.runner.console.explanation import (  # noqa: PLC0415 - as above
        explanation,
        log_end,
        steps_of_tester,
    )
    from quicmatrix.runner.judge.bundle import decode  # noqa: PLC0415 - as above
    from quicmatrix.runner.printable import printable  # noqa: PLC0415 - as above
    from quicmatrix.runner.results.run_folder import bundle_in  # noqa: PLC0415 - as above
    from quicmatrix.runner.trace.model import Side  # noqa: PLC0415 - as above

    console = Console(highlight=False)

    def show(lines: Iterable[Text]) -> None:
        for line in lines:
            console.print(line, soft_wrap=True)

    if not job.folder:
        show(failure(job, "", cell, debug=True))
        show([Text("  no bundle was stored, so nothing else is known", "dim")])
        return ExitCode.OK
    bundle = bundle_in(run, job.folder)
    record = read_attempt(bundle)
    trace = decode(bundle, record)
    dissections = asyncio.run(_dissections(bundle, job)) if dissect else {}
    show(explanation(job, cell, record, trace, dissections))
    if record.tester is not None and (steps := read_steps(bundle, record.tester)):
        show([Text(), *steps_of_tester(steps, record.tester, trace)])
    for side in Side:
        path = bundle / side / OUTPUT_LOG
        show([Text(), Text.assemble((f"{side}'s log  ", "bold"), (printable(str(path)), "dim"))])
        show(log_end(path))
    show([Text(), Text.assemble(("bundle  ", "bold"), printable(str(bundle)))])
    if record.control is not None:
        control = bundle_in(run, record.control.folder)
        show([Text.assemble(("control ", "bold"), printable(str(control)))])
    show([Text.assemble(("again   ", "bold"), printable(job.command))])
    return ExitCode.OK


async def _dissections(bundle: Path, job: JobResult) -> Dissections:
    from quicmatrix.runner.bundle.layout import LEFT_CAPTURE, RIGHT_CAPTURE  # noqa: PLC0415 - only when asked
    from quicmatrix.runner.console.explanation import frames_shown  # noqa: PLC0415 - as above
    from quicmatrix.runner.trace.dissect import dissect  # noqa: PLC0415 - as above
    from quicmatrix.runner.trace.model import Side  # noqa: PLC0415 - as above

    found = {}
    for side, frames in frames_shown(job).items():
        path = bundle / (LEFT_CAPTURE if side is Side.CLIENT else RIGHT_CAPTURE)
        for frame, text in (await dissect(path, frames)).items():
            found[side, frame] = text
    return found
