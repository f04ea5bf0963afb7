"""Images that are others but for a line or two, for tests: made in a moment, gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from docker.errors import ImageNotFound


@contextmanager
def derived(engine: Any, base: str, *changes: str) -> Iterator[str]:
    """The id of an image that is another one but for lines of a Dockerfile."""
    container = engine.containers.create(base)
    try:
        image = container.commit(changes=list(changes))
    finally:
        container.remove()
    try:
        yield image.id
    finally:
        with suppress(ImageNotFound):  # it went with a tag that the test gave it
            engine.images.remove(image.id, force=True)
