"""What is to be run: from the words of the command line to a list of jobs. Starts nothing."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import TypeVar

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.model.job import Job, Participant
from quicmatrix.runner.plan.implementations import (
    parse_command,
    parse_image,
    require_program,
    valid_name,
)
from quicmatrix.runner.plan.overrides import overridden, parse_overrides
from quicmatrix.runner.sandbox.model import Form
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import TestCase, Unprompted

TESTCASE_GROUP = "quicmatrix.testcases"
"""Entry points of this group are tuples of test cases; any distribution may bring some."""
UNPROMPTED_GROUP = "quicmatrix.unprompted"
"""And of this one, tuples of :class:`quicmatrix.testcases.model.Unprompted`."""

ONLY_TESTS = "onlyTests"
ONLY_MEASUREMENTS = "onlyMeasurements"
"""quic-interop-runner's words for all test cases of a kind."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The axes of the matrix."""

    clients: tuple[Implementation, ...]
    servers: tuple[Implementation, ...]
    tests: tuple[TestCase, ...]
    must_include: str | None = None
    """Only pairs with this implementation in them, as -i asks."""
    overridden: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By test, what --set has set, as ``key=value``."""
    left_out: tuple[str, ...] = ()
    """What was not asked for by name and cannot run here, with the reason."""

    @property
    def pairs(self) -> tuple[tuple[Implementation, Implementation], ...]:
        """All (client, server) that will meet."""
        return tuple(
            (client, server)
            for client in self.clients
            for server in self.servers
            if self.must_include in (None, client.name, server.name)
        )


def testcases() -> tuple[TestCase, ...]:
    """All test cases there are, in the suite's order.

    Raises:
        UserError: Two have the same name.
    """
    found: list[TestCase] = []
    for entry in sorted(entry_points(group=TESTCASE_GROUP), key=lambda entry: entry.name):
        found += entry.load()
    names = Counter(case.name for case in found)
    if twice := [name for name, times in names.items() if times > 1]:
        raise UserError(f"two test cases are called {twice[0]!r}", "a name is a test case's id")
    return tuple(found)


def unprompted() -> tuple[Unprompted, ...]:
    """All requirements on what endpoints send of themselves."""
    found = (entry.load() for entry in entry_points(group=UNPROMPTED_GROUP))
    return tuple(one for table in found for one in table)


def select(
    implementations: Sequence[Implementation],
    *,
    clients: str | None = None,
    servers: str | None = None,
    tests: str | None = None,
    must_include: str | None = None,
    cwd: Path,
    form: Form = Form.COMMAND,
    require: Callable[[Implementation, Side], None] = require_program,
    cases: Sequence[TestCase] | None = None,
    by_default: Collection[str] | None = None,
    overrides: Iterable[str] = (),
) -> Selection:
    """Understand the comma lists of -c, -s, -t and the name of -i.

    An implementation is a name of the file or, without need of one, ``name=command``, or
    ``name=image`` if images are what runs. A test is a name or a letter; ``onlyTests`` and
    ``onlyMeasurements`` are all of either kind.

    Args:
        implementations: All that the file knows.
        clients: The words of -c; None: all that can run here.
        servers: The words of -s, likewise.
        tests: The words of -t; None: all.
        must_include: The word of -i, if any.
        cwd: What relative programs are relative to.
        form: What runs.
        require: Sees to it that one can run here; raises UserError if it cannot.
        cases: All test cases, if others than those that are installed.
        by_default: Those implementations that stand for all; None: every one. The others take part
            only if they are named.
        overrides: The words of --set.

    Raises:
        UserError: Something is unknown, with the nearest names, or cannot be run here.
    """
    cases = testcases() if cases is None else cases
    _check_known(implementations, cases)
    known = {implementation.name: implementation for implementation in implementations}
    left_out: list[str] = []
    named: dict[Side, list[str]] = {}
    for role, words in ((Side.CLIENT, clients), (Side.SERVER, servers)):
        if words is None:
            named[role] = [
                name
                for name, implementation in known.items()
                if (by_default is None or name in by_default)
                and _runnable(implementation, role, require, left_out)
            ]
        else:
            named[role] = [define(word, role, known, form, cwd) for word in _split(words)]
            if twice := [name for name, times in Counter(named[role]).items() if times > 1]:
                raise UserError(
                    f"{twice[0]} stands for two things in the {role}s {words}", "use two names"
                )
    for role, words in ((Side.CLIENT, clients), (Side.SERVER, servers)):
        for name in named[role] if words is not None else ():
            if role not in known[name].roles:
                raise UserError(f"{name} cannot be a {role}", "its entry says so")
            require(known[name], role)
    if must_include is not None and must_include not in known:
        raise unknown_implementation(must_include, known, cwd)
    settings = parse_overrides(overrides, cases)
    return Selection(
        clients=tuple(known[name] for name in named[Side.CLIENT]),
        servers=tuple(known[name] for name in named[Side.SERVER]),
        tests=overridden(_tests(tests, cases), settings),
        overridden={
            name: tuple(f"{key}={value}" for key, value in values.items())
            for name, values in settings.items()
        },
        must_include=must_include,
        left_out=tuple(dict.fromkeys(left_out)),
    )


def jobs(selection: Selection, seed: int, repeat: int | None = None) -> tuple[Job, ...]:
    """All jobs, pair by pair. Repetition n gets the n-th seed, so that each can be run again.

    Args:
        selection: The axes of the matrix.
        seed: Of the first repetitions.
        repeat: How often each is done; None: as often as its test case wants.
    """
    return tuple(
        Job(
            (Participant(client.name, Side.CLIENT), Participant(server.name, Side.SERVER)),
            test.name,
            seed + repetition - 1,
            repetition,
            repetitions,
        )
        for client, server in selection.pairs
        for test in selection.tests
        for repetitions in [test.repetitions if repeat is None else repeat]
        for repetition in range(1, repetitions + 1)
    )


def unknown(what: str, word: str, known: Iterable[str]) -> UserError:
    """Nothing of that name is known; the hint has the nearest names."""
    names = list(known)
    near = difflib.get_close_matches(word, names, n=3, cutoff=0.5)
    near = near or [name for name in names if name.lower() == word.lower()]
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(names)}"
    return UserError(f"there is no {what} called {word!r}", hint)


def unknown_implementation(word: str, known: Iterable[str], cwd: Path) -> UserError:
    """Nothing of that name is known; if it looks like a program or an image, how to name it.

    Args:
        word: What was asked for.
        known: The names of the implementations file.
        cwd: What relative programs are relative to.
    """
    error = unknown("implementation", word, known)
    if "/" in word or ":" in word or (cwd / word.split(" ", maxsplit=1)[0]).is_file():
        there = "" if "/" in word or ":" in word else "./"
        return UserError(error.message, f"give it a name: mine={there}{word}")
    return error


def _check_known(implementations: Sequence[Implementation], cases: Sequence[TestCase]) -> None:
    """Refuse what is known of tests that do not exist: it would announce nothing.

    Raises:
        UserError: There is such an entry.
    """
    names = [case.name for case in cases]
    for one in (entry for implementation in implementations for entry in implementation.known):
        if one.test not in names:
            near = difflib.get_close_matches(one.test, names, n=1, cutoff=0.5)
            raise UserError(
                f"{one.implementation}: known: no test is called {one.test!r}",
                f"did you mean {near[0]}?" if near else "quicmatrix list tests has all names",
            )


def _tests(words: str | None, cases: Sequence[TestCase]) -> tuple[TestCase, ...]:
    if words is None:
        return tuple(cases)
    by_word: dict[str, tuple[TestCase, ...]] = {}
    for case in cases:  # a letter may stand for several
        by_word[case.letter] = (*by_word.get(case.letter, ()), case)
    by_word |= {case.name: (case,) for case in cases}
    for word, measures in ((ONLY_TESTS, False), (ONLY_MEASUREMENTS, True)):
        by_word[word] = tuple(case for case in cases if case.is_measurement is measures)
    wanted: list[TestCase] = []
    for word in _split(words):
        if word not in by_word:
            raise unknown("test", word, by_word)
        wanted += by_word[word]
    return _unique(wanted, key=lambda case: case.name)


def define(word: str, role: Side, known: dict[str, Implementation], form: Form, cwd: Path) -> str:
    """The name that a word of -c or -s means; ``name=...`` is added to what is known."""
    name, equals, given = word.partition("=")
    if not equals:
        if name not in known:
            raise unknown_implementation(name, known, cwd)
        return name
    if not valid_name(name):
        raise UserError(
            f"{name!r} cannot be an implementation's name",
            "letters, digits, '.', '+' and '-', 64 at most",
        )
    before = known.get(name, Implementation(name, roles=frozenset()))
    after = replace(before, roles=before.roles | {role}, given={**before.given, role: given})
    if form is Form.COMMAND:
        commands = {**before.commands, role: parse_command(given, cwd)}
        known[name] = replace(after, commands=commands)
    elif {given} != set(after.given.values()):
        raise UserError(f"{name} is two images: {', '.join(after.given.values())}", "use two names")
    else:
        known[name] = replace(after, image=parse_image(given))
    return name


def _runnable(
    implementation: Implementation,
    role: Side,
    require: Callable[[Implementation, Side], None],
    left_out: list[str],
) -> bool:
    if role not in implementation.roles:
        return False
    try:
        require(implementation, role)
    except UserError as error:
        left_out.append(error.message)
        return False
    return True


def _split(words: str) -> list[str]:
    return list(_unique([word.strip() for word in words.split(",") if word.strip()]))


T = TypeVar("T")


def _unique(items: Iterable[T], key: Callable[[T], object] = lambda item: item) -> tuple[T, ...]:
    return tuple({key(item): item for item in items}.values())
