"""A client of the engine that answers as the test says."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests
from docker.errors import APIError

from quicmatrix.runner.sandbox.docker.engine import Engine

INSPECTED = {
    "Id": "sha256:0123",
    "Architecture": "amd64",
    "RepoDigests": ["me/server@sha256:4567"],
}
CONTAINER = "c0ffee"


def refusal(status: int, said: str) -> APIError:
    """What the SDK raises when the engine answers with an HTTP status."""
    response = requests.Response()
    response.status_code = status
    return APIError("refused", response=response, explanation=said)


class FakeApi:
    """Images by reference; for each other call by its name the answer, what is raised,
    what is called instead, or a deque of these."""

    def __init__(self, images: dict[str, dict[str, Any]] | None = None, **calls: Any) -> None:
        self.images = images or {}
        self.calls = calls
        self.made: list[tuple[str, tuple[Any, ...]]] = []
        """Name and arguments of all that was called."""

    def inspect_image(self, reference: str) -> dict[str, Any]:
        self.made.append(("inspect_image", (reference,)))
        if reference not in self.images:
            raise refusal(404, f"No such image: {reference}")
        return self.images[reference]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **_: Any) -> Any:
            self.made.append((name, arguments))
            answer = self.calls[name]
            if isinstance(answer, deque):
                answer = answer.popleft()
            if isinstance(answer, Exception):
                raise answer
            return answer(*arguments) if callable(answer) else answer

        return call


def engine(api: FakeApi, tmp_path: Path) -> Engine:
    """An engine on an amd64 machine, that has one container, of process 7."""
    api.calls.setdefault("version", {"Version": "20.10", "ApiVersion": "1.41"})
    api.calls.setdefault("info", {"Architecture": "x86_64"})
    (tmp_path / "7").mkdir(exist_ok=True)
    (tmp_path / "7" / "cgroup").write_text(f"0::/docker/{CONTAINER}\n")
    return Engine(api, tmp_path)


def events(*those: dict[str, Any]) -> Callable[..., Iterator[dict[str, Any]]]:
    return lambda *_: iter(those)
