"""The images of a run: local ones, and those that are pulled because they are not.

A local image is used as it is, even if a registry has a newer one: a run changes no image that its
user has. Endpoints are started by the image's id, so a tag that moves during a run has no effect.
"""

from __future__ import annotations

from collections.abc import Callable

from quicmatrix.runner.checkout import script_hint
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.implementation import Image, Implementation
from quicmatrix.runner.sandbox.docker.engine import Engine, EngineError
from quicmatrix.runner.sandbox.docker.pull import Pulled, progress
from quicmatrix.runner.trace.model import Side

Progress = Callable[[str, Pulled], None]
"""Called with an image's reference and the progress of its pull."""

_NOT_FOUND = 404


def silent(_reference: str, _so_far: Pulled) -> None:
    """Ignore the progress of a pull."""


class Images:
    """The images of an engine, pulled on demand.

    Args:
        engine: The engine.
        tell: Called with the progress of pulls.
    """

    def __init__(self, engine: Engine, tell: Progress) -> None:
        self.engine = engine
        self.known: dict[str, Image] = {}
        """By reference, those that :meth:`require` has seen."""
        self._tell = tell
        self._refused: dict[str, UserError] = {}
        self._architecture = ""

    def obstacle(self, implementation: Implementation, role: Side) -> str:
        """Why an implementation cannot be started as it is; empty if it can. Pulls nothing.

        Raises:
            UserError: The engine does not answer.
        """
        if not implementation.image:
            return f"{implementation.name} has no image as {role}"
        image = self._local(implementation.image)
        if image is None:
            return f"{implementation.name}: the image {implementation.image} is not here"
        return self._foreign(image)

    def require(self, implementation: Implementation, role: Side) -> None:
        """Pull an implementation's image if it is not local.

        Raises:
            UserError: It has none, it cannot be pulled, or it is for another architecture.
        """
        reference = implementation.image
        if not reference:
            raise UserError(
                f"{implementation.name} has no image as {role}",
                f"-r {implementation.name}=IMAGE gives it one; --backend netns runs local commands",
            )
        if reference not in self.known and reference not in self._refused:
            try:
                self.known[reference] = self._have(reference)
            except UserError as error:  # asked for again in the other role
                self._refused[reference] = error
        if reference in self._refused:
            raise self._refused[reference]

    def _have(self, reference: str) -> Image:
        image = self._local(reference) or self._fetch(reference)
        if problem := self._foreign(image):
            raise UserError(
                problem,
                f"build it here, or: docker pull --platform linux/{self._machine()} {reference}",
            )
        return image

    def _fetch(self, reference: str) -> Image:
        try:
            for so_far in progress(self.engine.pull(reference)):
                self._tell(reference, so_far)
        except EngineError as error:
            raise _refusal(reference, error, self._machine()) from error
        image = self._local(reference)
        if image is None:
            raise UserError(f"the engine has fetched {reference}, and does not have it")
        return image

    def _local(self, reference: str) -> Image | None:
        try:
            return self.engine.image(reference)
        except EngineError as error:
            raise UserError(
                str(error), "is this an image's name? NAME:TAG or NAME@sha256:HASH"
            ) from error

    def _foreign(self, image: Image) -> str:
        """What is wrong with an image's architecture; empty if nothing."""
        here = self._machine()
        if image.architecture in ("", here):
            return ""
        return f"the image {image.reference} is for {image.architecture}, this machine is {here}"

    def _machine(self) -> str:
        if not self._architecture:
            try:
                self._architecture = self.engine.version().architecture
            except EngineError as error:
                raise UserError(str(error)) from error
        return self._architecture


def _refusal(reference: str, error: EngineError, machine: str) -> UserError:
    """Why an image cannot be pulled, and what to do."""
    said = str(error)
    if "no matching manifest" in said:
        return UserError(
            f"there is no image {reference} for this machine, which is {machine}",
            "build it here, or name another: -r NAME=IMAGE",
        )
    if error.status == _NOT_FOUND or "not found" in said or "denied" in said:
        return UserError(
            f"there is no image {reference} here, and no registry gives it to us: {said}",
            script_hint(
                "scripts/images builds ours; docker login, if it is private;"
                " -r NAME=IMAGE names another"
            ),
        )
    return UserError(
        f"there is no image {reference} here, and its registry cannot be reached: {said}",
        script_hint(
            "scripts/images builds ours; docker load brings others; -r NAME=IMAGE names another"
        ),
    )
