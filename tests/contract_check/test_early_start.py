"""A client that is started before there is a sim, in real namespaces."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from quicmatrix.runner.contract_check.cases import contract_cases
from quicmatrix.runner.contract_check.early_start import early_start
from quicmatrix.runner.contract_check.model import EarlyStart, EndpointLogs
from quicmatrix.runner.contract_check.requirements import REQUIREMENTS
from quicmatrix.runner.execute.attempt import Stage
from quicmatrix.runner.judge.bundle import decode
from quicmatrix.runner.judge.evaluate import evaluate
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.model.verdict import RequirementResult, Status
from quicmatrix.runner.plan import select
from quicmatrix.runner.plan.implementations import load
from quicmatrix.runner.sandbox.model import Limits
from quicmatrix.runner.sandbox.netns.netns import NetnsBackend
from quicmatrix.runner.trace.model import Side
from tests.support.good_contract import with_result

VARIANTS = Path(__file__).parents[1] / "images" / "variants"
REFERENCE = next(one for one in load() if one.name == "reference")
(CASE,) = (case for case in contract_cases(select.testcases()) if case.early)
(ABOUT,) = (one for one in REQUIREMENTS if one.name == "client_waits_for_the_sim")

pytestmark = [pytest.mark.netns, pytest.mark.tshark]


async def start(command: tuple[str, ...], folder: Path, scratch: Path) -> RequirementResult:
    """The result of a client that is started too early."""
    assert CASE.test is not None
    client = Implementation("under_test", commands={Side.CLIENT: command})
    backend = NetnsBackend(stop_grace_s=1.0)
    backend.check()
    stage = Stage(backend, "early", scratch, Path.cwd(), Limits())
    players = {Side.CLIENT: client, Side.SERVER: REFERENCE}
    exit_, datagrams = await early_start(players, CASE.test, folder, scratch, stage, seed=1)
    trace = None if exit_ else await asyncio.to_thread(decode, folder)
    early = EarlyStart(exit_, datagrams, EndpointLogs(), trace)
    return evaluate(ABOUT.requirement, with_result("client-early", early))


def test_a_client_waits_or_begins_at_once(tmp_path: Path) -> None:
    def variant(name: str) -> tuple[str, ...]:
        return (sys.executable, "-P", str(VARIANTS / f"{name}.py"))

    for name in ("as", "bs"):
        (tmp_path / name).mkdir()

    async def both() -> tuple[RequirementResult, RequirementResult]:
        return await asyncio.gather(
            start(variant("waits_for_the_sim"), tmp_path / "a", tmp_path / "as"),
            start(variant("begins_at_once"), tmp_path / "b", tmp_path / "bs"),
        )

    waits, begins = asyncio.run(both())
    assert waits.status is Status.HELD
    assert waits.reason == "it sent its first packet when the sim was ready"
    assert [one.packet_type for one in waits.evidence] == ["Initial"]
    (violation,) = begins.violations
    assert violation.message.endswith(" datagrams to the server before sim was ready")
    assert list((tmp_path / "a" / "server" / "qlog").iterdir()), "logs are kept"


def test_a_client_that_ends_at_once_does_not_wait(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    found = asyncio.run(start(("/bin/false",), tmp_path / "a", tmp_path / "s"))
    (violation,) = found.violations
    assert violation.message == "it exited with 1 before the sim was ready"
