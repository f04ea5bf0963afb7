from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.execute.attempt import new_record
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.model.job import Job, Participant, ParticipantKind
from quicmatrix.runner.plan.conformance import (
    Selection,
    cases_for,
    conformance_cases,
    jobs,
    select_cases,
    select_tested,
)
from quicmatrix.runner.plan.implementations import require_program
from quicmatrix.runner.sandbox.model import Form
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.conformance.model import Case
from quicmatrix.testcases.model import Level
from tests.support.conformance_cases import CASES, made_up

PYTHON = (sys.executable,)
A = Implementation("a", commands=dict.fromkeys(Side, PYTHON))
B = Implementation("b", roles=frozenset({Side.SERVER}), commands={Side.SERVER: PYTHON})
HALF = Implementation("half", commands={Side.SERVER: PYTHON})
GONE = Implementation("gone", commands=dict.fromkeys(Side, ("/nowhere/x",)))


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[Case]:
    """What an entry point brings; may be changed."""
    found = list(CASES)

    class Entry:
        name = "cases"

        def load(self) -> Callable[..., Sequence[Case]]:
            return lambda _="": found

    monkeypatch.setattr("quicmatrix.runner.plan.conformance.entry_points", lambda group: [Entry()])
    return found


def test_cases_are_in_the_order_of_sections(installed: list[Case]) -> None:
    installed.reverse()
    assert conformance_cases() == CASES


def test_an_id_is_unique(installed: list[Case]) -> None:
    installed.append(made_up("rfc9000/4.5/final-size"))
    with pytest.raises(UserError, match="two conformance cases are called"):
        conformance_cases()


def test_a_case_has_its_control(installed: list[Case]) -> None:
    installed.remove(next(case for case in CASES if case.id == "control/retry"))
    with pytest.raises(UserError, match="rfc9001/5/retry-tag has no control"):
        conformance_cases()


def test_an_attempt_with_a_tester_is_one_of_them(installed: list[Case]) -> None:
    job = Job(
        (Participant("tester", Side.CLIENT, ParticipantKind.TESTER), Participant("a", Side.SERVER)),
        "rfc9000/4.5/final-size",
        1,
    )
    record = new_record(job, "", 0.0)
    assert cases_for(record)["rfc9000/4.5/final-size"].client == "transfer"
    assert "handshake" in cases_for(replace(record, tester=None))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("rfc9000/4.5/final-size", "final-size"),
        ("rfc9000/19.8", "stream-fin stream-offset"),
        ("rfc9000/19", "stream-fin stream-offset stream-data"),
        ("rfc9000/19/", "stream-fin stream-offset stream-data"),
        ("rfc9000/19/*", "stream-fin stream-offset stream-data"),
        ("rfc9000/19.8/*-fin", "stream-fin"),
        ("*/stream-*", "stream-fin stream-offset stream-data stream-number"),
        ("rfc9001", "retry-tag"),
        ("rfc9001, rfc9000/A.1", "stream-number retry-tag"),
        ("control/transfer,rfc9001", "transfer retry-tag"),
        (
            None,
            "final-size short-reset stream-fin stream-offset stream-data stream-number retry-tag",
        ),
    ],
)
def test_ids_sections_and_globs(words: str | None, expected: str) -> None:
    found = select_cases(words, None, CASES)
    assert [case.id.rpartition("/")[2] for case in found] == expected.split()


@pytest.mark.parametrize("word", ["rfc9000/1", "rfc9000/19.1", "rfc9000/4.5/final", "rfc90"])
def test_a_section_is_named_in_full(word: str) -> None:
    with pytest.raises(UserError, match="there is no conformance case called"):
        select_cases(word, None, CASES)


def test_an_unknown_case_has_the_nearest_ones_as_a_hint() -> None:
    with pytest.raises(UserError) as raised:
        select_cases("rfc9001,rfc9000/4.5/final-sise", None, CASES)
    assert raised.value.message == "there is no conformance case called 'rfc9000/4.5/final-sise'"
    assert "did you mean rfc9000/4.5/final-size" in raised.value.hint
    with pytest.raises(UserError) as raised:
        select_cases("final-size", None, CASES)
    assert "did you mean rfc9000/4.5/final-size?" in raised.value.hint


def test_a_level_leaves_out_the_others_but_no_control() -> None:
    found = select_cases("rfc9000/4.5,rfc9000/19.8,control/retry", Level.MUST, CASES)
    assert [case.id for case in found] == [
        "control/retry",
        "rfc9000/19.8/stream-fin",
        "rfc9000/19.8/stream-offset",
    ]


def chosen(
    *words: str, role: Side | None = None, cwd: Path = Path()
) -> tuple[list[tuple[str, Side]], tuple[str, ...]]:
    found, left_out = select_tested(
        words,
        role,
        (A, B, HALF, GONE),
        cwd=cwd,
        form=Form.COMMAND,
        require=require_program,
    )
    return [(one.name, its) for one, its in found], left_out


def test_roles_are_those_that_it_has() -> None:
    assert chosen("a") == ([("a", Side.CLIENT), ("a", Side.SERVER)], ())
    assert chosen("a", "b", role=Side.SERVER)[0] == [("a", Side.SERVER), ("b", Side.SERVER)]
    assert chosen("b") == ([("b", Side.SERVER)], ("b cannot be a client",))
    assert chosen("half") == (
        [("half", Side.SERVER)],
        ("half has no local command as client",),
    )


@pytest.mark.parametrize(
    ("word", "role", "message"),
    [
        ("b", Side.CLIENT, "b cannot be a client"),
        ("half", Side.CLIENT, "half has no local command as client"),
        ("gone", None, "gone: there is no program /nowhere/x"),
        ("nobody", None, "there is no implementation called 'nobody'"),
        ("tester=/bin/true", None, "tester is the name of what tests"),
    ],
)
def test_who_cannot_be_tested(word: str, role: Side | None, message: str) -> None:
    with pytest.raises(UserError) as raised:
        chosen(word, role=role)
    assert raised.value.message == message


def test_a_command_needs_no_file(tmp_path: Path) -> None:
    program = tmp_path / "mine"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert chosen("mine=./mine --x", cwd=tmp_path)[0] == [
        ("mine", Side.CLIENT),
        ("mine", Side.SERVER),
    ]
    assert chosen("mine=./mine", role=Side.CLIENT, cwd=tmp_path)[0] == [("mine", Side.CLIENT)]


def planned(words: str | None, *tested: tuple[Implementation, Side], repeat: int = 1) -> list[Job]:
    selection = Selection(tested, select_cases(words, None, CASES))
    return list(jobs(selection, CASES, 7, repeat))


def test_each_job_has_a_tester_and_each_case_its_control_before_it() -> None:
    found = planned("rfc9000/19.8,rfc9001", (A, Side.SERVER), (A, Side.CLIENT))
    assert [(job.tester, job.test, job.control) for job in found] == [
        (Side.CLIENT, "control/transfer", ""),
        (Side.CLIENT, "control/retry", ""),
        (Side.CLIENT, "rfc9000/19.8/stream-fin", "control/transfer"),
        (Side.CLIENT, "rfc9000/19.8/stream-offset", "control/transfer"),
        (Side.CLIENT, "rfc9001/5/retry-tag", "control/retry"),
        (Side.SERVER, "control/transfer", ""),
        (Side.SERVER, "control/retry", ""),
        (Side.SERVER, "rfc9000/19.8/stream-offset", "control/transfer"),
        (Side.SERVER, "rfc9001/5/retry-tag", "control/retry"),
    ]
    assert {job.seed for job in found} == {7}
    assert found[2].folder == "a_tester/rfc9000/19.8/stream-fin"
    assert found[-1].folder == "tester_a/rfc9001/5/retry-tag"
    assert found[2].control_job == found[0]


def test_repetitions_have_seeds_of_their_own() -> None:
    found = planned("rfc9000/4.5", (A, Side.SERVER), repeat=2)
    assert [(job.test.rpartition("/")[2], job.repetition, job.seed) for job in found] == [
        ("transfer", 1, 7),
        ("transfer", 2, 8),
        ("final-size", 1, 7),
        ("final-size", 2, 8),
    ]
    assert [job.control_job for job in found[2:]] == found[:2]


def test_a_case_that_is_for_the_other_role_makes_no_job() -> None:
    assert planned("rfc9000/10.3", (A, Side.SERVER)) == []
    assert [job.test for job in planned("control/retry", (A, Side.SERVER))] == ["control/retry"]
