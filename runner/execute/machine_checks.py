"""What a run needs of the machine, each thing as one check with its outcome and what to do."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from quicmatrix.runner import needs
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.plan.implementations import setup_hint
from quicmatrix.runner.sandbox.model import Backend
from quicmatrix.runner.trace.model import Side


class State(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """Runs work, but not all of them, or not as well as they could."""
    FAIL = "fail"
    """Runs do not work."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    state: State
    found: str
    advice: str = ""
    """What to do; empty if all is well."""


def python() -> Check:
    """The interpreter."""
    fine = sys.version_info >= needs.PYTHON
    return Check(
        "python",
        State.OK if fine else State.FAIL,
        f"{platform.python_version()} ({sys.executable})",
        "" if fine else "install Python 3.11 or newer",
    )


def tools(wanted: Mapping[str, str], found: Callable[[str], str | None] = needs.find) -> Check:
    """The programs that a sandbox is made with.

    Args:
        wanted: By program, the package that has it.
        found: Finds a program.
    """
    missing = needs.missing(wanted, found)
    if not missing:
        return Check("tools", State.OK, ", ".join(wanted))
    advice = f"apt-get install {needs.packages(missing)}"
    return Check("tools", State.FAIL, f"missing: {', '.join(missing)}", advice)


def attempted(name: str, attempt: Callable[[], str]) -> Check:
    """A check that works or raises :class:`~quicmatrix.runner.errors.UserError` with its advice."""
    try:
        return Check(name, State.OK, attempt())
    except UserError as error:
        return Check(name, State.FAIL, error.message, error.hint)


def sandbox(check: Callable[[], Sequence[str]]) -> Check:
    """Whether sandboxes can be made, and what they cannot do here.

    Args:
        check: A backend's, which ``run`` calls too.
    """
    try:
        remarks = check()
    except UserError as error:
        return Check("sandbox", State.FAIL, error.message, error.hint)
    found = "; ".join(("namespaces can be made", *remarks))
    if not remarks:
        return Check("sandbox", State.OK, found)
    return Check("sandbox", State.WARN, found, "root has control groups and overlays nearly always")


def docker(version: Callable[[], str]) -> Check:
    """The engine that --backend docker needs, and nothing else does.

    Args:
        version: Says what it is, or raises :class:`~quicmatrix.runner.errors.UserError`.
    """
    try:
        return Check("docker", State.OK, f"engine {version()}; --backend docker runs images")
    except UserError as error:
        found = f"{error.message}; optional, local commands run without it"
        return Check("docker", State.OK, found)


def implementations(
    known: Sequence[Implementation], obstacle: Callable[[Implementation, Side], str]
) -> Iterator[Check]:
    """Each implementation's local commands, then whether there is anything at all to run.

    Args:
        known: The implementations.
        obstacle: Says why one cannot be started in a role, as a backend does.
    """
    ready = 0
    for one in known:
        missing = obstacles(one, obstacle)
        ready += any(not obstacle(one, role) for role in one.roles)
        name = f"implementation {one.name}"
        roles = ", ".join(sorted(one.roles))
        if missing:
            yield Check(name, State.WARN, "; ".join(missing), setup_hint())
        else:
            yield Check(name, State.OK, f"can run as {roles}")
    if not ready:
        yield Check(
            "implementations",
            State.FAIL,
            "none can run here",
            f"{setup_hint()}; -c name=./program names your own",
        )


def obstacles(
    implementation: Implementation, obstacle: Callable[[Implementation, Side], str]
) -> list[str]:
    """What its roles lack to run here, each thing once."""
    problems = [obstacle(implementation, role) for role in sorted(implementation.roles)]
    return list(dict.fromkeys(problem for problem in problems if problem))


def leftovers(backend: Backend) -> Check:
    """What dead runs left behind."""
    found = backend.leftovers()
    if not found:
        return Check("leftovers", State.OK, "none")
    return Check("leftovers", State.WARN, "; ".join(found), "quicmatrix clean removes them")
