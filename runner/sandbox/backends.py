"""The backends, by their names for ``--backend``."""

from __future__ import annotations

import contextlib

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.sandbox.model import Backend, SandboxError

NETNS, DOCKER = BACKENDS = ("netns", "docker")


def backend(name: str) -> Backend:
    """Make a backend, without any access to the machine yet."""
    if name == DOCKER:
        from quicmatrix.runner.console.pulling import Pulling  # noqa: PLC0415 - only docker needs it
        from quicmatrix.runner.sandbox.docker.backend import DockerBackend  # noqa: PLC0415 - imports the SDK

        return DockerBackend(progress=Pulling())
    from quicmatrix.runner.sandbox.netns.netns import NetnsBackend  # noqa: PLC0415 - only running needs it

    return NetnsBackend()


def widest() -> Backend:
    """The backend that finds the leftovers of both: docker, if there is an engine."""
    place = backend(DOCKER)
    try:
        place.leftovers()
    except (UserError, SandboxError):
        return backend(NETNS)
    return place


def engine_version() -> str:
    """The version of this machine's container engine.

    Raises:
        UserError: There is none, or it does not answer.
    """
    from quicmatrix.runner.sandbox.docker.engine import EngineError, connect  # noqa: PLC0415 - imports the SDK

    with contextlib.closing(connect()) as engine:
        try:
            found = engine.version()
        except EngineError as error:
            raise UserError(str(error)) from error
    return f"{found.version}, API {found.api}, {found.architecture}"
