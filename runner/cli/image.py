"""``quicmatrix image``: what concerns a single image, and needs no matrix."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quicmatrix.runner.cli import ExitCode
from quicmatrix.runner.cli.interruption import until_interrupted
from quicmatrix.runner.cli.options import (
    backend_option,
    debug_option,
    implementations_option,
    jobs_option,
    json_option,
    log_dir_option,
)
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.execute.signals import Interrupted
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results.run_folder import make_folder, new_run_id
from quicmatrix.runner.sandbox.backends import DOCKER, NETNS, backend

if TYPE_CHECKING:  # imported once it is called
    from rich.console import Console

    from quicmatrix.runner.contract_check.cases import ContractCase
    from quicmatrix.runner.contract_check.model import (
        ContractRequirement,
        ImageFacts,
        Observations,
    )
    from quicmatrix.runner.model.implementation import Implementation
    from quicmatrix.runner.sandbox.model import Backend
    from quicmatrix.runner.trace.model import Side

_NAME = "under_test"
"""The name of the implementation under test in what is stored. No implementations file can have it,
and what was typed reaches no path."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """The argument and the options of ``check``, each under its long name."""

    image: str
    backend: str
    role: str
    requirements: str | None
    against: str
    implementations: Path | None
    jobs: int
    log_dir: Path | None
    json: Path | None
    debug: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is settled before anything is started."""

    arguments: Arguments
    implementation: Implementation
    """The one under test."""
    peer: Implementation
    requirements: tuple[ContractRequirement, ...]
    cases: tuple[ContractCase, ...]
    backend: Backend
    roles: tuple[Side, ...]
    """In which the implementation is checked."""
    now: datetime
    run_id: str
    image: ImageFacts | None = None
    """None: it is a local command, or the engine has not been asked yet."""


@click.group()
def command() -> None:
    """Find out things about a single image."""


@command.command()
@click.argument("image", metavar="IMAGE")
@backend_option(DOCKER, "What the sides are; with netns, IMAGE is name=command.  [docker]")
@click.option(
    "--role",
    type=click.Choice(["client", "server", "both"]),
    default="both",
    help="Which role it is checked in.  [both]",
)
@click.option(
    "--requirements",
    metavar="R,R",
    help="Check these alone; 'image requirements' lists them.  [all]",
)
@click.option(
    "--against",
    metavar="NAME",
    default="reference",
    help="The implementation that plays the other side.  [reference]",
)
@implementations_option
@jobs_option(
    # The engine needs a core for itself.
    {NETNS: 2, DOCKER: 1},
    "How many cases run side by side.  [one for each core; netns: two]",
)
@log_dir_option("A new folder for captures and logs.  [runs/TIME]")
@json_option("Write the report to this file too.")
@debug_option
def check(**options: object) -> int:
    """Find out whether an image fulfils the contract of quic-interop-runner.

    Each requirement of the contract gets a line: held, violated, not exercised or undetermined,
    with what was seen. The image runs against the reference endpoint, as a client and as a server.
    A local command is checked in the same way:

    \b
        quicmatrix image check mine:latest
        quicmatrix image check --backend netns mine=./my-endpoint

    The exit code is 0 if all requirements but those of level SHOULD are held, and 1 if not.
    """  # noqa: D301 - click's mark for text that keeps its lines
    return _check(Arguments(**options))  # type: ignore[arg-type]


@command.command("requirements")
def list_requirements() -> None:
    """Show the requirements that 'image check' checks."""
    from quicmatrix.runner.contract_check.requirements import REQUIREMENTS  # noqa: PLC0415 - only this needs them

    for one in REQUIREMENTS:
        about = one.requirement
        click.echo(f"{about.name} ({about.level}, {about.citation}): {about.text}")


def _check(arguments: Arguments) -> int:
    from quicmatrix.runner.results.report_files import check_writable  # noqa: PLC0415 - imports the result's types
    from quicmatrix.runner.sandbox.netns.privileges import enter_user_namespace  # noqa: PLC0415 - as above
    from quicmatrix.runner.trace import tshark  # noqa: PLC0415 - as above

    if arguments.json is not None:
        check_writable(arguments.json)
    plan = _plan(arguments)
    if arguments.backend == NETNS:
        enter_user_namespace(sys.orig_argv, os.environ)
    for remark in plan.backend.check():
        click.echo(f"note: {printable(remark)}", err=True)
    tshark.check()
    for role in plan.roles:
        plan.backend.require(plan.peer, role.peer)
    if arguments.backend == DOCKER:
        plan = replace(plan, image=_image_facts(plan))
    return _perform(plan)


def _image_facts(plan: Plan) -> ImageFacts:
    """What the engine says of the image, which is fetched if it is not here.

    Raises:
        UserError: It cannot be had.
    """
    from quicmatrix.runner.contract_check.image_facts import engine, image_facts  # noqa: PLC0415 - imports the SDK
    from quicmatrix.runner.sandbox.docker.container import RUN_LABEL, RUNNER_LABEL  # noqa: PLC0415 - as above
    from quicmatrix.runner.sandbox.label import Runner  # noqa: PLC0415 - as above

    reference = plan.implementation.image or ""
    labels = {RUN_LABEL: plan.run_id, RUNNER_LABEL: Runner.this().text}
    try:
        for role in plan.roles:
            plan.backend.require(plan.implementation, role)
    except UserError:
        # An image for another machine is refused, but its facts are worth a report.
        with engine() as api, suppress(UserError):
            facts = image_facts(api, reference, labels)
            if not facts.fits:
                return facts
        raise
    with engine() as api:
        return image_facts(api, reference, labels)


def _plan(arguments: Arguments) -> Plan:
    """Settle what is to be run from the command line.

    Raises:
        UserError: It names something that does not exist.
    """
    from quicmatrix.runner.contract_check.cases import contract_cases  # noqa: PLC0415 - as above
    from quicmatrix.runner.contract_check.requirements import (  # noqa: PLC0415 - as above
        needed_cases,
        select_requirements,
    )
    from quicmatrix.runner.plan import select  # noqa: PLC0415 - loads the suite
    from quicmatrix.runner.plan.implementations import beside_ours, load  # noqa: PLC0415 - as above
    from quicmatrix.runner.trace.model import Side  # noqa: PLC0415 - as above

    roles = frozenset(Side) if arguments.role == "both" else frozenset({Side(arguments.role)})
    known = {one.name: one for one in beside_ours(load(arguments.implementations))}
    if arguments.against not in known:
        raise select.unknown("implementation", arguments.against, known)
    requirements = select_requirements(arguments.requirements, roles)
    is_image = arguments.backend == DOCKER
    now = datetime.now(UTC)
    return Plan(
        arguments=arguments,
        implementation=(
            _image(arguments.image) if is_image else _command(arguments.image, known, roles)
        ),
        peer=known[arguments.against],
        requirements=requirements,
        cases=needed_cases(
            requirements, contract_cases(select.testcases()), roles, is_image=is_image
        ),
        backend=backend(arguments.backend),
        roles=tuple(sorted(roles)),
        now=now,
        run_id=new_run_id(now),
    )


def _image(word: str) -> Implementation:
    from quicmatrix.runner.model.implementation import Implementation  # noqa: PLC0415 - as above
    from quicmatrix.runner.plan.implementations import parse_image  # noqa: PLC0415 - imports msgspec

    return Implementation(_NAME, image=parse_image(word))


def _command(
    word: str, known: Mapping[str, Implementation], roles: frozenset[Side]
) -> Implementation:
    """A local command, as ``name=command`` or by the name of an implementation."""
    from quicmatrix.runner.model.implementation import Implementation  # noqa: PLC0415 - as above
    from quicmatrix.runner.plan import select  # noqa: PLC0415 - loads the suite
    from quicmatrix.runner.plan.implementations import parse_command, require_program  # noqa: PLC0415 - as above

    name, equals, line = word.partition("=")
    if equals:
        command = parse_command(line, Path.cwd())
        implementation = Implementation(_NAME, commands=dict.fromkeys(roles, command))
    elif name in known:
        implementation = replace(known[name], name=_NAME)
    else:
        raise select.unknown_implementation(name, known, Path.cwd())
    for role in sorted(roles):
        require_program(replace(implementation, name=name), role)
    return implementation


def _perform(plan: Plan) -> int:
    from rich.console import Console  # noqa: PLC0415 - there is something to show now
    from rich.text import Text  # noqa: PLC0415 - as above

    from quicmatrix.runner.console.contract_check import show_report  # noqa: PLC0415 - as above
    from quicmatrix.runner.contract_check.report import Report, write_json  # noqa: PLC0415 - as above
    from quicmatrix.runner.contract_check.requirements import evaluate_all  # noqa: PLC0415 - as above

    arguments = plan.arguments
    started = time.monotonic()
    console = Console(highlight=False)
    folder = make_folder(arguments.log_dir, plan.now)
    cases = f"{len(plan.cases)} cases" if len(plan.cases) != 1 else "1 case"
    console.print(Text(f"{cases}, stored in {printable(str(folder))}", "dim"), soft_wrap=True)
    try:
        seen = asyncio.run(_observe(plan, folder, console))
    except Interrupted as interrupted:
        click.echo(
            "stopped before all cases were run; nothing is left but what is stored", err=True
        )
        return ExitCode.SIGNALLED + interrupted.number
    report = Report(
        implementation=arguments.image,
        backend=arguments.backend,
        peer=plan.peer.name,
        run_id=plan.run_id,
        folder=folder,
        started_at=plan.now.timestamp(),
        duration_s=time.monotonic() - started,
        results=evaluate_all(seen, plan.requirements),
        cases=plan.cases,
    )
    show_report(console, report, debug=arguments.debug)
    write_json(report, folder / "report.json")
    if arguments.json is not None:
        write_json(report, arguments.json)
    return ExitCode.OK if report.fulfilled else ExitCode.FAILED


async def _observe(plan: Plan, folder: Path, console: Console) -> Observations:
    from quicmatrix.runner.console.contract_check import show_progress  # noqa: PLC0415 - as above
    from quicmatrix.runner.contract_check.observe import CheckSetup, observe  # noqa: PLC0415 - there is something to run
    from quicmatrix.runner.execute.attempt import Stage  # noqa: PLC0415 - as above
    from quicmatrix.runner.sandbox.label import Label, Runner, attach, scratch_folder  # noqa: PLC0415 - as above
    from quicmatrix.runner.sandbox.model import Limits  # noqa: PLC0415 - as above

    with (
        scratch_folder(Path(tempfile.gettempdir())) as scratch,
        show_progress(console, plan.cases, debug=plan.arguments.debug) as progress,
    ):
        attach(Label(plan.run_id, Runner.this()), scratch)
        setup = CheckSetup(
            implementation=plan.implementation,
            peer=plan.peer,
            stage=Stage(plan.backend, plan.run_id, scratch, Path.cwd(), Limits()),
            folder=folder,
            parallel=plan.arguments.jobs,
        )
        cases = observe(
            setup,
            plan.cases,
            image=plan.image,
            started=progress.started,
            finished=progress.finished,
        )
        return await until_interrupted(cases, console, partial(click.echo, err=True))
