"""Checks before a run that an engine can create the containers of a side, by creating one."""

from __future__ import annotations

import secrets
from pathlib import Path

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.sandbox import label
from quicmatrix.runner.sandbox.docker.container import preflight_container
from quicmatrix.runner.sandbox.docker.engine import Engine, EngineError, Labelled
from quicmatrix.runner.sandbox.label import Label, Runner


def preflight(engine: Engine, image: str, scratch: Path, memlock: int) -> int | None:
    """Create a side's container, start it, and remove it.

    Args:
        engine: The engine to check.
        image: The image of holders.
        scratch: The folder in which sandboxes have theirs.
        memlock: The RLIMIT_MEMLOCK that endpoints should get, in bytes.

    Returns:
        The same, or None if the engine may not raise the limit, e.g. in a container itself.

    Raises:
        UserError: It cannot be created or started.
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
    mark = Label(f"preflight-{secrets.token_hex(4)}", Runner.this())
    with label.scratch_folder(scratch) as folder:  # of a name that is nowhere else
        label.attach(mark, folder)
        wanted = preflight_container(mark, image, folder, memlock)
        container = engine.create(wanted, f"quicmatrix-{mark.run_id}")
        try:
            engine.start(container)
            engine.pid(container)
        finally:
            engine.remove(Labelled("container", container, "", {}))
