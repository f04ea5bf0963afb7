"""The first SIGINT or SIGTERM stops a run in good order; the second ends the process at once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from typing import TypeVar

T = TypeVar("T")


class Interrupted(Exception):  # noqa: N818 - nothing went wrong
    """A signal came, and what was going on has come to its end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


async def until_signalled(
    work: Coroutine[object, object, T],
    *,
    stopping: Callable[[], None],
    dying: Callable[[], None],
) -> T:
    """Await something that a signal may cancel.

    Args:
        work: What to await. It may take its time to clean up.
        stopping: Called when the first signal comes.
        dying: Called when another one comes, right before it ends the process.

    Raises:
        Interrupted: A signal came, and ``work`` has cleaned up and ended.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    received: list[int] = []

    def receive(number: int) -> None:
        if received:
            dying()
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        received.append(number)
        stopping()
        task.cancel()

    handled = (signal.SIGINT, signal.SIGTERM)
    for number in handled:
        loop.add_signal_handler(number, receive, number)
    try:
        return await work
    except asyncio.CancelledError:
        if not received:
            raise
        task.uncancel()
        raise Interrupted(received[0]) from None
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
