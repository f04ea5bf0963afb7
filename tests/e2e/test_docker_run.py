"""Real endpoints in containers, from the command line to the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from quicmatrix.runner.bundle.records import read_attempt
from quicmatrix.runner.cli import main
from quicmatrix.runner.model.attempt import Ending
from quicmatrix.runner.model.run import RunResult
from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.results.run_files import load
from quicmatrix.runner.sandbox.docker.container import RUN_LABEL
from tests.support.derived_image import derived

pytestmark = [pytest.mark.docker, pytest.mark.netns, pytest.mark.tshark]

MUTANTS = {
    "litters": "/run_endpoint.sh; code=$?; echo >/downloads/litter; exit $code",
    "agrees": "/run_endpoint.sh; exit 0",
}
"""By name, entry points of images that are ours but for one fault."""


@pytest.fixture(scope="module")
def result(
    docker_engine: Any, images: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunResult]:
    """One run of our image and of mutants of it, as clients of our image."""
    folder = tmp_path_factory.mktemp("docker") / "run"
    with ExitStack() as stack:
        clients = ["reference"]
        for name, script in MUTANTS.items():
            entry = f'ENTRYPOINT ["bash", "-c", "{script}"]'
            image = stack.enter_context(derived(docker_engine, images["endpoint"], entry))
            clients.append(f"{name}={image}")
        words = ["-c", ",".join(clients), "-s", "reference", "-t", "handshake", "-n", "3"]
        code = main(["run", "--backend", "docker", *words, "--seed", "1", "-l", str(folder)])
        assert code == 1
        yield load(folder)


def test_our_image_passes_and_is_named(result: RunResult, docker_engine: Any) -> None:
    (job,) = (job for job in result.jobs if job.client == "reference")
    assert job.verdict.outcome is Outcome.PASSED, job.verdict.reason
    assert job.command.endswith("--backend docker")
    record = read_attempt(Path(result.folder) / job.folder)
    assert record.client.image == "quicmatrix/endpoint:latest"
    assert (record.client.exit_code, record.server.ending) == (0, Ending.STOPPED)
    assert result.images["reference"].id == docker_engine.images.get(record.client.image).id
    assert result.tools["docker"].startswith(docker_engine.version()["Version"])


def test_a_client_that_leaves_a_file_too_many_fails(result: RunResult) -> None:
    (job,) = (job for job in result.jobs if job.client == "litters")
    assert job.verdict.outcome is Outcome.FAILED
    assert "litter" in job.verdict.reason


def test_an_image_that_accepts_any_testcase_is_not_tested(result: RunResult) -> None:
    (job,) = (job for job in result.jobs if job.client == "agrees")
    assert [one.requirement for one in job.verdict.violated] == ["unknown_testcase_exits_with_127"]


def test_the_run_leaves_no_container(result: RunResult, docker_engine: Any) -> None:
    mine = {"label": f"{RUN_LABEL}={result.run_id}"}
    assert docker_engine.containers.list(all=True, filters=mine) == []
    assert docker_engine.volumes.list(filters=mine) == []
