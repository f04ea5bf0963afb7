from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from quicmatrix.runner.sandbox.model import SandboxError
from quicmatrix.runner.sandbox.netns.holder import alive, finish, run_tool, spawn, tool_environment


def test_a_tool_gets_text_and_gives_text() -> None:
    assert asyncio.run(run_tool("cat", text="a word\n")) == "a word"


def test_a_tool_that_fails_says_what_it_said() -> None:
    with pytest.raises(SandboxError, match=r"^sh -c echo no >&2; exit 3 failed with 3: no$"):
        asyncio.run(run_tool("sh", "-c", "echo no >&2; exit 3"))


def children() -> set[str]:
    """The process ids of this process's children, those that were not waited for included."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def test_a_cancelled_tool_is_gone() -> None:
    async def story() -> None:
        read, write = os.pipe()
        task = asyncio.ensure_future(
            run_tool("sh", "-c", f"echo >/proc/{os.getpid()}/fd/{write}; cat; sleep 1000")
        )
        await asyncio.to_thread(os.read, read, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        os.close(read)
        os.close(write)

    before = children()
    asyncio.run(story())
    assert children() == before


def test_a_process_that_is_spawned_while_we_are_cancelled_is_gone() -> None:
    async def story() -> None:
        null = subprocess.DEVNULL
        task = asyncio.ensure_future(
            spawn("sleep", "1000", stdin=null, stdout=null, stderr=null, environment={})
        )
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    before = children()
    asyncio.run(story())
    assert children() == before


def test_what_has_to_be_finished_is_finished() -> None:
    done: list[str] = []

    async def work() -> str:
        for step in ("first", "second"):
            await asyncio.sleep(0)
            done.append(step)
        return "result"

    async def failing() -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    async def story() -> None:
        assert await finish(work()) == "result"
        done.clear()
        task = asyncio.ensure_future(finish(work()))
        for _ in range(2):
            await asyncio.sleep(0)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert done == ["first", "second"]
        with pytest.raises(ZeroDivisionError):
            await finish(failing())

    asyncio.run(story())


def test_a_zombie_is_not_alive() -> None:
    script = "import sys, threading, time, ctypes\n"
    script += "threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n"
    script += "print(flush=True)\nctypes.CDLL(None).pthread_exit(None)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        folder = Path("/proc", str(process.pid))
        assert alive(folder), "its first thread may be dead, but the second is not"
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not alive(folder)
    assert not alive(folder)


def test_tools_are_found_where_root_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/mine")
    assert tool_environment() == {"PATH": "/mine:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    monkeypatch.delenv("PATH")
    assert tool_environment()["PATH"] == "/usr/sbin:/usr/bin:/sbin:/bin"
