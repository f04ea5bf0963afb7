from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.sandbox.docker.images import Images
from quicmatrix.runner.sandbox.docker.pull import Pulled
from quicmatrix.runner.trace.model import Side
from tests.support.fake_api import INSPECTED, FakeApi, engine, events, refusal

SERVER = Implementation("mine", "me/server")


def images(api: FakeApi, tmp_path: Path) -> tuple[Images, list[tuple[str, Pulled]]]:
    told: list[tuple[str, Pulled]] = []
    return Images(engine(api, tmp_path), lambda *one: told.append(one)), told


def refused(api: FakeApi, tmp_path: Path, implementation: Implementation = SERVER) -> UserError:
    found, _ = images(api, tmp_path)
    with pytest.raises(UserError) as caught:
        found.require(implementation, Side.SERVER)
    return caught.value


def test_what_is_here_is_not_fetched(tmp_path: Path) -> None:
    api = FakeApi({"me/server": INSPECTED}, pull=AssertionError("it was"))
    found, _ = images(api, tmp_path)
    assert found.obstacle(SERVER, Side.SERVER) == ""
    found.require(SERVER, Side.SERVER)
    assert found.known["me/server"].id == "sha256:0123"


def test_what_is_missing_is_fetched_once_and_told(tmp_path: Path) -> None:
    api = FakeApi()

    def pull(*_: Any) -> Any:
        api.images["me/server"] = INSPECTED
        return iter([{"id": "a", "status": "Pulling fs layer"}])

    api.calls["pull"] = pull
    found, told = images(api, tmp_path)
    assert "is not here" in found.obstacle(SERVER, Side.SERVER)
    for role in Side:
        found.require(SERVER, role)
    assert told == [("me/server", Pulled(1))]


def test_an_image_for_another_machine_is_refused(tmp_path: Path) -> None:
    api = FakeApi({"me/server": {**INSPECTED, "Architecture": "arm64"}})
    error = refused(api, tmp_path)
    assert error.message == "the image me/server is for arm64, this machine is amd64"
    assert "--platform linux/amd64" in error.hint
    assert "arm64" in images(api, tmp_path)[0].obstacle(SERVER, Side.SERVER)


@pytest.mark.parametrize(
    ("raised", "message", "hint"),
    [
        (
            refusal(404, "pull access denied, repository does not exist"),
            "no registry gives it",
            "scripts/images",
        ),
        (refusal(404, "manifest for me/server:latest not found"), "no registry", "docker login"),
        (
            refusal(500, "Get https://registry-1.docker.io/v2/: dial tcp: no such host"),
            "registry cannot be reached",
            "docker load",
        ),
        (refusal(500, "no matching manifest for linux/amd64"), "for this machine", "build it"),
    ],
)
def test_what_cannot_be_fetched_is_said_with_the_way_out(
    tmp_path: Path, raised: Exception, message: str, hint: str
) -> None:
    error = refused(FakeApi(pull=raised), tmp_path)
    assert "me/server" in error.message
    assert message in error.message
    assert hint in error.hint


def test_a_pull_that_breaks_off_is_the_same(tmp_path: Path) -> None:
    error = refused(FakeApi(pull=events({"error": "connection reset"})), tmp_path)
    assert "connection reset" in error.message


def test_what_was_refused_is_not_asked_for_again(tmp_path: Path) -> None:
    api = FakeApi(pull=refusal(404, "not found"))
    found, _ = images(api, tmp_path)
    for role in Side:
        with pytest.raises(UserError):
            found.require(SERVER, role)
    assert [name for name, _ in api.made].count("pull") == 1


def test_an_implementation_may_have_no_image(tmp_path: Path) -> None:
    bare = Implementation("bare")
    assert "-r bare=IMAGE" in refused(FakeApi(), tmp_path, bare).hint
    assert "has no image" in images(FakeApi(), tmp_path)[0].obstacle(bare, Side.CLIENT)
