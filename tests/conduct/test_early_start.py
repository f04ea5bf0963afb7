"""A client that is started before there is a sim, in real namespaces."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from good_conduct import GOOD

from runner import select
from runner.conduct.early_start import early_start
from runner.conduct.model import EarlyStart, Finding, Logs, Standing
from runner.conduct.rules import RULES
from runner.conduct.trials import Kind, catalogue
from runner.execute.attempt import Stage
from runner.implementations import load
from runner.judge import decode
from runner.model import Implementation, Job
from runner.sandbox.model import Limits
from runner.sandbox.netns import NetnsBackend
from runner.trace.model import Side

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
