"""The one kind of error that is not a bug: wrong use, or an environment that cannot do it."""

from __future__ import annotations


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
