from __future__ import annotations

from pathlib import Path

import pytest

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.execute import machine_checks
from quicmatrix.runner.execute.machine_checks import Check, State
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.plan.implementations import missing_program
from quicmatrix.runner.sandbox.fake import FakeBackend
from quicmatrix.runner.trace.model import Side

HERE = ("/bin/true",)
GONE = ("/nowhere/program",)


def test_this_python_is_fine() -> None:
    assert machine_checks.python().state is State.OK


def test_missing_tools_are_named_with_their_packages() -> None:
    packages = {"ip": "iproute2", "unshare": "util-linux", "nsenter": "util-linux"}
    assert machine_checks.tools(packages, lambda tool: f"/bin/{tool}").state is State.OK
    check = machine_checks.tools(packages, lambda tool: "/bin/ip" if tool == "ip" else None)
    assert check == Check(
        "tools", State.FAIL, "missing: unshare, nsenter", "apt-get install util-linux"
    )


def test_an_attempt_fails_with_its_own_advice() -> None:
    def refuse() -> str:
        raise UserError("no tshark", "install it")

    assert machine_checks.attempted("x", refuse) == Check(
        "x", State.FAIL, "no tshark", "install it"
    )
    assert machine_checks.attempted("x", lambda: "4.0") == Check("x", State.OK, "4.0")


def test_what_a_sandbox_cannot_do_is_a_warning() -> None:
    def refuse() -> list[str]:
        raise UserError("no namespaces", "be root")

    assert machine_checks.sandbox(list).state is State.OK
    check = machine_checks.sandbox(lambda: ["endpoints are not limited in memory"])
    assert (check.state, "not limited in memory" in check.found) == (State.WARN, True)
    check = machine_checks.sandbox(refuse)
    assert (check.state, check.found, check.advice) == (State.FAIL, "no namespaces", "be root")


def test_docker_is_never_needed() -> None:
    def refuse() -> str:
        raise UserError("there is no Docker engine", "install it")

    check = machine_checks.docker(refuse)
    assert check.state is State.OK
    assert check.found.startswith("there is no Docker engine; optional")
    assert machine_checks.docker(lambda: "20.10").found.startswith("engine 20.10")


def test_an_implementation_that_cannot_run_is_a_warning() -> None:
    both = Implementation("both", commands={Side.CLIENT: HERE, Side.SERVER: HERE})
    half = Implementation("half", commands={Side.CLIENT: HERE, Side.SERVER: GONE})
    found = list(machine_checks.implementations([both, half], missing_program))
    assert [check.state for check in found] == [State.OK, State.WARN]
    assert "there is no program /nowhere/program" in found[1].found


def test_no_implementation_that_can_run_is_a_failure() -> None:
    gone = Implementation("gone", commands={Side.CLIENT: GONE, Side.SERVER: GONE})
    found = list(machine_checks.implementations([gone], missing_program))
    assert [check.state for check in found] == [State.WARN, State.FAIL]
    assert found[0].found == "gone: there is no program /nowhere/program"


@pytest.mark.parametrize(
    ("remains", "state"), [([], State.OK), (["process 7 of run x"], State.WARN)]
)
def test_leftovers_are_a_warning(remains: list[str], state: State, tmp_path: Path) -> None:
    check = machine_checks.leftovers(FakeBackend({}, remains=remains))
    assert check.state is state
    assert all(one in check.found for one in remains)
