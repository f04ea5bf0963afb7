"""Options that several subcommands share."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.sandbox.backends import BACKENDS
from quicmatrix.runner.sandbox.model import MIB, Limits

Function = Callable[..., object]
Decorator = Callable[[Function], Function]

implementations_option = click.option(
    "--implementations",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="An implementations file other than ours.",
)
debug_option = click.option("-d", "--debug", is_flag=True, help="Tell every detail.")
strict_option = click.option("--strict", is_flag=True, help="Let SHOULD requirements decide too.")
markdown_option = click.option(
    "-m", "--markdown", is_flag=True, help="Print the result as Markdown at the end."
)


def seed_option(help_text: str) -> Decorator:
    """``--seed``."""
    return click.option("--seed", type=click.IntRange(min=0, max=2**63 - 1), help=help_text)


def repeat_option(help_text: str) -> Decorator:
    """``--repeat``."""
    return click.option("--repeat", metavar="N", type=click.IntRange(min=1), help=help_text)


def backend_option(default: str, help_text: str) -> Decorator:
    """``--backend``; eager, since what other options mean by default may depend on it."""
    return click.option(
        "--backend", type=click.Choice(BACKENDS), default=default, is_eager=True, help=help_text
    )


def jobs_option(per_core: Mapping[str, int], help_text: str) -> Decorator:
    """``-n``: a number, or by default so many for each core as the backend has in ``per_core``."""

    def parse(context: click.Context, _option: click.Parameter, word: str) -> int:
        if word == "auto":
            return per_core[context.params["backend"]] * len(os.sched_getaffinity(0))
        if not (word.isascii() and word.isdigit() and int(word) >= 1):
            raise UserError(
                f"-n: {word!r} is neither a number from 1 nor 'auto'",
                "it is how much runs side by side; quic-interop-runner's -n does not exist here,"
                " see docs/compat.md",
            )
        return int(word)

    return click.option(
        "-n", "--jobs", metavar="N|auto", default="auto", callback=parse, help=help_text
    )


LOG_LIMIT_MIB = Limits().log_bytes // MIB
log_limit_option = click.option(
    "--log-limit",
    metavar="MIB",
    type=click.IntRange(min=1),
    default=LOG_LIMIT_MIB,
    help="How much an endpoint may print; of a long log the ends are stored.  [256]",
)


def log_dir_option(help_text: str) -> Decorator:
    """``-l``: a new folder."""
    return click.option(
        "-l", "--log-dir", metavar="DIR", type=click.Path(path_type=Path), help=help_text
    )


def json_option(help_text: str) -> Decorator:
    """``-j``: a file to write."""
    return click.option(
        "-j", "--json", metavar="FILE", type=click.Path(path_type=Path), help=help_text
    )
