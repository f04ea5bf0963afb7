"""Whether sides can be made of an engine's containers: one is made, looked at, and removed."""

from __future__ import annotations

import secrets

from runner.errors import UserError
from runner.sandbox.container import trial
from runner.sandbox.engine import Engine, EngineError, Labelled
from runner.sandbox.label import Label, Runner


def try_out(engine: Engine, image: str, memlock: int) -> int | None:
    """Try to make a side.

    Returns:
        How many bytes an endpoint may lock in memory: as many as wanted, or None if the engine has
        no right to grant that, e.g. as it runs in a container itself.

    Raises:
        UserError: It cannot be done.
    """
    try:
        try:
            _make(engine, image, memlock)
        except EngineError as error:
            if "rlimit" not in str(error):
                raise
            _make(engine, image, None)
            return None
    except EngineError as error:
        raise UserError(
            f"sandboxes cannot be made of this engine's containers: {error}",
            "docker info and the engine's log may say more; --backend netns needs no engine",
        ) from error
    return memlock


def _make(engine: Engine, image: str, memlock: int | None) -> None:
    mark = Label(f"trial-{secrets.token_hex(4)}", Runner.this())
    container = engine.create(trial(mark, image, memlock), f"quicmatrix-{mark.run_id}")
    try:
        engine.start(container)
        engine.pid(container)
    finally:
        engine.remove(Labelled("container", container, "", {}))
