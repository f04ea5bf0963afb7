from __future__ import annotations

from collections import deque
from pathlib import Path

import pytest

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.sandbox.docker.preflight import preflight
from quicmatrix.runner.sandbox.model import MIB
from tests.support.fake_api import CONTAINER, FakeApi, engine, refusal


def api(start: object = None, pid: int = 7) -> FakeApi:
    return FakeApi(
        create_container_from_config={"Id": CONTAINER},
        start=start,
        inspect_container={"State": {"Pid": pid, "ExitCode": 0}},
        remove_container=None,
    )


def tried(played: FakeApi, tmp_path: Path) -> int | None:
    (tmp_path / "scratch").mkdir()
    try:
        return preflight(engine(played, tmp_path), "network", tmp_path / "scratch", 64 * MIB)
    finally:
        assert list((tmp_path / "scratch").iterdir()) == []
        names = [name for name, _ in played.made]
        made = names.count("create_container_from_config")
        assert names.count("remove_container") == made


def test_a_side_that_can_be_made_has_what_was_wanted(tmp_path: Path) -> None:
    assert tried(api(), tmp_path) == 64 * MIB


def test_an_engine_without_the_right_to_raise_limits_does_without(tmp_path: Path) -> None:
    refused = refusal(500, "error setting rlimit type 8: operation not permitted")
    assert tried(api(deque([refused, None])), tmp_path) is None


@pytest.mark.parametrize(
    ("played", "message", "hint"),
    [
        (api(refusal(500, "bind source path does not exist: /x")), "does not see our", "--volume"),
        (api(refusal(500, "no space left on device")), "no space left", "--backend netns"),
        (api(pid=8), "not to be seen from here", "--backend netns"),
    ],
)
def test_what_stands_in_the_way_is_said(
    tmp_path: Path, played: FakeApi, message: str, hint: str
) -> None:
    with pytest.raises(UserError) as caught:
        tried(played, tmp_path)
    assert message in caught.value.message
    assert hint in caught.value.hint
