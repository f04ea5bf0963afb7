"""``quicmatrix judge``: the verdicts again, from what is stored."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quicmatrix.runner.cli import ExitCode
from quicmatrix.runner.errors import UserError

if TYPE_CHECKING:  # what follows is only imported once there is something to judge
    from rich.console import Console

    from quicmatrix.runner.model.verdict import Verdict
    from quicmatrix.runner.results.store import JobResult, RunResult


@dataclass(frozen=True, slots=True)
class Judgement:
    """A job before and after."""

    before: JobResult
    after: JobResult

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
    from quicmatrix.runner.results import store  # noqa: PLC0415 - imports msgspec
    from quicmatrix.runner.results.report_files import check_writable  # noqa: PLC0415 - as above

    if json is not None:
        check_writable(json)
    if (folder / store.ATTEMPT_FILE).is_file() and not (folder / store.RESULT_FILE).is_file():
        if json is not None:
            raise UserError("--json needs the folder of a run", f"{folder} is a single bundle")
        return _judge_bundle(folder, compat=bool(compat), strict=bool(strict), debug=debug)
    result = store.load(folder)
    wanted = replace(
        result,
        compat=result.compat if compat is None else compat,
        strict=result.strict if strict is None else strict,
    )
    return _judge_run(folder, wanted, json, debug=debug)


def _judge_run(folder: Path, result: RunResult, json: Path | None, *, debug: bool) -> int:
    from rich.console import Console  # noqa: PLC0415 - there is something to show now

    from quicmatrix.runner.console.closing import explain_failures, summarize  # noqa: PLC0415 - as above
    from quicmatrix.runner.results.matrix import needs_attention  # noqa: PLC0415 - as above
    from quicmatrix.runner.results.report_files import export  # noqa: PLC0415 - as above
    from quicmatrix.runner.results.store import settled  # noqa: PLC0415 - as above

    console = Console(highlight=False)
    judgements = asyncio.run(_judge_all(folder, result))
    judged = replace(result, folder=str(folder), jobs=tuple(one.after for one in judgements))
    if json is not None:
        export(judged, json)
    explain_failures(console, judged, debug=debug)
    _show_changes(console, judgements)
    summarize(console, judged, None, debug=debug)
    failed = any(needs_attention(job.verdict.outcome) for job in settled(judged.jobs))
    return ExitCode.FAILED if failed else ExitCode.OK


async def _judge_all(folder: Path, result: RunResult) -> list[Judgement]:
    from quicmatrix.runner.judge.judge import review  # noqa: PLC0415 - only judging needs it
    from quicmatrix.runner.plan.select import testcases  # noqa: PLC0415 - loads the suite
    from quicmatrix.runner.results.run_folder import bundle_in  # noqa: PLC0415 - as above

    tests = testcases()
    places = asyncio.Semaphore(len(os.sched_getaffinity(0)))

    async def judge(job: JobResult) -> Judgement:
        if not job.folder:  # it never got as far as a bundle: there is nothing to judge anew
            return Judgement(job, job)
        async with places:
            _, verdict, sample = await review(
                bundle_in(folder, job.folder), tests, compat=result.compat, strict=result.strict
            )
        return Judgement(job, replace(job, verdict=verdict, sample=sample))

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(judge(job)) for job in result.jobs]
    return [task.result() for task in tasks]


def _judge_bundle(folder: Path, *, compat: bool, strict: bool, debug: bool) -> int:
    from rich.console import Console  # noqa: PLC0415 - there is something to show now

    from quicmatrix.runner.console.closing import failure  # noqa: PLC0415 - as above
    from quicmatrix.runner.judge.judge import review  # noqa: PLC0415 - only judging needs it
    from quicmatrix.runner.plan.select import testcases  # noqa: PLC0415 - loads the suite
    from quicmatrix.runner.results.matrix import needs_attention  # noqa: PLC0415 - as above
    from quicmatrix.runner.results.store import JobResult  # noqa: PLC0415 - as above

    judging = review(folder, testcases(), compat=compat, strict=strict)
    record, verdict, sample = asyncio.run(judging)
    job = JobResult(
        client=record.client_name,
        server=record.server_name,
        test=record.test,
        letter="",
        repetition=record.repetition,
        seed=record.seed,
        verdict=verdict,
        started_at=record.started_at,
        duration_s=record.duration_s,
        folder=str(folder),
        command="",
        attempt=record.attempt,
        sample=sample,
    )
    console = Console(highlight=False)
    for line in failure(job, "", debug=debug):
        console.print(line, soft_wrap=True)
    return ExitCode.FAILED if needs_attention(verdict.outcome) else ExitCode.OK


def _show_changes(console: Console, judgements: list[Judgement]) -> None:
    from rich.text import Text  # noqa: PLC0415 - there is something to show now

    from quicmatrix.runner.results import formatting  # noqa: PLC0415 - as above

    changed = [one for one in judgements if one.changed]
    for one in changed:
        title = formatting.title(
            one.after, repeated=one.after.repetition > 1, retried=one.after.attempt > 1
        )
        console.print(
            Text(f"changed  {title}: {_said(one.before.verdict)}, now {_said(one.after.verdict)}"),
            soft_wrap=True,
        )
    if not changed:
        same = (
            "the same verdict" if len(judgements) == 1 else f"the same {len(judgements)} verdicts"
        )
        console.print(Text(f"{same} as in the run"), soft_wrap=True)


def _said(verdict: Verdict) -> str:
    count = len(verdict.violations)
    violations = "violation" if count == 1 else "violations"
    return f"{verdict.outcome} ({count} {violations})" if count else str(verdict.outcome)
