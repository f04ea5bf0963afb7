"""One line for each finished job: for pipes, files and the logs of CI systems.

::

    [ 3/48] passed  client reference  server ngtcp2  handshake  1.2 s

No line is ever changed once written, and none has a control character in it.
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from quicmatrix.runner.console.closing import STYLES
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.model.run import JobResult, RunResult
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results import formatting
from quicmatrix.runner.results.matrix import needs_attention
from quicmatrix.runner.results.run_files import Plan


class Lines:
    """Prints a run line by line.

    Args:
        console: Where to.
        debug: Whether to print a line for each start too.
    """

    def __init__(self, console: Console, *, debug: bool = False) -> None:
        self._console = console
        self._debug = debug
        self._planned = 0
        self._done = 0
        self._widths = (0, 0, 0)

    def run_started(self, plan: Plan, folder: Path) -> None:
        """Print how much there is to do, and where it is stored."""
        jobs = plan.jobs
        self._planned = len(jobs)
        self._widths = (
            max((len(printable(job.client)) for job in jobs), default=0),
            max((len(printable(job.server)) for job in jobs), default=0),
            max((len(printable(_test(job.test, job.repetition, 1))) for job in jobs), default=0),
        )
        attempts = "attempt" if len(jobs) == 1 else "attempts"
        self._say(Text(f"{len(jobs)} {attempts}, stored in {printable(str(folder))}"))

    def job_started(self, job: Job) -> None:
        """Print it under --debug. Another attempt at a job was not planned."""
        self._planned += job.attempt > 1
        if self._debug:
            who = printable(f"client {job.client}, server {job.server}")
            self._say(Text(f"started {who}: {printable(job.test)}, seed {job.seed}", "dim"))

    def job_finished(self, result: JobResult) -> None:
        """Print how it ended."""
        self._done += 1
        digits = len(str(self._planned))
        client, server, test = self._widths
        outcome = result.verdict.outcome
        line = Text(f"[{self._done:>{digits}}/{self._planned}] ")
        line.append(f"{outcome:<13}", STYLES[outcome])
        line.append(
            f"  client {printable(result.client):<{client}}"
            f"  server {printable(result.server):<{server}}"
            f"  {printable(_test(result.test, result.repetition, result.attempt)):<{test}}"
            f"  {formatting.duration(result.duration_s)}"
        )
        if result.sample:
            line.append(f"  {result.sample.kbps:.0f} kbps", "bold")
        self._say(line)
        if result.sample and result.sample.doubt:
            doubt = f"unreliable: {printable(result.sample.doubt)}"
            self._say(Text(f"{'':{2 * digits + 4}}{doubt}", "bold yellow"))
        if needs_attention(outcome) and result.verdict.reason:
            self._say(Text(f"{'':{2 * digits + 4}}{printable(result.verdict.reason)}"))

    def note(self, message: str) -> None:
        """A line of its own."""
        self._say(Text(f"note: {printable(message)}"))

    def run_finished(self, result: RunResult) -> None:
        """Nothing: :mod:`quicmatrix.runner.console.closing` prints the end."""

    def _say(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)


def _test(name: str, repetition: int, attempt: int) -> str:
    words = name if repetition == 1 else f"{name} #{repetition}"
    return words if attempt == 1 else f"{words} (attempt {attempt})"
