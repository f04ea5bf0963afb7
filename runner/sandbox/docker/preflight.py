"""Whether sides can be made of an engine's containers: one is made, looked at, and removed."""

from __future__ import annotations

import secrets
from pathlib import Path

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.sandbox import label
from quicmatrix.runner.sandbox.docker.container import trial
from quicmatrix.runner.sandbox.docker.engine import Engine, EngineError, Labelled
from quicmatrix.runner.sandbox.label import Label, Runner


def try_out(engine: Engine, image: str, scratch: Path, memlock: int) -> int | None:
    """Try to make a side.

    Args:
        engine: Whose containers it is to be made of.
        image: What holders are made of.
        scratch: Where sandboxes have their folders.
        memlock: How many bytes an endpoint should be allowed to lock in memory.

    Returns:
        How many it is allowed: as many, or None if the engine has no right to grant that, e.g. as
        it runs in a container itself.

    Raises:
        UserError: It cannot be done.
    """
    try:
        try:
            _make(engine, image, scratch, memlock)
        except EngineError as error:
            if "rlimit" not in str(error):
                raise
            _make(engine, image, scratch, None)
            return None
    except EngineError as error:
        if "source path does not exist" in str(error):
            raise UserError(
                f"the engine does not see our {scratch}",
                f"a runner in a container needs --volume {scratch}:{scratch}",
            ) from error
        raise UserError(
            f"sandboxes cannot be made of this engine's containers: {error}",
            "docker info and the engine's log may say more; --backend netns needs no engine",
        ) from error
    return memlock


def _make(engine: Engine, image: str, scratch: Path, memlock: int | None) -> None:
    mark = Label(f"trial-{secrets.token_hex(4)}", Runner.this())
    with label.scratch_folder(scratch) as folder:  # of a name that is nowhere else
        label.attach(mark, folder)
        wanted = trial(mark, image, folder, memlock)
        container = engine.create(wanted, f"quicmatrix-{mark.run_id}")
        try:
            engine.start(container)
            engine.pid(container)
        finally:
            engine.remove(Labelled("container", container, "", {}))
