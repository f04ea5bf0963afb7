"""``quicmatrix image``: what concerns a single image, and needs no matrix."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quicmatrix.runner.cli import ExitCode
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.execute.signals import Interrupted, until_signalled
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results.run_folder import make_folder
from quicmatrix.runner.sandbox.backends import BACKENDS, DOCKER, NETNS, backend

if TYPE_CHECKING:  # imported once it is called
    from rich.console import Console

    from quicmatrix.runner.contract_check.cases import Trial
    from quicmatrix.runner.contract_check.model import ImageFacts, Observations, Rule
    from quicmatrix.runner.model.implementation import Implementation
    from quicmatrix.runner.sandbox.model import Backend
    from quicmatrix.runner.trace.model import Side

_SUBJECT = "subject"
"""What the checked one is called in what is stored; the name it was given reaches no path."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """The argument and the options of ``check``, each under its long name."""

    image: str
    backend: str
    role: str
    rules: str | None
    against: str
    implementations: Path | None
    jobs: int | None
    log_dir: Path | None
    json: Path | None
    debug: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is settled before anything is started."""

    arguments: Arguments
    subject: Implementation
    peer: Implementation
    rules: tuple[Rule, ...]
    trials: tuple[Trial, ...]
    place: Backend
    roles: tuple[Side, ...]
    """The subject's."""
    now: datetime
    run_id: str
    image: ImageFacts | None = None
    """None: it is a local command, or nobody has looked at it yet."""


@click.group()
def command() -> None:
    """Find out things about a single image."""


@command.command()
@click.argument("image", metavar="IMAGE")
@click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    default=DOCKER,
    help="What hosts are made of; with netns, IMAGE is name=command.  [docker]",
)
@click.option(
    "--role",
    type=click.Choice(["client", "server", "both"]),
    default="both",
    help="Which role it is checked in.  [both]",
)
@click.option(
    "--rules", metavar="R,R", help="Check these rules alone; 'image rules' lists them.  [all]"
)
@click.option(
    "--against",
    metavar="NAME",
    default="reference",
    help="The implementation that plays the other side.  [reference]",
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
    metavar="N",
    type=click.IntRange(min=1),
    help="How many trials run side by side.  [one for each core; netns: two]",
)
@click.option(
    "-l",
    "--log-dir",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="A new folder for captures and logs.  [runs/TIME]",
)
@click.option(
    "-j",
    "--json",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the report to this file too.",
)
@click.option("-d", "--debug", is_flag=True, help="Tell every detail.")
def check(**options: object) -> int:
    """Find out whether an image honours the contract of quic-interop-runner.

    Each rule of the contract gets a line: ok, broken, not seen or not applicable, and by what one
    can tell. It meets the reference endpoint, as a client and as a server. A local command is
    checked in the same way:

    \b
        quicmatrix image check mine:latest
        quicmatrix image check --backend netns mine=./my-endpoint

    The exit code is 0 if all rules that are required are kept, and 1 if not.
    """  # noqa: D301 - click's mark for text that keeps its lines
    return _check(Arguments(**options))  # type: ignore[arg-type]


@command.command("rules")
def list_rules() -> None:
    """Show the rules that 'image check' checks."""
    from quicmatrix.runner.contract_check.rules import RULES  # noqa: PLC0415 - only this needs them

    for rule in RULES:
        click.echo(f"{rule.name} ({rule.importance}): {rule.text}")


def _check(arguments: Arguments) -> int:
    from quicmatrix.runner.results.report_files import check_writable  # noqa: PLC0415 - imports the result's types
    from quicmatrix.runner.sandbox.netns.privileges import enter_user_namespace  # noqa: PLC0415 - as above
    from quicmatrix.runner.trace import tshark  # noqa: PLC0415 - as above

    if arguments.json is not None:
        check_writable(arguments.json)
    plan = _plan(arguments)
    if arguments.backend == NETNS:
        enter_user_namespace(sys.orig_argv, os.environ)
    for remark in plan.place.check():
        click.echo(f"note: {printable(remark)}", err=True)
    tshark.check()
    for role in plan.roles:
        plan.place.require(plan.peer, role.peer)
    if arguments.backend == DOCKER:
        plan = replace(plan, image=_look(plan))
    return _perform(plan)


def _look(plan: Plan) -> ImageFacts:
    """What the engine says of the image, which is fetched if it is not here.

    Raises:
        UserError: It cannot be had.
    """
    from quicmatrix.runner.contract_check.image_facts import engine, image_facts  # noqa: PLC0415 - imports the SDK
    from quicmatrix.runner.sandbox.docker.container import RUN_LABEL, RUNNER_LABEL  # noqa: PLC0415 - as above
    from quicmatrix.runner.sandbox.label import Runner  # noqa: PLC0415 - as above

    reference = plan.subject.image or ""
    labels = {RUN_LABEL: plan.run_id, RUNNER_LABEL: Runner.this().text}
    try:
        for role in plan.roles:
            plan.place.require(plan.subject, role)
    except UserError:
        # One for another machine is refused, but there is something to say of it.
        with engine() as api, suppress(UserError):
            facts = image_facts(api, reference, labels)
            if not facts.fits:
                return facts
        raise
    with engine() as api:
        return image_facts(api, reference, labels)


def _plan(arguments: Arguments) -> Plan:
    """Understand the words of the command line.

    Raises:
        UserError: One of them means nothing.
    """
    from quicmatrix.runner.contract_check.cases import catalogue  # noqa: PLC0415 - as above
    from quicmatrix.runner.contract_check.rules import needed, select_rules  # noqa: PLC0415 - as above
    from quicmatrix.runner.plan import select  # noqa: PLC0415 - loads the suite
    from quicmatrix.runner.plan.implementations import load  # noqa: PLC0415 - as above
    from quicmatrix.runner.trace.model import Side  # noqa: PLC0415 - as above

    roles = frozenset(Side) if arguments.role == "both" else frozenset({Side(arguments.role)})
    known = {one.name: one for one in load(arguments.implementations)}
    if arguments.against not in known:
        raise select.unknown("implementation", arguments.against, known)
    rules = select_rules(arguments.rules, roles)
    is_image = arguments.backend == DOCKER
    now = datetime.now(UTC)
    return Plan(
        arguments=arguments,
        subject=_image(arguments.image) if is_image else _command(arguments.image, known, roles),
        peer=known[arguments.against],
        rules=rules,
        trials=needed(rules, catalogue(select.testcases()), roles, is_image=is_image),
        place=backend(arguments.backend),
        roles=tuple(sorted(roles)),
        now=now,
        run_id=f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}",
    )


def _image(word: str) -> Implementation:
    from quicmatrix.runner.model.implementation import Implementation  # noqa: PLC0415 - as above
    from quicmatrix.runner.plan.implementations import parse_image  # noqa: PLC0415 - imports msgspec

    return Implementation(_SUBJECT, image=parse_image(word))


def _command(
    word: str, known: Mapping[str, Implementation], roles: frozenset[Side]
) -> Implementation:
    """A local command, as ``name=command`` or by the name of an implementation."""
    from quicmatrix.runner.model.implementation import Implementation  # noqa: PLC0415 - as above
    from quicmatrix.runner.plan import select  # noqa: PLC0415 - loads the suite
    from quicmatrix.runner.plan.implementations import missing_program, parse_command  # noqa: PLC0415 - as above

    name, equals, line = word.partition("=")
    if equals:
        command = parse_command(line, Path.cwd())
        subject = Implementation(_SUBJECT, commands=dict.fromkeys(roles, command))
    elif name in known:
        subject = replace(known[name], name=_SUBJECT)
    else:
        raise select.unknown("implementation", name, known)
    for role in sorted(roles):
        if problem := missing_program(subject, role):
            raise UserError(
                problem.replace(_SUBJECT, name, 1), "--backend netns takes name=./program"
            )
    return subject


def _perform(plan: Plan) -> int:
    from rich.console import Console  # noqa: PLC0415 - there is something to show now
    from rich.text import Text  # noqa: PLC0415 - as above

    from quicmatrix.runner.console.contract_check import show  # noqa: PLC0415 - as above
    from quicmatrix.runner.contract_check.report import Report, write_json  # noqa: PLC0415 - as above
    from quicmatrix.runner.contract_check.rules import judge  # noqa: PLC0415 - as above

    arguments = plan.arguments
    started = time.monotonic()
    console = Console(highlight=False)
    folder = make_folder(arguments.log_dir, plan.now)
    trials = f"{len(plan.trials)} trials" if len(plan.trials) != 1 else "1 trial"
    console.print(Text(f"{trials}, stored in {printable(str(folder))}", "dim"), soft_wrap=True)
    try:
        seen = asyncio.run(_observe(plan, folder, console))
    except Interrupted as interrupted:
        click.echo("stopped before all was seen; nothing is left but what is stored", err=True)
        return ExitCode.SIGNALLED + interrupted.number
    report = Report(
        subject=arguments.image,
        backend=arguments.backend,
        peer=plan.peer.name,
        run_id=plan.run_id,
        folder=folder,
        started_at=plan.now.timestamp(),
        duration_s=time.monotonic() - started,
        judged=judge(seen, plan.rules),
        trials=plan.trials,
    )
    show(console, report, debug=arguments.debug)
    write_json(report, folder / "report.json")
    if arguments.json is not None:
        write_json(report, arguments.json)
    return ExitCode.OK if report.honoured else ExitCode.FAILED


async def _observe(plan: Plan, folder: Path, console: Console) -> Observations:
    from quicmatrix.runner.console.contract_check import course  # noqa: PLC0415 - as above
    from quicmatrix.runner.contract_check.observe import Setting, observe  # noqa: PLC0415 - there is something to run
    from quicmatrix.runner.execute.attempt import Stage  # noqa: PLC0415 - as above
    from quicmatrix.runner.sandbox.label import Label, Runner, attach, scratch_folder  # noqa: PLC0415 - as above
    from quicmatrix.runner.sandbox.model import Limits  # noqa: PLC0415 - as above

    with (
        scratch_folder(Path(tempfile.gettempdir())) as scratch,
        course(console, plan.trials, debug=plan.arguments.debug) as progress,
    ):
        attach(Label(plan.run_id, Runner.this()), scratch)
        setting = Setting(
            subject=plan.subject,
            peer=plan.peer,
            stage=Stage(plan.place, plan.run_id, scratch, Path.cwd(), Limits()),
            folder=folder,
            parallel=plan.arguments.jobs or _parallel(plan.arguments.backend),
        )
        return await until_signalled(
            observe(
                setting,
                plan.trials,
                image=plan.image,
                started=progress.started,
                finished=progress.finished,
            ),
            stopping=lambda: click.echo("stopping; once more ends it at once", err=True),
            dying=lambda: _give_back(console),
        )


def _parallel(place: str) -> int:
    """How many trials a machine can do without being late: an engine has work of its own."""
    cores = len(os.sched_getaffinity(0))
    return 2 * cores if place == NETNS else cores


def _give_back(console: Console) -> None:
    """Leave the terminal as it was: a process that is killed cannot do it later."""
    console.show_cursor(True)
