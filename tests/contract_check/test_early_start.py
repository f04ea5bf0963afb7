"""A client that is started before there is a sim, in real namespaces."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from quicmatrix.runner.contract_check.cases import Kind, catalogue
from quicmatrix.runner.contract_check.early_start import early_start
from quicmatrix.runner.contract_check.model import EarlyStart, Finding, Logs, Standing
from quicmatrix.runner.contract_check.rules import RULES
from quicmatrix.runner.execute.attempt import Stage
from quicmatrix.runner.judge.judge import decode
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.plan import select
from quicmatrix.runner.plan.implementations import load
from quicmatrix.runner.sandbox.model import Limits
from quicmatrix.runner.sandbox.netns.netns import NetnsBackend
from quicmatrix.runner.trace.model import Side
from tests.support.good_contract import GOOD

VARIANTS = Path(__file__).parents[1] / "images" / "variants"
REFERENCE = next(one for one in load() if one.name == "reference")
(TRIAL,) = (trial for trial in catalogue(select.testcases()) if trial.kind is Kind.EARLY)
(RULE,) = (rule for rule in RULES if rule.name == "client_waits_for_the_sim")

pytestmark = [pytest.mark.netns, pytest.mark.tshark]


async def start(command: tuple[str, ...], folder: Path, scratch: Path) -> Finding:
    """What the rule says of a client."""
    assert TRIAL.test is not None
    client = Implementation("subject", commands={Side.CLIENT: command})
    backend = NetnsBackend(stop_grace_s=1.0)
    backend.check()
    stage = Stage(backend, "early", scratch, Path.cwd(), Limits())
    job = Job(client, REFERENCE, TRIAL.test, 1)
    ended, datagrams = await early_start(job, folder, scratch, stage)
    early = EarlyStart(ended, datagrams, Logs(), None if ended else await decode(folder))
    return RULE(replace(GOOD, early=early))


def test_who_waits_is_told_from_who_does_not(tmp_path: Path) -> None:
    def variant(name: str) -> tuple[str, ...]:
        return (sys.executable, "-P", str(VARIANTS / f"{name}.py"))

    for name in ("as", "bs"):
        (tmp_path / name).mkdir()

    async def both() -> tuple[Finding, Finding]:
        return await asyncio.gather(
            start(variant("waits_for_the_sim"), tmp_path / "a", tmp_path / "as"),
            start(variant("begins_at_once"), tmp_path / "b", tmp_path / "bs"),
        )

    waits, begins = asyncio.run(both())
    assert waits == Finding(Standing.OK, "its first packet came when the sim was ready")
    assert begins.standing is Standing.BROKEN
    assert begins.evidence.endswith(" datagrams to the server before there was a sim")
    assert list((tmp_path / "a" / "server" / "qlog").iterdir()), "logs are kept"


def test_who_gives_up_at_once_does_not_wait(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    found = asyncio.run(start(("/bin/false",), tmp_path / "a", tmp_path / "s"))
    assert found == Finding(Standing.BROKEN, "without the sim, it exited with 1 at once: no word")
