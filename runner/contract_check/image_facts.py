"""What the engine says of an image without starting it: an effect, and its answer as a value."""

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
    """Look at an image that is on this machine.

    Args:
        api: The engine.
        name: The image.
        labels: Of the container that is made to look into the image; it never runs.

    Raises:
        UserError: There is no such image here, or the engine does not say.
    """
    try:
        said = api.inspect_image(name)
        machine = str(api.version()["Arch"])
    except docker.errors.APIError as error:
        raise UserError(
            f"cannot look at the image {name!r}: {error.explanation or error}",
            "docker pull fetches it, 'docker images' lists what is here",
        ) from error
    settings = said.get("Config") or {}
    return ImageFacts(
        architecture=str(said.get("Architecture", "")),
        engine_architecture=machine,
        operating_system=str(said.get("Os", "")),
        starts_with=(*_words(settings.get("Entrypoint")), *_words(settings.get("Cmd"))),
        has_setup_script=_has_setup_script(api, str(said["Id"]), labels),
        user=str(settings.get("User") or ""),
        size=int(said.get("Size", 0)),
    )


def _words(said: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(map(str, said or ()))


def _has_setup_script(api: Any, image: str, labels: Mapping[str, str]) -> bool | None:  # noqa: ANN401 - as above
    """Whether the image has it, by the eyes of a container that is made of it and never started."""
    try:
        made = api.create_container(
            image,
            entrypoint=[SETUP_SCRIPT],
            labels=dict(labels),
            network_disabled=True,
        )
    except docker.errors.APIError:
        return None
    try:
        response, _ = api.get_archive(made["Id"], SETUP_SCRIPT)
        response.close()
    except docker.errors.APIError as error:
        return False if error.status_code == _NOT_FOUND else None
    else:
        return True
    finally:
        with suppress(docker.errors.APIError):
            api.remove_container(made["Id"], v=True, force=True)
