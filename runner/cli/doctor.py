"""``quicmatrix doctor``: can tests run here, and if not, what is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quicmatrix.runner.cli import ExitCode
from quicmatrix.runner.printable import printable

if TYPE_CHECKING:  # imported once it is called
    from quicmatrix.runner.execute.machine_checks import Check

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@click.option(
    "--implementations",
    "file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="An implementations file other than ours.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def command(file: Path | None, as_json: bool) -> int:
    """Find out whether tests can run here, and what is missing.

    The exit code is 0 if they can, and 2 if something that is needed is missing.
    """
    from quicmatrix.runner.execute.machine_checks import State  # noqa: PLC0415 - imports msgspec

    found: list[Check] = []
    for check in _checks(file):
        found.append(check)
        if not as_json:  # as they come: the slow ones are last
            _show(check)
    healthy = all(check.state is not State.FAIL for check in found)
    if as_json:
        document = {"ok": healthy, "checks": [asdict(check) for check in found]}
        click.echo(json.dumps(document, indent=2))
    else:
        click.echo()
        click.echo("tests can run here" if healthy else "tests cannot run here yet")
    return ExitCode.OK if healthy else ExitCode.WRONG_USE


def _checks(file: Path | None) -> Iterator[Check]:
    from quicmatrix.runner import needs  # noqa: PLC0415 - used here only
    from quicmatrix.runner.execute import machine_checks  # noqa: PLC0415 - as above
    from quicmatrix.runner.plan import implementations  # noqa: PLC0415 - imports msgspec
    from quicmatrix.runner.sandbox.backends import NETNS, backend, engine_version, widest  # noqa: PLC0415 - imports a sandbox
    from quicmatrix.runner.trace import tshark  # noqa: PLC0415 - as above

    place = backend(NETNS)

    yield machine_checks.python()
    yield machine_checks.tools(needs.SANDBOX)
    yield machine_checks.sandbox(place.check)
    yield machine_checks.attempted(
        "tshark", lambda: f"{tshark.check()}, decodes a known capture as it must"
    )
    yield machine_checks.docker(engine_version)
    yield from machine_checks.implementations(implementations.load(file), place.obstacle)
    yield machine_checks.leftovers(widest())


def _show(check: Check) -> None:
    click.echo(click.style(f"{check.state:<5}", _COLOURS[check.state]), nl=False)
    click.echo(f" {check.name}: {printable(check.found)}")
    if check.advice:
        click.echo(f"      -> {printable(check.advice)}")
