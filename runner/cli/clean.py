"""``quicmatrix clean``: remove what dead runs left behind."""

from __future__ import annotations

import click

from quicmatrix.runner.cli import ExitCode
from quicmatrix.runner.printable import printable


@click.command()
def command() -> int:
    """Remove what dead runs left behind: processes, namespaces, containers, folders.

    It is found by the label that every run puts on what it makes. Runs that are alive are not
    touched, and neither are results.
    """
    from quicmatrix.runner.sandbox.backends import widest  # noqa: PLC0415 - imports a sandbox

    removed = widest().clean()
    for line in removed:
        click.echo(printable(f"removed: {line}"))
    if not removed:
        click.echo("nothing was left behind")
    return ExitCode.OK
