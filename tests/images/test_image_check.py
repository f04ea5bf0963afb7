"""The check, whole: it passes for the reference endpoint, and names the rule that a variant breaks.

All variants are checked side by side, each by the rules that it is about and some that it keeps.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from quicmatrix.runner.contract_check.cases import Trial, catalogue
from quicmatrix.runner.contract_check.model import ImageFacts, Judged, Standing
from quicmatrix.runner.contract_check.observe import Setting, observe
from quicmatrix.runner.contract_check.rules import RULES, judge, needed, select_rules
from quicmatrix.runner.execute.attempt import Stage
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.plan import select
from quicmatrix.runner.plan.implementations import load
from quicmatrix.runner.sandbox.docker.backend import DockerBackend
from quicmatrix.runner.sandbox.docker.container import RUN_LABEL
from quicmatrix.runner.sandbox.label import Label, Runner, attach, scratch_folder
from quicmatrix.runner.sandbox.model import Backend, Limits
from quicmatrix.runner.sandbox.netns.netns import NetnsBackend
from quicmatrix.runner.trace.model import Side
from tests.support.variant_images import SCRIPTS, build, entry_of

REFERENCE = next(one for one in load() if one.name == "reference")
QUICMATRIX = Path(sys.executable).with_name("quicmatrix")
AT_A_TIME = 3
"""Variants: more of them would make each other slower, and no one sooner done."""
OURS = ImageFacts("amd64", "amd64", "linux", ("/run_endpoint.sh",), True, "", 0)
"""What would be said of a variant's image, but for its architecture."""


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


VARIANTS = (
    variant(
        "ignores_unknown_testcases",
        "server_exits_127_for_an_unknown_testcase",
        "client_exits_127_for_an_unknown_testcase",
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
        "begins_at_once",
        "client_waits_for_the_sim",
        keeps=["client_downloads_what_was_requested"],
    ),
    variant(
        "adds_a_file",
        "client_leaves_nothing_else_in_downloads",
        keeps=["client_downloads_what_was_requested", "client_exits_0_when_it_is_done"],
    ),
)

LOCAL = tuple(one for one in VARIANTS if one.name != "begins_at_once")
"""Those that are no fault in a local command."""
IMAGES = tuple(
    one
    for one in VARIANTS
    if one.name not in ("exits_3_when_it_is_done", "knows_transfer_only", "adds_a_file")
)
"""Those that an image might show otherwise than a local command."""


async def check(
    one: Variant, subject: Implementation, backend: Backend, folder: Path, scratch: Path
) -> tuple[Judged, ...]:
    """Check a variant by its rules."""
    rules = select_rules(one.checked, one.roles)
    is_image = subject.image is not None
    trials = needed(rules, catalogue(select.testcases()), one.roles, is_image=is_image)
    stage = Stage(backend, "variants", scratch, Path.cwd(), Limits(), stop_s=2.0)
    (folder / one.name).mkdir()
    setting = Setting(subject, REFERENCE, stage, folder / one.name, parallel=2)
    image = OURS if is_image else None
    seen = await observe(setting, trials, image=image, started=nothing, finished=nothing)
    return judge(seen, rules)


def nothing(_: Trial) -> None:
    pass


def local(name: str) -> Implementation:
    command = (sys.executable, "-P", str(SCRIPTS / f"{name}.py"))
    return Implementation("subject", commands=dict.fromkeys(Side, command))


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What came of all checks."""

    variants: Mapping[str, tuple[Judged, ...]]
    reference: subprocess.CompletedProcess[str]
    folder: Path


async def reference(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Check our own endpoint by all rules, from the command line."""
    command = (
        *(str(QUICMATRIX), "image", "check", *words, "-n", "3", "-d"),
        *("--log-dir", str(folder / "reference"), "--json", str(folder / "reference.json")),
    )
    process = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return subprocess.CompletedProcess(command, process.returncode, out.decode(), "")


def side_by_side(
    folder: Path,
    backend: Backend,
    subjects: Mapping[str, Implementation],
    *words: str,
) -> Outcomes:
    """Check everything at the same time.

    Args:
        folder: Where it is stored.
        backend: What the variants run on.
        subjects: By name, the variants.
        words: Of the command line that checks our own endpoint.
    """

    async def everything(scratch: Path) -> Outcomes:
        free = asyncio.Semaphore(AT_A_TIME)

        async def in_turn(one: Variant) -> tuple[Judged, ...]:
            async with free:
                return await check(one, subjects[one.name], backend, folder, scratch)

        async with asyncio.TaskGroup() as group:
            whole = group.create_task(reference(folder, *words))
            tasks = {
                one.name: group.create_task(in_turn(one))
                for one in VARIANTS
                if one.name in subjects
            }
        variants = {name: task.result() for name, task in tasks.items()}
        return Outcomes(variants, whole.result(), folder)

    with scratch_folder(folder) as scratch:
        attach(Label("variants", Runner.this()), scratch)
        return asyncio.run(everything(scratch))


@pytest.fixture(scope="module")
def netns(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """Everything that runs as local commands."""
    backend = NetnsBackend(stop_grace_s=1.0)
    backend.check()
    return side_by_side(
        tmp_path_factory.mktemp("netns"),
        backend,
        {one.name: local(one.name) for one in LOCAL},
        *("--backend", "netns", "reference"),
    )


@pytest.fixture(scope="module")
def docker(
    tmp_path_factory: pytest.TempPathFactory, docker_engine: Any, images: Mapping[str, str]
) -> Iterator[Outcomes]:
    """Everything that runs as images; those of the variants are removed again."""
    backend = DockerBackend(stop_grace_s=1.0)
    backend.check()
    backend.require(REFERENCE, Side.SERVER)
    with ExitStack() as stack:
        subjects = {}
        for one in IMAGES:
            built = build(docker_engine, images["endpoint"], one.name, entry_of(one.name))
            stack.callback(docker_engine.images.remove, built, force=True)
            subjects[one.name] = Implementation("subject", image=built)
            backend.require(subjects[one.name], Side.SERVER)
        folder = tmp_path_factory.mktemp("docker")
        yield side_by_side(folder, backend, subjects, images["endpoint"])


pytestmark = pytest.mark.tshark


def of(judged: Sequence[Judged], standing: Standing) -> dict[str, str]:
    return {
        one.rule.name: one.finding.evidence for one in judged if one.finding.standing is standing
    }


def breaks_what_it_is_about_and_no_other(outcomes: Outcomes, one: Variant) -> None:
    judged = outcomes.variants[one.name]
    broken, unseen = of(judged, Standing.BROKEN), of(judged, Standing.UNSEEN)
    assert broken.keys() == one.breaks, (broken, unseen)
    assert unseen.keys() == one.unseen, unseen
    assert len(judged) == len(one.checked.split(","))


def keeps_every_rule(outcomes: Outcomes, inapplicable: set[str]) -> None:
    assert outcomes.reference.returncode == 0, outcomes.reference.stdout
    assert " honours the contract\n" in outcomes.reference.stdout
    document = json.loads((outcomes.folder / "reference.json").read_text())
    assert document["honoured"] is True
    found = {rule["name"]: rule["outcome"] for rule in document["rules"]}
    assert found.keys() == {rule.name for rule in RULES}
    # A loaded machine may be slow, and this one is about a single second.
    assert found.pop("server_stops_within_a_second") in ("ok", "broken")
    assert {name for name, outcome in found.items() if outcome != "ok"} == inapplicable
    assert {found[name] for name in inapplicable} <= {"not applicable"}


@pytest.mark.netns
@pytest.mark.parametrize("one", LOCAL, ids=lambda one: one.name)
def test_a_command_breaks_the_rule_that_it_is_about_and_no_other(
    netns: Outcomes, one: Variant
) -> None:
    breaks_what_it_is_about_and_no_other(netns, one)


@pytest.mark.netns
def test_the_reference_endpoint_keeps_every_rule(netns: Outcomes) -> None:
    about_images = {rule.name for rule in RULES if rule.name.startswith("image_")}
    keeps_every_rule(netns, about_images | {"client_waits_for_the_sim"})


@pytest.mark.netns
def test_the_evidence_is_kept(netns: Outcomes) -> None:
    folder = netns.folder / "reference"
    assert (folder / "report.json").read_text() == (netns.folder / "reference.json").read_text()
    trials = {trial.name for trial in catalogue(select.testcases())} - {"client-early"}
    assert {path.name for path in folder.iterdir() if path.is_dir()} == trials
    assert (folder / "server-transfer" / "sim" / "trace_node_right.pcap").is_file()
    assert (folder / "server-transfer" / "server" / "keys.log").is_file()
    assert not (folder / "server-transfer" / "client" / "keys.log").exists(), "the peer keeps none"


@pytest.mark.docker
@pytest.mark.parametrize("one", IMAGES, ids=lambda one: one.name)
def test_an_image_breaks_the_rule_that_it_is_about_and_no_other(
    docker: Outcomes, one: Variant
) -> None:
    breaks_what_it_is_about_and_no_other(docker, one)


@pytest.mark.docker
def test_the_image_of_the_reference_endpoint_keeps_every_rule(docker: Outcomes) -> None:
    keeps_every_rule(docker, set())


@pytest.mark.docker
def test_nothing_of_an_image_check_is_left(docker: Outcomes, docker_engine: Any) -> None:
    assert docker.reference.returncode == 0
    run = json.loads((docker.folder / "reference.json").read_text())["run_id"]
    for run_id in (run, "variants"):
        wanted = {"label": f"{RUN_LABEL}={run_id}"}
        assert docker_engine.containers.list(all=True, filters=wanted) == []
        assert docker_engine.volumes.list(filters=wanted) == []
