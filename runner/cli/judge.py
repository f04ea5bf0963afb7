"""``quicmatrix judge``: the verdicts again, from what is stored."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quicmatrix.runner.cli import ExitCode, exit_code
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.printable import printable

if TYPE_CHECKING:  # what follows is only imported once there is something to judge
    from rich.console import Console

    from quicmatrix.runner.judge.judge import Policy
    from quicmatrix.runner.model.run import JobResult, RunResult
    from quicmatrix.runner.model.verdict import ComplianceResult, Verdict


@dataclass(frozen=True, slots=True)
class Rejudged:
    """A job before and after."""

    before: JobResult
    after: JobResult
    compliance: tuple[ComplianceResult, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether it is another verdict than the run's; what violations say is part of it."""
        return (self.before.verdict, self.before.sample) != (self.after.verdict, self.after.sample)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--compat/--no-compat",
    default=None,
    help="Judge by quic-interop-runner's requirements alone.  [as the run did]",
)
@click.option(
    "--strict/--no-strict",
    default=None,
    help="Let SHOULD requirements decide too.  [as the run did]",
)
@click.option(
    "-j",
    "--json",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the new result to this file.",
)
@click.option("-d", "--debug", is_flag=True, help="Tell every detail.")
def command(
    folder: Path, compat: bool | None, strict: bool | None, json: Path | None, debug: bool
) -> int:
    """Judge again what a run stored, without running anything.

    DIR is the folder of a run, such as runs/latest, or of a single bundle in it. What is stored
    there is not changed.
    """
    from quicmatrix.runner.bundle.layout import ATTEMPT_FILE  # noqa: PLC0415 - when it is called
    from quicmatrix.runner.judge.judge import Policy  # noqa: PLC0415 - as above
    from quicmatrix.runner.results.report_files import check_writable  # noqa: PLC0415 - as above
    from quicmatrix.runner.results.run_files import load  # noqa: PLC0415 - as above

    if json is not None:
        check_writable(json)
    if (folder / ATTEMPT_FILE).is_file():
        if json is not None:
            raise UserError("--json needs the folder of a run", f"{folder} is a single bundle")
        return _judge_bundle(folder, Policy(bool(compat), bool(strict)), debug=debug)
    result = load(folder)
    if not result.jobs:
        click.echo(f"nothing to judge: no attempt is stored in {printable(str(folder))}", err=True)
        return ExitCode.NOTHING_SELECTED
    wanted = replace(
        result,
        compat=result.compat if compat is None else compat,
        strict=result.strict if strict is None else strict,
    )
    return _judge_run(folder, wanted, json, debug=debug)


def _judge_run(folder: Path, result: RunResult, json: Path | None, *, debug: bool) -> int:
    from rich.console import Console  # noqa: PLC0415 - there is something to show now

    from quicmatrix.runner.console.closing import (  # noqa: PLC0415 - as above
        explain_failures,
        summarize,
    )
    from quicmatrix.runner.console.conformance import explain_conformance  # noqa: PLC0415 - as above
    from quicmatrix.runner.results.compliance import compliance_counts  # noqa: PLC0415 - as above
    from quicmatrix.runner.results.report_files import export  # noqa: PLC0415 - as above
    from quicmatrix.runner.results.run_view import run_view  # noqa: PLC0415 - as above

    explain = explain_conformance if result.is_conformance else explain_failures
    console = Console(highlight=False)
    rejudged = asyncio.run(_judge_all(folder, result))
    judged = replace(
        result,
        folder=str(folder),
        jobs=tuple(one.after for one in rejudged),
        compliance=compliance_counts((one.after, one.compliance) for one in rejudged),
    )
    if json is not None:
        export(judged, json)
    view = run_view(judged)
    explain(console, view, debug=debug)
    _show_changes(console, rejudged)
    summarize(console, view, None, debug=debug)
    return exit_code(judged)


async def _judge_all(folder: Path, result: RunResult) -> list[Rejudged]:
    from rich.progress import Progress  # noqa: PLC0415 - there is something to show now

    from quicmatrix.runner.judge.bundle import unjudged  # noqa: PLC0415 - as above
    from quicmatrix.runner.judge.judge import Policy  # noqa: PLC0415 - as above
    from quicmatrix.runner.judge.pool import judging_processes  # noqa: PLC0415 - as above
    from quicmatrix.runner.results.run_folder import bundle_in  # noqa: PLC0415 - as above

    bundles = [(job, bundle_in(folder, job.folder)) for job in result.jobs]
    with Progress(console=_terminal(), transient=True) as progress:
        bar = progress.add_task("judging", total=len(bundles))
        async with judging_processes(Policy(result.compat, result.strict)) as judge:

            async def again(job: JobResult, bundle: Path) -> Rejudged:
                try:
                    judgement = await judge.judge(bundle)
                except UserError as error:  # this bundle is damaged or gone; the others are not
                    judgement = unjudged(error.message)
                progress.advance(bar)
                return Rejudged(
                    job,
                    replace(job, verdict=judgement.verdict, sample=judgement.sample),
                    judgement.compliance,
                )

            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(again(job, bundle)) for job, bundle in bundles]
    return [task.result() for task in tasks]


def _terminal() -> Console:
    """Where progress is shown: standard error, if that is a terminal."""
    from rich.console import Console  # noqa: PLC0415 - there is something to show now

    return Console(stderr=True, quiet=not sys.stderr.isatty())


def _judge_bundle(folder: Path, policy: Policy, *, debug: bool) -> int:
    from rich.console import Console  # noqa: PLC0415 - there is something to show now

    from quicmatrix.runner.bundle.records import read_attempt  # noqa: PLC0415 - as above
    from quicmatrix.runner.console.closing import failure  # noqa: PLC0415 - as above
    from quicmatrix.runner.judge.bundle import judge_bundle  # noqa: PLC0415 - as above
    from quicmatrix.runner.plan.conformance import cases_for  # noqa: PLC0415 - loads the suite
    from quicmatrix.runner.results.matrix import needs_attention  # noqa: PLC0415 - as above
    from quicmatrix.runner.results.run_files import result_of  # noqa: PLC0415 - as above

    record = read_attempt(folder)
    judgement = judge_bundle(folder, cases_for(record), policy)
    job = result_of(record, judgement, str(folder))
    console = Console(highlight=False)
    for line in failure(job, "", debug=debug):
        console.print(line, soft_wrap=True)
    return ExitCode.FAILED if needs_attention(judgement.verdict.outcome) else ExitCode.OK


def _show_changes(console: Console, rejudged: list[Rejudged]) -> None:
    from rich.text import Text  # noqa: PLC0415 - there is something to show now

    from quicmatrix.runner.results import formatting  # noqa: PLC0415 - as above

    changed = [one for one in rejudged if one.changed]
    for one in changed:
        title = formatting.title(
            one.after, repeated=one.after.repetition > 1, retried=one.after.attempt > 1
        )
        console.print(
            Text(f"changed  {title}: {_said(one.before.verdict)}, now {_said(one.after.verdict)}"),
            soft_wrap=True,
        )
    if not changed:
        same = "the same verdict" if len(rejudged) == 1 else f"the same {len(rejudged)} verdicts"
        console.print(Text(f"{same} as in the run"), soft_wrap=True)


def _said(verdict: Verdict) -> str:
    count = sum(1 for _ in verdict.violated)
    violations = "requirement" if count == 1 else "requirements"
    return f"{verdict.outcome} ({count} {violations} violated)" if count else str(verdict.outcome)
