"""The images of a run: those that are here, and those that are fetched because they are not.

An image that is here is taken as it is, whatever a registry may have by now: a run changes nothing
that its user has. What its name stood for is kept, and endpoints are started from that.
"""

from __future__ import annotations

from collections.abc import Callable

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.implementation import Image, Implementation
from quicmatrix.runner.sandbox.docker.engine import Engine, EngineError
from quicmatrix.runner.sandbox.docker.pull import Pulled, progress
from quicmatrix.runner.trace.model import Side

Progress = Callable[[str, Pulled], None]
"""Is told how far the fetching of an image, by its reference, has come."""

_NOT_FOUND = 404


def silent(_reference: str, _so_far: Pulled) -> None:
    """Progress that nobody sees."""


class Images:
    """What an engine has, and can get.

    Args:
        engine: Whose they are.
        tell: Who is told of the progress when one is fetched.
    """

    def __init__(self, engine: Engine, tell: Progress) -> None:
        self.engine = engine
        self.known: dict[str, Image] = {}
        """By reference, those that :meth:`require` has seen."""
        self._tell = tell
        self._refused: dict[str, UserError] = {}
        self._architecture = ""

    def obstacle(self, implementation: Implementation, role: Side) -> str:
        """Why an implementation cannot be started as it is; empty if it can. Fetches nothing.

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
        """See to it that an implementation's image is here.

        Raises:
            UserError: There is none for it, it cannot be had, or it is for another machine.
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
    """Why an image cannot be had, and what to do."""
    said = str(error)
    if "no matching manifest" in said:
        return UserError(
            f"there is no image {reference} for this machine, which is {machine}",
            "build it here, or name another: -r NAME=IMAGE",
        )
    if error.status == _NOT_FOUND or "not found" in said or "denied" in said:
        return UserError(
            f"there is no image {reference} here, and no registry gives it to us: {said}",
            "scripts/images builds ours; docker login, if it is private;"
            " -r NAME=IMAGE names another",
        )
    return UserError(
        f"there is no image {reference} here, and its registry cannot be reached: {said}",
        "scripts/images builds ours; docker load brings others; -r NAME=IMAGE names another",
    )
