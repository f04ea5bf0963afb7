"""Which kinds of sandbox there are, by the name that ``--backend`` uses."""

from __future__ import annotations

from runner.errors import UserError
from runner.sandbox.model import Backend

BACKENDS = ("netns", "docker")


def backend(name: str) -> Backend:
    """Make a backend.

    Raises:
        UserError: It is not there yet.
    """
    if name == "docker":
        raise UserError(
            "--backend docker comes with a later version",
            "--backend netns needs no Docker; give implementations local commands",
        )
    from runner.sandbox.netns import NetnsBackend  # noqa: PLC0415 - only running needs it

    return NetnsBackend()
