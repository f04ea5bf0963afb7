from __future__ import annotations

import pytest

import quicmatrix.runner.sandbox.backends
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.sandbox.backends import BACKENDS, backend, widest
from quicmatrix.runner.sandbox.docker.engine import EngineError
from quicmatrix.runner.sandbox.fake import FakeBackend
from quicmatrix.runner.sandbox.model import Form


def test_each_name_is_a_backend_of_its_own_form() -> None:
    assert [backend(name).form for name in BACKENDS] == [Form.COMMAND, Form.IMAGE]


@pytest.mark.parametrize("problem", [None, UserError("no engine"), EngineError("it hangs")])
def test_where_no_engine_answers_namespaces_are_cleaned_all_the_same(
    problem: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unreachable(FakeBackend):
        def leftovers(self) -> tuple[str, ...]:
            if problem is not None:
                raise problem
            return ()

    places = {"netns": FakeBackend({}), "docker": Unreachable({})}
    monkeypatch.setattr(quicmatrix.runner.sandbox.backends, "backend", places.__getitem__)
    assert widest() is places["netns" if problem else "docker"]
