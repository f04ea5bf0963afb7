from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.implementation import Implementation, KnownOutcome
from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.plan.implementations import beside_ours, load, replaced
from quicmatrix.runner.plan.select import Selection, jobs, select
from quicmatrix.runner.plan.select import testcases as all_testcases
from quicmatrix.runner.sandbox.model import Form
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import TestCase
from tests.support.one_sandbox import REPOSITORY

CASES = tuple(
    TestCase(name, letter, "It works.", name, name, ())
    for name, letter in (("handshake", "H"), ("transfer", "DC"), ("retry", "S"))
)
PYTHON = (sys.executable,)
A = Implementation("a", commands={Side.CLIENT: PYTHON, Side.SERVER: PYTHON})
B = Implementation("b", roles=frozenset({Side.SERVER}), commands={Side.SERVER: PYTHON})
GONE = Implementation("gone", commands={Side.CLIENT: ("/nowhere/x",), Side.SERVER: ("/nowhere/x",)})


def chosen(tmp_path: Path, **words: Any) -> Selection:
    return select((A, B, GONE), cwd=tmp_path, cases=CASES, **words)


def names(implementations: tuple[Implementation, ...]) -> list[str]:
    return [implementation.name for implementation in implementations]


def test_everything_that_can_run_here_by_default(tmp_path: Path) -> None:
    selection = chosen(tmp_path)
    assert (names(selection.clients), names(selection.servers)) == (["a"], ["a", "b"])
    assert selection.tests == CASES
    assert "gone: there is no program /nowhere/x" in selection.left_out


def test_lists_of_names_and_letters_each_once(tmp_path: Path) -> None:
    selection = chosen(tmp_path, clients="a,a", servers="b, a", tests="S,handshake,retry")
    assert names(selection.servers) == ["b", "a"]
    assert [test.name for test in selection.tests] == ["retry", "handshake"]


def test_a_command_needs_no_file(tmp_path: Path) -> None:
    program = tmp_path / "my-client"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    selection = chosen(tmp_path, clients="mine=./my-client --fast", servers="a")
    (mine,) = selection.clients
    assert mine.commands == {Side.CLIENT: (str(program), "--fast")}
    assert mine.given == {Side.CLIENT: "./my-client --fast"}


def test_one_name_may_get_a_command_for_each_role(tmp_path: Path) -> None:
    selection = chosen(
        tmp_path, clients=f"mine={sys.executable} c", servers=f"mine={sys.executable} s"
    )
    (mine,) = selection.clients
    assert selection.servers == (mine,)
    assert {role: command[1] for role, command in mine.commands.items()} == {
        Side.CLIENT: "c",
        Side.SERVER: "s",
    }


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ({"tests": "handshak"}, "'handshak'", "handshake"),
        ({"tests": "s"}, "'s'", "S"),
        ({"clients": "aa"}, "'aa'", "a"),
        ({"must_include": "zz"}, "'zz'", "there are: a, b, gone"),
        ({"clients": "b"}, "b cannot be a client", ""),
        ({"clients": "gone"}, "/nowhere/x", "scripts/setup"),
        ({"clients": "x/../y=./z"}, "cannot be an implementation's name", ""),
        ({"clients": "x="}, "empty", ""),
        ({"clients": "x='"}, "cannot be split", ""),
        ({"clients": "./my-client"}, "'./my-client'", "give it a name: mine=./my-client"),
        ({"servers": "/opt/q --port"}, "'/opt/q --port'", "mine=/opt/q --port"),
        ({"clients": "program -v"}, "'program -v'", "give it a name: mine=./program -v"),
        ({"clients": "me/image:1"}, "'me/image:1'", "give it a name: mine=me/image:1"),
        ({"clients": "x=/bin/a,x=/bin/b"}, "x stands for two things", "use two names"),
        ({"clients": "a,a=/bin/true"}, "a stands for two things", "use two names"),
        ({"servers": "a=/bin/true,a"}, "a stands for two things", "use two names"),
    ],
)
def test_bad_words(tmp_path: Path, words: dict[str, str], message: str, hint: str) -> None:
    (tmp_path / "program").write_text("")
    with pytest.raises(UserError) as raised:
        chosen(tmp_path, **words)
    assert message in raised.value.message
    assert hint in raised.value.hint


@pytest.mark.parametrize(
    ("content", "mode", "message", "hint"),
    [
        (b"#!/bin/sh\n", 0o644, "program is not executable", "chmod +x"),
        (b"#!/bin/sh\r\nexit\r\n", 0o755, "ends with CR LF", "sed -i 's/\\r$//'"),
        (b"exit 127\n", 0o755, "whose first line names no interpreter", "#!/bin/sh"),
        (b"", 0o755, "whose first line names no interpreter", "#!/bin/sh"),
        (b"#! /nowhere/python3 -u\n", 0o755, "there is no interpreter /nowhere/python3", "line"),
        (b"#!", 0o755, "there is no interpreter", "line"),
    ],
)
def test_a_program_that_the_kernel_would_not_start(
    tmp_path: Path, content: bytes, mode: int, message: str, hint: str
) -> None:
    program = tmp_path / "program"
    program.write_bytes(content)
    program.chmod(mode)
    with pytest.raises(UserError) as raised:
        chosen(tmp_path, clients="mine=./program")
    assert raised.value.message.startswith("mine: ")
    assert message in raised.value.message
    assert hint in raised.value.hint


def test_a_folder_is_no_program(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder"):
        chosen(tmp_path, clients="mine=./")


@pytest.mark.parametrize("content", [b"#!/bin/sh -e\nexit\n", b"\x7fELF\0\0", b"MZ\0"])
def test_a_program_that_the_kernel_may_start(tmp_path: Path, content: bytes) -> None:
    program = tmp_path / "program"
    program.write_bytes(content)
    program.chmod(0o755)
    assert names(chosen(tmp_path, clients="mine=./program").clients) == ["mine"]


def test_an_image_without_a_command_says_what_runs_it(tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        select((Implementation("x", "x:1"),), cwd=tmp_path, cases=CASES, clients="x")
    assert raised.value.hint == "--backend docker runs its image"


def test_what_is_left_out_is_said_once(tmp_path: Path) -> None:
    left_out = chosen(tmp_path).left_out
    assert left_out.count("gone: there is no program /nowhere/x") == 1


def test_what_is_not_there_by_default_can_be_named(tmp_path: Path) -> None:
    selection = chosen(tmp_path, clients="a", by_default=("b",))
    assert (names(selection.clients), names(selection.servers)) == (["a"], ["b"])


def test_must_include_leaves_out_other_pairs(tmp_path: Path) -> None:
    selection = chosen(tmp_path, must_include="b")
    assert [(client.name, server.name) for client, server in selection.pairs] == [("a", "b")]


def test_each_repetition_has_a_seed_and_a_folder_of_its_own(tmp_path: Path) -> None:
    selection = chosen(tmp_path, servers="b", tests="S")
    first, second = jobs(selection, 7, 2)
    assert (first.seed, second.seed) == (7, 8)
    assert (first.folder, second.folder) == ("b_a/retry/1", "b_a/retry/2")
    assert jobs(selection, 7)[0].folder == "b_a/retry"


# --- implementations.json ----------------------------------------------------------------------


def written(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "implementations.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


KNOWN = {
    "test": "retry",
    "role": "client",
    "verdict": "failed",
    "reason": "makes a new ClientHello",
    "link": "https://example.org/1",
}


def test_what_is_known_is_read(tmp_path: Path) -> None:
    (one,) = load(written(tmp_path, {"x": {"known": [KNOWN | {"peer": "y"}]}}))
    assert one.known == (
        KnownOutcome(
            implementation="x",
            role=Side.CLIENT,
            test="retry",
            outcome=Outcome.FAILED,
            reason="makes a new ClientHello",
            link="https://example.org/1",
            peer="y",
        ),
    )


def test_the_documented_example_is_read(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "known.md").read_text(encoding="utf-8")
    known = load(written(tmp_path, page.partition("```json\n")[2].partition("```")[0]))
    assert [one.test for one in known[0].known] == ["connectionmigration"]
    select((*load(), *known), clients="reference", servers="reference", cwd=tmp_path)


def test_what_is_known_of_no_test_is_refused(tmp_path: Path) -> None:
    known = load(written(tmp_path, {"x": {"known": [KNOWN | {"test": "rety"}]}}))
    with pytest.raises(UserError, match="x: known: no test is called 'rety'") as raised:
        select(known, cwd=tmp_path)
    assert raised.value.hint == "did you mean retry?"


def test_our_own_file_knows_tests_that_exist(tmp_path: Path) -> None:
    assert any(one.known for one in load())
    select(load(), clients="reference", servers="reference", cwd=tmp_path)


def test_our_own_file_is_read() -> None:
    reference, ngtcp2, picoquic = load()
    assert reference.commands[Side.CLIENT][0] == sys.executable
    assert ngtcp2.commands[Side.SERVER][0].endswith("/ngtcp2/adapter")
    assert picoquic.commands[Side.SERVER][0].endswith("/picoquic/adapter")


def test_files_of_quic_interop_runner_load_unchanged(tmp_path: Path) -> None:
    entry = {"image": "x/y:latest", "url": "https://example.org", "role": "client"}
    (implementation,) = load(written(tmp_path, {"quic-go": entry}))
    assert implementation.roles == {Side.CLIENT}
    assert implementation.commands == {}


def test_a_command_for_each_role_relative_to_the_file(tmp_path: Path) -> None:
    entry = {"command": {"client": "./c -v", "server": "s"}}
    (implementation,) = load(written(tmp_path, {"x": entry}))
    assert implementation.commands[Side.CLIENT] == (str(tmp_path / "c"), "-v")
    assert implementation.commands[Side.SERVER] == ("s",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "truncated"),
        ({"x": {"role": "observer"}}, "observer"),
        ({"x": {"image": 3}}, "$[...].image"),
        ({"../x": {}}, "cannot be an implementation's name"),
        ({"x": {"command": ""}}, "x: command: a command is empty"),
        ({"x": {"imagee": "a"}}, "x: there is no key 'imagee'"),
        ({"x": {"image": "a", "URL": "b"}}, "x: there is no key 'URL'"),
        ({"x": {"known": [KNOWN | {"reasn": "b"}]}}, "x: known: there is no key 'reasn'"),
        ({"x": {"known": [{"test": "retry"}]}}, "role"),
        ({"x": {"known": [KNOWN | {"verdict": "passed"}]}}, "passed"),
        ({"x": {"known": [KNOWN | {"role": "both"}]}}, "both"),
        ({"x": {"known": [KNOWN | {"reason": " "}]}}, "x: known: retry: no reason is given"),
        ({"x": {"known": [KNOWN | {"link": "javascript:alert(1)"}]}}, "is no link"),
        ({"x": {"known": [KNOWN | {"link": "https://a b"}]}}, "is no link"),
        ({"x": {"known": [KNOWN | {"link": "ftp://a"}]}}, "is no link"),
    ],
)
def test_a_bad_file_is_named_with_the_reason(tmp_path: Path, content: object, message: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(UserError) as raised:
        load(path)
    assert str(path) in raised.value.message
    assert message in raised.value.message


def test_a_key_that_is_not_known_has_its_nearest_as_a_hint(tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        load(written(tmp_path, {"x": {"comand": "./x"}}))
    assert raised.value.hint == "did you mean command?"


def test_ours_stand_beside_those_of_another_file() -> None:
    theirs = Implementation("ngtcp2", "theirs:1")
    found = beside_ours((theirs,))
    assert names(found) == ["ngtcp2", "reference", "picoquic"]
    assert found[0] is theirs


def test_a_missing_file_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        load(tmp_path / "none.json")


def test_replacing_an_image() -> None:
    assert replaced((A, B), ["b=me/b:1"])[1].image == "me/b:1"
    assert [one.image for one in replaced((A, B), ["a=x, b=y"])] == ["x", "y"]
    with pytest.raises(UserError, match="'c'"):
        replaced((A, B), ["c=me/c"])
    with pytest.raises(UserError, match="name=image"):
        replaced((A, B), ["b"])


def test_quic_interop_runner_s_words_for_all_of_a_kind(tmp_path: Path) -> None:
    measured = TestCase("goodput", "G", "It is fast.", "g", "g", (), metric=lambda _: 1.0)
    cases = (*CASES, replace(measured, repetitions=5))

    def tests(words: str | None) -> list[str]:
        chosen = select((A,), cwd=tmp_path, cases=cases, tests=words)
        return [case.letter for case in chosen.tests]

    assert tests(None) == ["H", "DC", "S", "G"]
    assert tests("onlyTests") == ["H", "DC", "S"]
    assert tests("onlyMeasurements") == ["G"]
    assert tests("S,onlyMeasurements,goodput") == ["S", "G"]
    with pytest.raises(UserError, match="no test called 'onlytests'") as raised:
        tests("onlytests")
    assert "onlyTests" in raised.value.hint


def test_a_measurement_is_repeated_unless_somebody_says_how_often() -> None:
    measured = TestCase("goodput", "G", "It is fast.", "g", "g", (), repetitions=5)
    selection = Selection((A,), (A,), (CASES[0], measured))
    assert [(job.test, job.seed) for job in jobs(selection, 7)] == [
        ("handshake", 7),
        *(("goodput", seed) for seed in range(7, 12)),
    ]
    assert [job.test for job in jobs(selection, 7, 1)] == ["handshake", "goodput"]


# --- Images ---------------------------------------------------------------------------------------


def imaged(tmp_path: Path, *here: str, **words: Any) -> Selection:
    """Chosen where only these images are to be had."""

    def require(implementation: Implementation, role: Side) -> None:
        if implementation.image not in here:
            raise UserError(f"{implementation.name}: no image as {role}", "build it")

    known = (replace(A, image="a:1"), replace(B, image="b:1"), GONE)
    return select(known, cwd=tmp_path, form=Form.IMAGE, require=require, cases=CASES, **words)


def test_with_images_whoever_has_one_runs_whatever_commands_there_are(tmp_path: Path) -> None:
    selection = imaged(tmp_path, "b:1")
    assert (names(selection.clients), names(selection.servers)) == ([], ["b"])
    assert "gone: no image as client" in selection.left_out


def test_with_images_a_word_with_equals_is_one(tmp_path: Path) -> None:
    selection = imaged(tmp_path, "a:1", "me/x@sha256:12", clients="x=me/x@sha256:12", servers="a")
    assert [one.image for one in selection.clients] == ["me/x@sha256:12"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"clients": "a"}, "a: no image as client"),
        ({"clients": "x=y z"}, "'y z' cannot be the name of an image"),
        ({"clients": "x="}, "cannot be the name of an image"),
        ({"clients": "x=./program"}, "cannot be the name of an image"),
        ({"clients": "x=one", "servers": "x=two"}, "x is two images: one, two"),
    ],
)
def test_with_images_what_cannot_be_is_wrong_use(
    tmp_path: Path, words: dict[str, str], said: str
) -> None:
    with pytest.raises(UserError) as caught:
        imaged(tmp_path, "one", "two", **words)
    assert said in caught.value.message


def test_a_replacement_is_an_image_too() -> None:
    with pytest.raises(UserError, match="cannot be the name"):
        replaced((A,), ["a=./program"])


def test_a_letter_stands_for_every_test_that_has_it() -> None:
    twin = replace(CASES[0], name="handshake-again")
    selection = select((A,), tests="H", cwd=Path(), cases=(*CASES, twin))
    assert [test.name for test in selection.tests] == ["handshake", "handshake-again"]


def test_two_test_cases_with_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Twice:
        name = "twice"

        def load(self) -> tuple[TestCase, ...]:
            return (CASES[0], CASES[0])

    monkeypatch.setattr("quicmatrix.runner.plan.select.entry_points", lambda group: [Twice()])
    with pytest.raises(UserError, match="two test cases are called 'handshake'"):
        all_testcases()
