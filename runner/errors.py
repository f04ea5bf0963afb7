"""The one kind of error that is not a bug: wrong use, or an environment that cannot do it."""

from __future__ import annotations

from pathlib import PurePath


class UserError(Exception):
    """Something the user can put right; exit code 2.

    Args:
        message: What is wrong, naming the file, the key or the argument.
        hint: What to do about it; empty if the message says it all.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def raised_at(error: BaseException) -> str:
    """Where an exception was raised, e.g. ``fake.py, line 71``."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    if at is None:
        return "it is not known where"
    return f"{PurePath(at.tb_frame.f_code.co_filename).name}, line {at.tb_lineno}"
