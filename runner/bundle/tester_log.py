"""The log of a conformance case's tester, among the logs of the side that it played."""

from __future__ import annotations

from pathlib import Path

import msgspec

from quicmatrix.runner.bundle.layout import TESTER_LOG
from quicmatrix.runner.bundle.regular_file import open_regular
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Step

_MAX_BYTES = 1 << 26


def read_steps(bundle: Path, tester: Side) -> tuple[Step, ...]:
    """The steps of a bundle's tester; none if it wrote no log.

    A line that is damaged ends them, as a step of the kind ``failed``: the tester is ours.
    """
    path = bundle / tester / TESTER_LOG
    try:
        with open_regular(path, _MAX_BYTES) as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return ()
    except OSError as error:
        return (Step(0.0, "failed", f"{TESTER_LOG}: {error.strerror}"),)
    steps: list[Step] = []
    for number, line in enumerate(lines, start=1):
        try:
            steps.append(msgspec.json.decode(line, type=Step))
        except msgspec.DecodeError as error:
            steps.append(Step(0.0, "failed", f"line {number} of {TESTER_LOG} is damaged: {error}"))
            break
    return tuple(steps)
