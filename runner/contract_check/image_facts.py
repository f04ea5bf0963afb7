"""Asks the engine about an image, without starting it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any

import docker

from quicmatrix.runner.contract_check.model import ImageFacts
from quicmatrix.runner.errors import UserError

SETUP_SCRIPT = "/setup.sh"
_NOT_FOUND = 404


@contextmanager
def engine(environment: Mapping[str, str] = os.environ) -> Iterator[Any]:
    """The SDK's client of this machine's engine, a ``docker.APIClient``.

    Raises:
        UserError: There is none.
    """
    try:
        api = docker.APIClient(base_url=environment.get("DOCKER_HOST") or None, version="auto")
    except docker.errors.DockerException as error:
        raise UserError(f"the Docker engine does not answer: {error}") from error
    with closing(api):
        yield api


def image_facts(api: Any, name: str, labels: Mapping[str, str]) -> ImageFacts:  # noqa: ANN401 - the SDK has no types
    """What the engine says of an image that is on this machine.

    Args:
        api: The engine.
        name: The image.
        labels: Of the container that is created to read files of the image; it never runs.

    Raises:
        UserError: There is no such image here, or the engine refuses to tell.
    """
    try:
        inspected = api.inspect_image(name)
        machine = str(api.version()["Arch"])
    except docker.errors.APIError as error:
        raise UserError(
            f"cannot look at the image {name!r}: {error.explanation or error}",
            "docker pull fetches it, 'docker images' lists what is here",
        ) from error
    config = inspected.get("Config") or {}
    return ImageFacts(
        architecture=str(inspected.get("Architecture", "")),
        engine_architecture=machine,
        operating_system=str(inspected.get("Os", "")),
        starts_with=(*_words(config.get("Entrypoint")), *_words(config.get("Cmd"))),
        has_setup_script=_has_setup_script(api, str(inspected["Id"]), labels),
        user=str(config.get("User") or ""),
        size=int(inspected.get("Size", 0)),
    )


def _words(value: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(map(str, value or ()))


def _has_setup_script(api: Any, image: str, labels: Mapping[str, str]) -> bool | None:  # noqa: ANN401 - as above
    """Whether the image has it, read from a container that is created and never started."""
    try:
        created = api.create_container(
            image,
            entrypoint=[SETUP_SCRIPT],
            labels=dict(labels),
            network_disabled=True,
        )
    except docker.errors.APIError:
        return None
    try:
        response, _ = api.get_archive(created["Id"], SETUP_SCRIPT)
        response.close()
    except docker.errors.APIError as error:
        return False if error.status_code == _NOT_FOUND else None
    else:
        return True
    finally:
        with suppress(docker.errors.APIError):
            api.remove_container(created["Id"], v=True, force=True)
