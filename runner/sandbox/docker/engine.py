"""The container engine, by its API: the calls that a sandbox needs, typed, with our own errors.

Every call blocks, and any thread may make it. What the engine answers becomes values here; what it
refuses becomes :class:`EngineError`, a sandbox's error, or, before a run begins, a
:class:`~quicmatrix.runner.errors.UserError` that says what to do.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from docker.api import APIClient
from docker.constants import DEFAULT_UNIX_SOCKET
from docker.errors import APIError, DockerException
from docker.utils import parse_repository_tag

from quicmatrix.runner.checkout import script_hint
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.implementation import Image
from quicmatrix.runner.sandbox.model import SandboxError

TIMEOUT_S = 60.0
"""How long one call may take, but for those that wait for a container."""
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
"""What the engine calls its machine, in the words that images use."""

Configuration = Mapping[str, object]
"""A container, in the words of the engine's API (POST /containers/create)."""


class EngineError(SandboxError):
    """The engine refused, or cannot be reached any more.

    Attributes:
        status: The HTTP status; 0 if there was no answer.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Version:
    """An engine's version and architecture."""

    version: str
    api: str
    architecture: str
    """In the words that images use: amd64, arm64."""


@dataclass(frozen=True, slots=True)
class End:
    """How a container ended."""

    exit_code: int
    """128 + n for signal n, as in a shell: the engine does not tell one from the other."""
    out_of_memory: bool


@dataclass(frozen=True, slots=True)
class Labelled:
    """A container or a volume that has a label."""

    kind: str
    """``container`` or ``volume``."""
    id: str
    name: str
    labels: Mapping[str, str]


class Engine:
    """An engine on this machine.

    Args:
        api: The SDK's client of it, a ``docker.APIClient``.
        proc: The machine's processes.
    """

    def __init__(self, api: Any, proc: Path = Path("/proc")) -> None:  # noqa: ANN401 - it has no types
        self._api = api
        self._proc = proc

    def close(self) -> None:
        """Close its connections."""
        self._api.close()

    def version(self) -> Version:
        """Its version."""
        with _translated("ask the engine for its version"):
            said = self._api.version()
            machine = str(self._api.info()["Architecture"])
        return Version(said["Version"], said["ApiVersion"], ARCHITECTURES.get(machine, machine))

    # --- Images -----------------------------------------------------------------------------------

    def image(self, reference: str) -> Image | None:
        """A local image; None if there is none of that name."""
        try:
            with _translated(f"look for the image {reference}"):
                said = self._api.inspect_image(reference)
        except EngineError as error:
            if error.status == requests.codes.not_found:
                return None
            raise
        return Image(
            reference,
            said["Id"],
            said.get("Architecture", ""),
            tuple(said.get("RepoDigests") or ()),
        )

    def pull(self, reference: str) -> Iterator[dict[str, Any]]:
        """Fetch an image from its registry: one event for each thing that happens.

        Raises:
            EngineError: It cannot be fetched.
        """
        with _translated(f"pull {reference}"):
            name, tag = parse_repository_tag(reference)
            for event in self._api.pull(name, tag or "latest", stream=True, decode=True):
                if "error" in event:
                    raise EngineError(str(event["error"]))
                yield event

    # --- Containers -------------------------------------------------------------------------------

    def create(self, configuration: Configuration, name: str) -> str:
        """Make a container, which does not run yet; returns its id."""
        with _translated(f"make the container {name}"):
            return str(self._api.create_container_from_config(dict(configuration), name)["Id"])

    def attach(self, container: str, *streams: str) -> int:
        """Connect to a container that does not run yet: ``stdin``, ``stdout``, ``stderr``.

        Returns:
            An open socket, the caller's. It ends when the container does, and what is read from it
            is in frames (:mod:`quicmatrix.runner.sandbox.docker.stream`).
        """
        with _translated("attach to a container"):
            parameters = {"stream": 1, **dict.fromkeys(streams, 1)}
            raw = self._api.attach_socket(container, parameters)
            # Taken away from the SDK, which would close it whenever it forgets the response.
            connection: socket.socket = raw._sock  # noqa: SLF001 - there is no other way to it
            connection.setblocking(False)
            return connection.detach()

    def start(self, container: str) -> None:
        """Start a container.

        Raises:
            EngineError: It cannot be started: status 400 if its program cannot be executed.
        """
        with _translated("start a container"):
            self._api.start(container)

    def pid(self, container: str) -> int:
        """The first process of a container that runs, in our PID namespace.

        Raises:
            EngineError: It ended, or the engine runs in another PID namespace.
        """
        with _translated("look at a container"):
            state = self._api.inspect_container(container)["State"]
            pid = int(state["Pid"])
        if not pid:
            raise EngineError(f"a container ended at once, with {state['ExitCode']}")
        groups = ""
        with suppress(OSError):
            groups = (self._proc / str(pid) / "cgroup").read_text(encoding="utf-8")
        if container not in groups:  # every engine names its control groups so
            raise EngineError(
                f"the engine's process {pid} is not to be seen from here: the engine has to run on"
                " this machine, and a runner in a container needs --pid=host"
            )
        return pid

    def signal(self, container: str, number: int) -> None:
        """Send a signal to a container's first process; fine if that has ended."""
        try:
            with _translated("send a signal to a container"):
                self._api.kill(container, number)
        except EngineError as error:
            if error.status not in (requests.codes.not_found, requests.codes.conflict):
                raise

    def wait(self, container: str) -> End:
        """Wait until a container has ended."""
        with _translated("wait for a container"):
            code = int(self._api.wait(container, timeout=TIMEOUT_S)["StatusCode"])
            state = self._api.inspect_container(container)["State"]
            return End(code, bool(state["OOMKilled"]))

    # --- What has a label -------------------------------------------------------------------------

    def labelled(self, *labels: str) -> list[Labelled]:
        """All containers, then all volumes, with these labels: ``name`` or ``name=value``."""
        wanted = {"label": list(labels)}
        with _translated("list what there is"):
            containers = self._api.containers(all=True, filters=wanted)
            volumes = self._api.volumes(filters=wanted)["Volumes"] or ()
        found = [
            Labelled("container", one["Id"], one["Names"][0].lstrip("/"), one["Labels"])
            for one in containers
        ]
        found += [Labelled("volume", one["Name"], "", one["Labels"]) for one in volumes]
        return sorted(found, key=lambda one: (one.kind, one.name, one.id))

    def remove(self, thing: Labelled) -> None:
        """End it if it runs, and remove it with volumes that have no name; fine if it is gone."""
        try:
            with _translated(f"remove a {thing.kind}"):
                if thing.kind == "volume":
                    self._api.remove_volume(thing.id)
                else:
                    self._api.remove_container(thing.id, v=True, force=True)
        except EngineError as error:
            if error.status != requests.codes.not_found:
                raise


def connect(environment: Mapping[str, str] = os.environ) -> Engine:
    """Connect to the engine of this machine: at DOCKER_HOST, or at the default socket.

    Raises:
        UserError: There is none, or it refuses the connection.
    """
    place = environment.get("DOCKER_HOST") or DEFAULT_UNIX_SOCKET.replace("http+", "")
    if not place.startswith("unix://"):
        raise UserError(
            f"DOCKER_HOST={place}: the engine has to be on this machine",
            "the runner configures the network of its containers; DOCKER_HOST=unix://PATH",
        )
    path = place.removeprefix("unix://")
    _knock(path)
    try:
        return Engine(APIClient(base_url=place, version="auto", timeout=TIMEOUT_S))
    except DockerException as error:
        raise UserError(
            f"the Docker engine at {path} does not answer as it should: {error}",
            "its API must be 1.40 (Docker 19.03) or newer",
        ) from error


def _knock(path: str) -> None:
    """Find out why a connection fails; the SDK would hide the reason."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(path)
    except PermissionError as error:
        raise UserError(
            f"no permission to use the Docker engine at {path}",
            "run it as root, or as a member of the group docker",
        ) from error
    except OSError as error:
        raise UserError(
            f"there is no Docker engine at {path}: {error.strerror}",
            script_hint(
                "scripts/engine installs and starts it on Debian, systemctl start docker elsewhere;"
                " --backend netns needs none"
            ),
        ) from error


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Turn the SDK's errors into ours.

    Args:
        what: What we wanted, in the infinitive.
    """
    try:
        yield
    except APIError as error:
        said = error.explanation or str(error)
        raise EngineError(f"cannot {what}: {said}", error.status_code or 0) from error
    except (DockerException, requests.RequestException, OSError) as error:
        raise EngineError(f"cannot {what}: {error}") from error
