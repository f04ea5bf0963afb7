from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import requests
from docker.errors import APIError

from quicmatrix.runner.contract_check.image_facts import image_facts
from quicmatrix.runner.contract_check.model import ImageFacts
from quicmatrix.runner.errors import UserError

LABELS = {"quicmatrix.run": "x"}
SAID = {
    "Id": "sha256:abc",
    "Architecture": "arm64",
    "Os": "linux",
    "Size": 1000,
    "Config": {"Entrypoint": ["/run_endpoint.sh"], "Cmd": None, "User": "nobody"},
}


class Response:
    """What an archive comes in."""

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Api:
    """An engine with one image."""

    def __init__(
        self, said: Mapping[str, Any], *, refuses: int = 0, archive_status: int = 0
    ) -> None:
        self.said = said
        self.refuses = refuses
        self.archive_status = archive_status
        self.containers: dict[str, Mapping[str, str]] = {}
        self.archive = Response()

    def inspect_image(self, name: str) -> Mapping[str, Any]:
        if name != "mine":
            raise error(404, f"No such image: {name}")
        return self.said

    def version(self) -> Mapping[str, str]:
        return {"Arch": "amd64"}

    def create_container(self, image: str, *, labels: Mapping[str, str], **_: Any) -> Any:
        assert image == "sha256:abc"
        if self.refuses:
            raise error(self.refuses, "no space")
        self.containers["c1"] = labels
        return {"Id": "c1"}

    def get_archive(self, container: str, path: str) -> tuple[Response, Mapping[str, Any]]:
        assert self.containers[container] == LABELS
        assert path == "/setup.sh"
        if self.archive_status:
            raise error(self.archive_status, "no such file")
        return self.archive, {}

    def remove_container(self, container: str, **_: Any) -> None:
        del self.containers[container]


def error(status: int, said: str) -> APIError:
    response = requests.Response()
    response.status_code = status
    return APIError("refused", response, said)


def test_all_that_rules_ask_for_is_there() -> None:
    api = Api(SAID)
    assert image_facts(api, "mine", LABELS) == ImageFacts(
        architecture="arm64",
        engine_architecture="amd64",
        operating_system="linux",
        starts_with=("/run_endpoint.sh",),
        has_setup_script=True,
        user="nobody",
        size=1000,
    )
    assert api.archive.closed
    assert api.containers == {}


@pytest.mark.parametrize(
    ("api", "found"),
    [
        (Api(SAID, archive_status=404), False),
        (Api(SAID, archive_status=500), None),
        (Api(SAID, refuses=500), None),
    ],
)
def test_a_script_that_is_not_there_is_told_from_one_that_nobody_could_see(
    api: Api, found: bool | None
) -> None:
    assert image_facts(api, "mine", LABELS).has_setup_script is found
    assert api.containers == {}


def test_an_image_without_settings_starts_nothing() -> None:
    facts = image_facts(Api({**SAID, "Config": None}), "mine", LABELS)
    assert facts.starts_with == ()
    assert facts.user == ""


def test_an_image_that_is_not_here_is_wrong_use() -> None:
    with pytest.raises(UserError, match="cannot look at the image 'other': No such image"):
        image_facts(Api(SAID), "other", LABELS)
