"""What the engine says, in our words; most of it from a client that only plays one."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import Any

import pytest
import requests
from docker.errors import DockerException

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.implementation import Image
from quicmatrix.runner.sandbox.docker.engine import Engine, EngineError, Labelled, Version, connect
from tests.support.fake_api import CONTAINER, INSPECTED, FakeApi, engine, events, refusal


def test_an_engine_says_what_it_is_in_the_words_of_images(tmp_path: Path) -> None:
    assert engine(FakeApi(), tmp_path).version() == Version("20.10", "1.41", "amd64")


def test_an_image_is_its_id_and_digests_or_none(tmp_path: Path) -> None:
    here = engine(FakeApi({"me/server": INSPECTED}), tmp_path)
    assert here.image("me/server") == Image(
        "me/server", "sha256:0123", "amd64", ("me/server@sha256:4567",)
    )
    assert here.image("me/other") is None


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [
        (refusal(500, "no space left"), 500, "cannot make the container x: no space left"),
        (requests.ConnectionError("gone"), 0, "cannot make the container x: gone"),
        (requests.ReadTimeout("late"), 0, "cannot make the container x: late"),
        (DockerException("odd"), 0, "cannot make the container x: odd"),
        (OSError("broken"), 0, "cannot make the container x: broken"),
    ],
)
def test_every_refusal_is_an_error_of_ours(
    tmp_path: Path, raised: Exception, status: int, said: str
) -> None:
    here = engine(FakeApi(create_container_from_config=raised), tmp_path)
    with pytest.raises(EngineError, match="cannot make") as caught:
        here.create({}, "x")
    assert (str(caught.value), caught.value.status) == (said, status)


def test_a_bug_is_no_refusal(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        engine(FakeApi(start=ZeroDivisionError()), tmp_path).start("x")


@pytest.mark.parametrize("status", [404, 409])
def test_a_signal_to_what_has_ended_is_fine(tmp_path: Path, status: int) -> None:
    api = FakeApi(kill=refusal(status, "is not running"))
    engine(api, tmp_path).signal("x", 9)
    assert api.made == [("kill", ("x", 9))]


def test_a_signal_that_cannot_be_sent_is_not(tmp_path: Path) -> None:
    with pytest.raises(EngineError):
        engine(FakeApi(kill=refusal(500, "no")), tmp_path).signal("x", 9)


def test_what_is_gone_need_not_be_removed(tmp_path: Path) -> None:
    api = FakeApi(remove_container=refusal(404, "gone"), remove_volume=refusal(409, "in use"))
    engine(api, tmp_path).remove(Labelled("container", "x", "", {}))
    assert [name for name, _ in api.made] == ["remove_container"]
    with pytest.raises(EngineError, match="in use"):
        engine(api, tmp_path).remove(Labelled("volume", "x", "", {}))


@pytest.mark.parametrize(
    ("pid", "container", "said"),
    [
        (7, CONTAINER, ""),
        (7, "decaf", "--pid=host"),  # another process has that number here
        (8, CONTAINER, "--pid=host"),  # none has
        (0, CONTAINER, "a container ended at once, with 3"),
    ],
)
def test_a_process_is_only_believed_in_if_it_is_seen_here(
    tmp_path: Path, pid: int, container: str, said: str
) -> None:
    here = engine(FakeApi(inspect_container={"State": {"Pid": pid, "ExitCode": 3}}), tmp_path)
    if not said:
        assert here.pid(container) == pid
        return
    with pytest.raises(EngineError, match=said):
        here.pid(container)


def test_an_error_in_the_middle_of_a_pull_is_one(tmp_path: Path) -> None:
    api = FakeApi(pull=events({"status": "Pulling"}, {"error": "unexpected EOF"}))
    pulled = engine(api, tmp_path).pull("host:5000/me/server")
    assert next(pulled) == {"status": "Pulling"}
    with pytest.raises(EngineError, match="unexpected EOF"):
        next(pulled)
    assert api.made[0] == ("pull", ("host:5000/me/server", "latest"))


def test_labelled_things_are_containers_and_volumes(tmp_path: Path) -> None:
    labels = {"a": "b"}
    api = FakeApi(
        containers=[{"Id": "1", "Names": ["/one"], "Labels": labels}],
        volumes={"Volumes": [{"Name": "v", "Labels": labels}]},
    )
    assert engine(api, tmp_path).labelled("a=b") == [
        Labelled("container", "1", "one", labels),
        Labelled("volume", "v", "", labels),
    ]
    assert engine(FakeApi(containers=[], volumes={"Volumes": None}), tmp_path).labelled("a") == []


# --- Connecting -----------------------------------------------------------------------------------


def refused(place: str) -> UserError:
    with pytest.raises(UserError) as caught:
        connect({"DOCKER_HOST": place})
    return caught.value


def test_no_engine_is_said_with_what_to_do(tmp_path: Path) -> None:
    error = refused(f"unix://{tmp_path}/none.sock")
    assert "there is no Docker engine" in error.message
    assert "scripts/engine" in error.hint


def test_no_permission_is_said_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", forbidden)
    error = refused(f"unix://{tmp_path}/docker.sock")
    assert "no permission" in error.message
    assert "root" in error.hint


def test_an_engine_elsewhere_is_none() -> None:
    assert "has to be on this machine" in refused("tcp://10.0.0.1:2375").message


def test_the_usual_place_is_asked_without_docker_host(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def note(_: socket.socket, path: str) -> None:
        asked.append(path)
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(socket.socket, "connect", note)
    with contextlib.suppress(UserError):
        connect({})
    assert [os.path.basename(path) for path in asked] == ["docker.sock"]  # noqa: PTH119


@pytest.mark.docker
def test_a_real_engine_says_what_it_is(docker_engine: Any) -> None:
    with contextlib.closing(connect()) as here:
        assert here.version().version == docker_engine.version()["Version"]
        assert here.image("quicmatrix/is-not-there:latest") is None
        assert isinstance(here, Engine)
