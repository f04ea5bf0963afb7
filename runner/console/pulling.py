"""Tells how an image is fetched: a line that moves on a terminal, a few lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from quicmatrix.runner.printable import printable

if TYPE_CHECKING:  # only docker has it
    from quicmatrix.runner.sandbox.docker.pull import Pulled

TERMINAL_PERIOD_S = 0.1
FILE_PERIOD_S = 10.0


class Pulling:
    """Progress on standard error; see :data:`quicmatrix.runner.sandbox.docker.images.Progress`.

    Args:
        clock: In seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said_at = float("-inf")
        self._reference = ""

    def __call__(self, reference: str, so_far: Pulled) -> None:
        """Say it, unless that was done only now."""
        terminal = sys.stderr.isatty()
        done = so_far.complete == so_far.layers
        new = reference != self._reference
        period = TERMINAL_PERIOD_S if terminal else FILE_PERIOD_S
        if not (new or done) and self._clock() - self._said_at < period:
            return
        self._said_at, self._reference = self._clock(), reference
        text = printable(f"pulling {reference}: {so_far}")
        if terminal:
            click.echo(f"\r\x1b[K{text}", err=True, nl=done)
        else:
            click.echo(text, err=True)
