"""Which conformance cases are to be run, and against whom. Starts nothing.

Cases are loaded only where they are asked for, since they bring the tester and aioquic along.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.attempt import AttemptRecord
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.model.job import Job, Participant, ParticipantKind
from quicmatrix.runner.plan import tester
from quicmatrix.runner.plan.select import define, testcases, unknown_implementation
from quicmatrix.runner.sandbox.model import Form
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Level, TestCase

if TYPE_CHECKING:
    from quicmatrix.testcases.conformance.model import Case

CASE_GROUP = "quicmatrix.conformance"
"""Entry points of this group are functions: without arguments they return all conformance cases,
and with an id at least the one that has it. Any distribution may bring some."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Who is tested, in which role, and by what."""

    tested: tuple[tuple[Implementation, Side], ...]
    """Implementations, each with a role in which it is tested."""
    cases: tuple[Case, ...]
    """In the order of their ids, without the controls that they need."""
    left_out: tuple[str, ...] = ()
    """What was not asked for explicitly and cannot run here, with the reason."""


def conformance_cases() -> tuple[Case, ...]:
    """All conformance cases there are, controls included, in the order of their ids.

    Raises:
        UserError: Two have the same id, or the control of one is missing.
    """
    found: list[Case] = []
    for entry in sorted(entry_points(group=CASE_GROUP), key=lambda entry: entry.name):
        found += entry.load()()
    ids = Counter(case.id for case in found)
    if twice := [one for one, times in ids.items() if times > 1]:
        raise UserError(f"two conformance cases are called {twice[0]!r}", "an id is unique")
    for case in found:
        if case.flow.control not in ids:
            raise UserError(f"{case.id} has no control: there is no {case.flow.control!r}")
    return tuple(sorted(found, key=_place))


def cases_for(record: AttemptRecord) -> dict[str, TestCase]:
    """The installed test cases that an attempt's may be one of, by name."""
    if record.tester is None:
        return {test.name: test for test in testcases()}
    found = (entry.load()(record.test) for entry in entry_points(group=CASE_GROUP))
    return {case.id: case.test_case for some in found for case in some}


def select_cases(words: str | None, level: Level | None, cases: Sequence[Case]) -> tuple[Case, ...]:
    """The cases that are wanted; without words all but the controls.

    Args:
        words: Ids, beginnings of ids and globs, separated by commas. A section stands for all
            below it: ``rfc9000/19`` and ``rfc9000/19/*`` are all of section 19, 19.8 included.
        level: Only those of this level, and controls; None: of any.
        cases: All there are.

    Raises:
        UserError: Nothing is called so.
    """
    wanted = {case.id for case in cases if not case.is_control}
    if words is not None:
        wanted = set()
        for word in filter(None, (word.strip() for word in words.split(","))):
            found = {case.id for case in cases if _matches(word, case.id)}
            if not found:
                raise _unknown_case(word, cases)
            wanted |= found
    return tuple(
        case
        for case in cases
        if case.id in wanted and (case.is_control or level in (None, case.level))
    )


def select_tested(
    words: Sequence[str],
    role: Side | None,
    implementations: Iterable[Implementation],
    *,
    cwd: Path,
    form: Form,
    require: Callable[[Implementation, Side], None],
) -> tuple[tuple[tuple[Implementation, Side], ...], tuple[str, ...]]:
    """Who is tested, and in which roles; what was left out, with the reason.

    Args:
        words: Names, or ``name=command``, or ``name=image`` if images are what runs.
        role: The role; None: those that an implementation has, and can have here.
        implementations: All that the file knows.
        cwd: What relative programs are relative to.
        form: What runs.
        require: Sees to it that one can run here; raises UserError if it cannot.

    Raises:
        UserError: One is unknown, or cannot be run here in any of the roles.
    """
    known = {one.name: one for one in implementations}
    roles = (role,) if role else tuple(Side)
    names: list[str] = []
    for word in words:
        name, equals, _ = word.partition("=")
        if name == tester.NAME:
            raise UserError(f"{name} is the name of what tests", "use another name")
        if not equals and name not in known:
            raise unknown_implementation(name, known, cwd)
        for one in roles if equals else ():
            define(word, one, known, form, cwd)
        names += [name] if name not in names else []
    tested: list[tuple[Implementation, Side]] = []
    left_out: list[str] = []
    for name in names:
        problems = {one: _problem(known[name], one, require) for one in roles}
        able = [one for one, problem in problems.items() if problem is None]
        refused = [problem for problem in problems.values() if problem is not None]
        if not able:
            raise refused[0]
        tested += [(known[name], one) for one in able]
        left_out += [problem.message for problem in refused]
    return tuple(tested), tuple(left_out)


def jobs(
    selection: Selection, cases: Iterable[Case], seed: int, repeat: int = 1
) -> tuple[Job, ...]:
    """The controls that the selected cases need, and the cases; for each who is tested.

    Args:
        selection: Who is tested by what.
        cases: All there are, to find controls among.
        seed: Of the first repetitions; repetition n gets the n-th one.
        repeat: How often each is done.
    """
    by_id = {case.id: case for case in cases}
    return tuple(
        Job(
            (
                Participant(tester.NAME, role.peer, ParticipantKind.TESTER),
                Participant(implementation.name, role),
            ),
            case.id,
            seed + repetition - 1,
            repetition,
            repeat,
            control="" if case.is_control else case.flow.control,
        )
        for implementation, role in selection.tested
        for case in _with_controls(selection.cases, role, by_id)
        for repetition in range(1, repeat + 1)
    )


def _with_controls(cases: Iterable[Case], role: Side, by_id: dict[str, Case]) -> Iterator[Case]:
    wanted = [case for case in cases if role in case.roles]
    controls = dict.fromkeys(case.flow.control for case in wanted)
    yield from (by_id[control] for control in controls)
    yield from (case for case in wanted if not case.is_control)


def _problem(
    implementation: Implementation, role: Side, require: Callable[[Implementation, Side], None]
) -> UserError | None:
    if role not in implementation.roles:
        return UserError(f"{implementation.name} cannot be a {role}", "its entry says so")
    try:
        require(implementation, role)
    except UserError as error:
        return error
    return None


def _place(case: Case) -> tuple[bool, list[list[tuple[str, int]]]]:
    """Sorts sections by their numbers, appendices behind them, controls first."""
    parts = re.split(r"[/.]", case.id)
    return not case.is_control, [
        [(word, int(digits or 0)) for word, digits in re.findall(r"(\D*)(\d*)", part)]
        for part in parts
    ]


def _matches(word: str, case_id: str) -> bool:
    return any(
        fnmatchcase(name, pattern)
        for name in _names(case_id)
        for pattern in (word, f"{word.rstrip('/')}/*")
    )


def _names(case_id: str) -> Iterator[str]:
    """The id, and what it would be in each section that its own is below."""
    first, *rest = case_id.split("/")
    yield case_id
    if len(rest) == 2:
        section, name = rest
        while "." in section:
            section = section.rpartition(".")[0]
            yield f"{first}/{section}/{name}"


def _unknown_case(word: str, cases: Sequence[Case]) -> UserError:
    ids = [case.id for case in cases]
    names = dict.fromkeys((*ids, *(one.rpartition("/")[2] for one in ids)))
    near = difflib.get_close_matches(word, names, n=3, cutoff=0.5)
    near = [next(one for one in ids if one.endswith(name)) for name in near]
    hint = f"did you mean {' or '.join(dict.fromkeys(near))}? " if near else ""
    return UserError(
        f"there is no conformance case called {word!r}",
        f"{hint}'quicmatrix list conformance' shows all",
    )
