from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from quicmatrix.runner.execute.signals import Interrupted, until_signalled


async def forever(log: list[str]) -> str:
    try:
        await asyncio.Event().wait()
    finally:
        log.append("cleaned up")
    return "never"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_lets_the_work_clean_up(number: signal.Signals) -> None:
    log: list[str] = []

    async def main() -> None:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)
        await until_signalled(
            forever(log), stopping=lambda: log.append("stopping"), dying=pytest.fail
        )

    with pytest.raises(Interrupted) as caught:
        asyncio.run(main())
    assert caught.value.number == number
    assert log == ["stopping", "cleaned up"]


def test_work_that_ends_by_itself_gives_its_result_and_handlers_are_removed() -> None:
    async def work() -> int:
        return 42

    async def main() -> int:
        result = await until_signalled(work(), stopping=pytest.fail, dying=pytest.fail)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        return result

    assert asyncio.run(main()) == 42


def test_a_cancellation_without_a_signal_stays_one() -> None:
    async def main() -> None:
        async with asyncio.timeout(0):
            await until_signalled(forever([]), stopping=pytest.fail, dying=pytest.fail)

    with pytest.raises(TimeoutError):
        asyncio.run(main())


STUBBORN = """
import asyncio, os, signal
from quicmatrix.runner.execute.signals import until_signalled

async def stubborn():
    loop = asyncio.get_running_loop()
    loop.call_soon(os.kill, os.getpid(), signal.SIGTERM)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        print("cancelled", flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

asyncio.run(
    until_signalled(
        stubborn(),
        stopping=lambda: print("stopping", flush=True),
        dying=lambda: print("dying", flush=True),
    )
)
"""


def test_the_second_signal_ends_the_process_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STUBBORN], check=False, capture_output=True, text=True, timeout=30
    )
    assert done.stdout.split() == ["stopping", "cancelled", "dying"]
    assert done.returncode == -signal.SIGTERM
