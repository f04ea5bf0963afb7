from __future__ import annotations

import contextlib
import importlib
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from quicmatrix.runner.model.run import RunResult
from quicmatrix.runner.sandbox.netns import privileges
from tests.support.certificates import write_certificates
from tests.support.derived_image import derived
from tests.support.golden_run import golden_run

SCRIPTS = Path(__file__).parent.parent / "scripts"


def pytest_configure() -> None:
    """Let no example fail for the time that it takes: that is the machine's, and whatever runs."""
    settings.register_profile(
        "any-load", deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("any-load")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what the markers say cannot run here."""
    if item.get_closest_marker("netns") and not privileges.privileged():
        pytest.skip("makes network namespaces: as root, or with scripts/test in a user namespace")


@pytest.fixture(scope="session", autouse=True)
def terminal() -> Iterator[None]:
    """The same terminal for all who run the tests: CI's TERM=dumb would change what is printed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", "xterm")
        for name in (
            "NO_COLOR",
            "FORCE_COLOR",
            "COLUMNS",
            "LINES",
            "TTY_COMPATIBLE",
            "TTY_INTERACTIVE",
        ):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A /certs as the contract has it, for all tests; none writes into it."""
    return write_certificates(tmp_path_factory.mktemp("certs"))


@pytest.fixture(scope="session")
def shell_image(docker_engine: Any, images: Mapping[str, str]) -> Iterator[str]:
    """The id of an image that runs its argument as a shell script."""
    with derived(docker_engine, images["base"], 'ENTRYPOINT ["bash", "-c"]', "CMD []") as image:
        yield image


@pytest.fixture
def golden() -> RunResult:
    return golden_run()


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[Any]:
    """A ``docker.DockerClient``, as DOCKER_HOST says; the test is skipped if no engine answers."""
    # The command asks first, since the SDK leaves sockets open where nobody answers.
    try:
        subprocess.run(("docker", "version"), capture_output=True, text=True, check=True)
    except FileNotFoundError:
        pytest.skip("no Docker engine: there is no docker command; scripts/engine installs it")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no Docker engine, scripts/engine starts one: {error.stderr.strip()}")
    # Not a plain import: to mypy our folder docker/ has the SDK's name, and it has no types.
    sdk: Any = importlib.import_module("docker")
    with contextlib.closing(sdk.from_env()) as engine:
        yield engine


@pytest.fixture(scope="session")
def images(docker_engine: Any) -> Mapping[str, str]:
    """All our images, built as they are in this checkout: tags by names, as ``base``, ``ngtcp2``.

    Skips where they cannot be built (exit code 2: no debootstrap, not root); a build that fails is
    a failure.
    """
    assert docker_engine
    listed = subprocess.run(
        (SCRIPTS / "images", "--list"), capture_output=True, text=True, check=True
    )
    done = subprocess.run((SCRIPTS / "images",), capture_output=True, text=True, check=False)
    if done.returncode == 2:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    return {name: f"quicmatrix/{name}:latest" for name in listed.stdout.split()}
