"""The check, whole: it passes for the reference endpoint, and names the rule that a variant breaks.

All variants are checked side by side, each by the rules that it is about and some that it keeps.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner import select
from runner.conduct.model import Judged, Standing
from runner.conduct.observe import Setting, observe
from runner.conduct.rules import RULES, judge, needed, select_rules
from runner.conduct.trials import Trial, catalogue
from runner.execute.attempt import Stage
from runner.implementations import load
from runner.model import Implementation
from runner.sandbox.label import Label, Runner, attach, scratch_folder
from runner.sandbox.model import Backend, Limits
from runner.sandbox.netns import NetnsBackend
from runner.trace.model import Side

VARIANTS = Path(__file__).parent / "variants"
REFERENCE = next(one for one in load() if one.name == "reference")
QUICMATRIX = Path(sys.executable).with_name("quicmatrix")
START_S = 6.0


@dataclass(frozen=True, slots=True)
class Variant:
    """A broken endpoint."""

    name: str
    breaks: frozenset[str]
    """The rules that have to be named."""
    checked: str
    """The rules that are checked, some of which it keeps."""
    roles: frozenset[Side]
    unseen: frozenset[str] = frozenset()
    """What cannot be told because of that."""


def variant(
    name: str, *breaks: str, keeps: Sequence[str] = (), unseen: Sequence[str] = ()
) -> Variant:
    checked = (*breaks, *keeps, *unseen)
    roles = frozenset(rule.role for rule in RULES if rule.name in checked if rule.role)
    return Variant(name, frozenset(breaks), ",".join(checked), roles, frozenset(unseen))


BROKEN = (
    variant(
        "ignores_unknown_testcases",
        "server_exits_127_for_an_unknown_testcase",
        "client_exits_127_for_an_unknown_testcase",
        keeps=["it_starts"],
    ),
    variant(
        "sends_no_version_negotiation",
        "server_answers_with_version_negotiation",
        unseen=["server_serves_www", "server_stops_on_sigterm", "server_obeys_retry"],
    ),
    variant(
        "exits_0_when_it_fails",
        "client_exits_1_when_the_handshake_fails",
        "client_exits_1_when_a_file_is_not_there",
    ),
    variant(
        "exits_3_when_it_is_done",
        "client_exits_0_when_it_is_done",
        keeps=["client_downloads_what_was_requested"],
    ),
    variant(
        "keeps_no_key_log",
        "server_key_log_decrypts_its_packets",
        "client_key_log_decrypts_its_packets",
        keeps=["server_serves_www", "server_writes_qlog", "client_writes_qlog"],
    ),
    variant(
        "does_not_stop",
        "server_stops_on_sigterm",
        "server_stops_within_a_second",
        keeps=["server_serves_www", "server_key_log_decrypts_its_packets"],
    ),
    variant(
        "knows_transfer_only",
        "server_obeys_retry",
        "client_obeys_chacha20",
    ),
    variant(
        "adds_a_file",
        "client_leaves_nothing_else_in_downloads",
        keeps=["client_downloads_what_was_requested", "client_exits_0_when_it_is_done"],
    ),
)


async def check(
    one: Variant, subject: Implementation, backend: Backend, folder: Path, scratch: Path
) -> tuple[Judged, ...]:
    """Check a variant by its rules."""
    rules = select_rules(one.checked, one.roles)
    is_image = subject.image is not None
    trials = needed(rules, catalogue(select.testcases()), one.roles, is_image=is_image)
    stage = Stage(backend, "variants", scratch, Path.cwd(), Limits(), start_s=START_S, stop_s=2.0)
    (folder / one.name).mkdir()
    setting = Setting(subject, REFERENCE, stage, folder / one.name, parallel=2)
    seen = await observe(setting, trials, started=nothing, finished=nothing)
    return judge(seen, rules)


def nothing(_: Trial) -> None:
    pass


def local(name: str) -> Implementation:
    command = (sys.executable, "-P", str(VARIANTS / f"{name}.py"))
    return Implementation("subject", commands=dict.fromkeys(Side, command))


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What came of all checks."""

    variants: Mapping[str, tuple[Judged, ...]]
    reference: subprocess.CompletedProcess[str]
    folder: Path


@pytest.fixture(scope="module")
def netns(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """Everything that runs as local commands, at the same time."""
    folder = tmp_path_factory.mktemp("netns")
    backend = NetnsBackend(stop_grace_s=1.0)
    backend.check()

    async def reference() -> subprocess.CompletedProcess[str]:
        words = (
            *("image", "check", "--backend", "netns", "reference", "-n", "3", "-d"),
            *("--log-dir", str(folder / "reference"), "--json", str(folder / "reference.json")),
        )
        process = await asyncio.create_subprocess_exec(
            QUICMATRIX, *words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        out, _ = await process.communicate()
        assert process.returncode is not None
        return subprocess.CompletedProcess(words, process.returncode, out.decode(), "")

    async def everything(scratch: Path) -> Outcomes:
        async with asyncio.TaskGroup() as group:
            whole = group.create_task(reference())
            tasks = {
                one.name: group.create_task(check(one, local(one.name), backend, folder, scratch))
                for one in BROKEN
            }
        return Outcomes(
            {name: task.result() for name, task in tasks.items()}, whole.result(), folder
        )

    with scratch_folder(folder) as scratch:
        attach(Label("variants", Runner.this()), scratch)
        return asyncio.run(everything(scratch))


pytestmark = pytest.mark.tshark


def of(judged: Sequence[Judged], standing: Standing) -> dict[str, str]:
    return {
        one.rule.name: one.finding.evidence for one in judged if one.finding.standing is standing
    }


@pytest.mark.netns
@pytest.mark.parametrize("one", BROKEN, ids=lambda one: one.name)
def test_a_variant_breaks_the_rule_that_it_is_about_and_no_other(
    netns: Outcomes, one: Variant
) -> None:
    judged = netns.variants[one.name]
    broken, unseen = of(judged, Standing.BROKEN), of(judged, Standing.UNSEEN)
    assert broken.keys() == one.breaks, (broken, unseen)
    assert unseen.keys() == one.unseen, unseen
    assert len(judged) == len(one.checked.split(","))


@pytest.mark.netns
def test_the_reference_endpoint_keeps_every_rule(netns: Outcomes) -> None:
    reference = netns.reference
    assert reference.returncode == 0, reference.stdout
    assert "\nreference honours the contract\n" in reference.stdout
    document = json.loads((netns.folder / "reference.json").read_text())
    assert document["honoured"] is True
    outcomes = {rule["name"]: rule["outcome"] for rule in document["rules"]}
    assert outcomes.keys() == {rule.name for rule in RULES}
    # A loaded machine may be slow, and this one is about a single second.
    assert outcomes.pop("server_stops_within_a_second") in ("ok", "broken")
    assert set(outcomes.values()) == {"ok", "not applicable"}
    about_images = {name for name, outcome in outcomes.items() if outcome == "not applicable"}
    assert about_images == {
        "image_fits_the_machine",
        "image_has_the_setup_script",
        "image_calls_the_setup_script",
        "image_runs_as_root",
        "client_waits_for_the_sim",
    }


@pytest.mark.netns
def test_the_evidence_is_kept(netns: Outcomes) -> None:
    folder = netns.folder / "reference"
    assert (folder / "report.json").read_text() == (netns.folder / "reference.json").read_text()
    trials = {trial.name for trial in catalogue(select.testcases())} - {"client-early"}
    assert {path.name for path in folder.iterdir() if path.is_dir()} == trials
    assert (folder / "server-transfer" / "sim" / "trace_node_right.pcap").is_file()
    assert (folder / "server-transfer" / "server" / "keys.log").is_file()
    assert not (folder / "server-transfer" / "client" / "keys.log").exists(), "the peer keeps none"
