"""The command line: one module for each subcommand, imported only when it is called.

Exit codes: 0 nothing unexpected; 1 something failed; 2 wrong use or environment, said in one line
with a hint; 3 our bug, with its traceback; 5 nothing selected; 128 and the signal's number after
Ctrl-C (130) or SIGTERM (143), with all results until then stored and shown.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from enum import IntEnum
from importlib import import_module
from typing import TYPE_CHECKING

import click

from quicmatrix.runner.cli.output import tolerant_output
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.printable import printable

if TYPE_CHECKING:
    from quicmatrix.runner.model.run import RunResult


class ExitCode(IntEnum):
    """What the shell gets to know."""

    OK = 0
    FAILED = 1
    WRONG_USE = 2
    BUG = 3
    NOTHING_SELECTED = 5
    SIGNALLED = 128
    """Plus the signal's number."""


def exit_code(result: RunResult) -> ExitCode:
    """The exit code of a command whose result this is: the last attempt at each job decides.

    A conformance run without a case that was executed says nothing, as if it had not been possible.
    """
    from quicmatrix.runner.results.conformance import nothing_known  # noqa: PLC0415 - as below
    from quicmatrix.runner.results.known_outcomes import (  # noqa: PLC0415 - as below
        explains,
        unexpected_passes,
    )
    from quicmatrix.runner.results.matrix import (  # noqa: PLC0415 - there is a result now
        needs_attention,
        settled,
        unsupported_everything,
    )

    if result.is_conformance and nothing_known(result):
        return ExitCode.WRONG_USE
    last = settled(result.jobs)
    failed = any(
        needs_attention(job.verdict.outcome) and not explains(job, result.announced) for job in last
    )
    failed |= bool(unexpected_passes(last, result.announced))
    failed |= bool(unsupported_everything(result.jobs))
    return ExitCode.FAILED if failed else ExitCode.OK


COMMANDS = {
    "run": ("run", "Run implementations against each other and judge them."),
    "conform": ("conform", "Find out what implementations do that the RFCs forbid."),
    "list": ("listing", "Show which tests, implementations and scenarios there are."),
    "judge": ("judge", "Judge again what a run stored, without running anything."),
    "explain": ("explain", "Explain a verdict by the packets around each violation."),
    "image": ("image", "Find out whether an image honours the contract of quic-interop-runner."),
    "doctor": ("doctor", "Find out whether tests can run here, and what is missing."),
    "clean": ("clean", "Remove what dead runs left behind."),
}
"""Every subcommand: the module below this one whose ``command`` it is, and its line in
``--help``. (A module called ``list`` would hide the builtin in this one.)"""


class LazyGroup(click.Group):
    """A group that imports a subcommand when it is called, so that ``--help`` stays instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Their names, in the order in which one needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one."""
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        command = import_module(f"quicmatrix.runner.cli.{module}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List them without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


def _show_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version  # noqa: PLC0415 - costs more than all of --help

        click.echo(f"quicmatrix {version('quicmatrix')}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    help="Show the version and exit.",
)
@click.pass_context
def quicmatrix(context: click.Context) -> None:
    """Run QUIC implementations against each other and judge them by their packets.

    Start with 'quicmatrix doctor', then 'quicmatrix run -t handshake'. Your own program needs no
    configuration: 'quicmatrix run -c mine=./my-client'.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(ExitCode.WRONG_USE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; by default the process's own.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    with tolerant_output() as errors:
        code = _main(words)
    if not errors or code == ExitCode.BUG:
        return code
    hint = "give it another place to write to"
    if words[:1] == ["run"]:
        hint = "the run went on without it: everything is in runs/latest, or where -l says"
    return _wrong_use(f"not all output could be written: {errors[0].strerror}", hint)


def _main(words: list[str]) -> int:
    try:
        code = quicmatrix.main(words, "quicmatrix", standalone_mode=False, obj=tuple(words))
    except UserError as error:
        return _wrong_use(error.message, error.hint)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "quicmatrix"
        return _wrong_use(error.format_message(), f"'{where} --help' shows how it is used")
    except click.ClickException as error:
        return _wrong_use(error.format_message(), "")
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.SIGNALLED + 2
    except Exception as error:  # noqa: BLE001 - the last line of defence
        return _unforeseen(error)
    return int(code or ExitCode.OK)


def _wrong_use(message: str, hint: str) -> int:
    click.echo(f"error: {printable(message)}", err=True)
    if hint:
        click.echo(f"hint: {printable(hint)}", err=True)
    return ExitCode.WRONG_USE


_OF_THE_MACHINE = {
    errno.EACCES: "give yourself access to it, or name another place",
    errno.EROFS: "name a place that can be written to",
    errno.ENOSPC: "make room; what a run stored until then is complete: quicmatrix judge DIR",
    errno.EDQUOT: "make room; what a run stored until then is complete: quicmatrix judge DIR",
}
"""Errors of files that are never a bug of ours, and what to do about each."""


def _unforeseen(error: Exception) -> int:
    import traceback  # noqa: PLC0415 - only bugs need it

    wrapped = error
    while isinstance(wrapped, ExceptionGroup) and len(wrapped.exceptions) == 1:
        wrapped = wrapped.exceptions[0]
    if isinstance(wrapped, UserError):
        return _wrong_use(wrapped.message, wrapped.hint)
    if isinstance(wrapped, OSError) and wrapped.errno in _OF_THE_MACHINE:
        what = f"{wrapped.filename}: " if wrapped.filename else ""
        return _wrong_use(f"{what}{wrapped.strerror}", _OF_THE_MACHINE[wrapped.errno])
    for line in traceback.format_exception(error):
        for part in line.splitlines():
            click.echo(printable(part), err=True)
    click.echo("This is a bug in quicmatrix: please report it, with all of the above.", err=True)
    return ExitCode.BUG
