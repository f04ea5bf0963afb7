"""What Ctrl-C does to a subcommand that runs things, and what it says meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, TypeVar

import click

from quicmatrix.runner.execute.signals import until_signalled

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")


async def until_interrupted(
    work: Coroutine[object, object, T], console: Console, note: Callable[[str], None]
) -> T:
    """Await something that the first SIGINT or SIGTERM cancels, and the second ends at once.

    Raises:
        Interrupted: A signal came, and ``work`` has cleaned up and ended.
    """
    return await until_signalled(
        work,
        stopping=lambda: note("stopping; once more ends it at once"),
        dying=lambda: _restore(console),
    )


def _restore(console: Console) -> None:
    """Show the cursor again, since a process that is killed cannot do it later."""
    console.show_cursor(True)
    click.echo("\nended at once; 'quicmatrix clean' removes what is left of it", err=True)
