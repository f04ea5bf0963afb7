"""The exits of endpoints in containers, which are reported as those of local commands."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from quicmatrix.runner.sandbox.model import Exit
from tests.support.one_docker_sandbox import one_docker_sandbox
from tests.support.one_sandbox import SMALL, until

pytestmark = [pytest.mark.docker, pytest.mark.netns]

DAEMON = "setsid sleep 1000 </dev/null >/dev/null 2>&1 & touch /downloads/daemon; "


def test_the_exit_is_the_programs_own(tmp_path: Path, shell_image: str) -> None:
    async def story() -> None:
        async with one_docker_sandbox(tmp_path, shell_image) as stage:
            exits = await asyncio.gather(
                *(
                    stage.shell(host, script)
                    for host, script in (
                        (stage.client, "exit 0"),
                        (stage.client, "exit 127"),
                        (stage.server, "kill -SEGV $$"),
                        (stage.server, "echo $MARK; echo no >&2; exit 3"),
                    )
                )
            )
            assert exits[:2] == [(Exit(0), ""), (Exit(127), "")]
            assert exits[2][0] == Exit(None, signal.SIGSEGV)
            assert exits[3][0] == Exit(3)
            assert sorted(exits[3][1].splitlines()) == ["a b", "no"]  # of two streams

    asyncio.run(story())


def test_an_end_is_no_end_of_output_alone(tmp_path: Path, shell_image: str) -> None:
    async def story() -> None:
        async with one_docker_sandbox(tmp_path, shell_image) as stage:
            process, _ = await stage.start(
                stage.client,
                "exec >&- 2>&-; until [ -e /downloads/go ]; do read -t .01; done <> <(:); exit 4",
            )
            touched = stage.client.folder("/downloads") / "go"
            done, _ = await asyncio.wait({asyncio.ensure_future(process.wait())}, timeout=0.3)
            assert not done
            touched.touch()
            assert await process.wait() == Exit(4)

    asyncio.run(story())


def test_sigterm_ends_what_does_not_trap_it_and_lets_others_finish(
    tmp_path: Path, shell_image: str
) -> None:
    async def story() -> None:
        async with one_docker_sandbox(tmp_path, shell_image) as stage:
            # A shell around a program, as most images have one: as process 1 it would not hear.
            careless, _ = await stage.start(stage.client, "touch /downloads/1; sleep 1000; true")
            careful, log = await stage.start(
                stage.client,
                "trap 'echo bye; exit 0' TERM; touch /downloads/2; while :; do sleep .01; done",
            )
            for name in ("1", "2"):
                await until((stage.client.folder("/downloads") / name).exists)
            assert await careless.stop() == Exit(None, signal.SIGTERM)
            assert await careful.stop() == Exit(0)
            assert log.read_text() == "bye\n"

    asyncio.run(story())


def test_what_ignores_sigterm_is_killed_with_all_it_started(
    tmp_path: Path, shell_image: str
) -> None:
    async def story() -> None:
        async with one_docker_sandbox(tmp_path, shell_image, stop_grace_s=0.1) as stage:
            process, _ = await stage.start(
                stage.client, f"trap '' TERM; {DAEMON} while :; do sleep .01; done"
            )
            await until((stage.client.folder("/downloads") / "daemon").exists)
            assert await process.stop() == Exit(None, signal.SIGKILL)
            _, said = await stage.shell(stage.client, "cat /proc/[0-9]*/comm")
            assert "sleep" not in said
            assert await process.kill() == Exit(None, signal.SIGKILL)

    asyncio.run(story())


def test_a_memory_hog_is_killed_and_named(tmp_path: Path, shell_image: str) -> None:
    async def story() -> None:
        small = replace(SMALL, memory_bytes=32 << 20)
        async with one_docker_sandbox(tmp_path, shell_image, limits=small) as stage:
            # tail keeps the last line, which never ends.
            how, _ = await stage.shell(stage.client, "exec tail -n 1 /dev/zero")
            assert how.out_of_memory
            assert how.signal == signal.SIGKILL
            assert not (await stage.shell(stage.client, "true"))[0].out_of_memory

    asyncio.run(story())


def test_a_flood_is_cut_and_ended(tmp_path: Path, shell_image: str) -> None:
    async def story() -> None:
        async with one_docker_sandbox(tmp_path, shell_image) as stage:
            how, said = await stage.shell(stage.client, "exec yes")
            assert how == Exit(None, signal.SIGKILL, log_overflow=True)
            assert len(said) == SMALL.log_bytes
            assert set(said) == {"y", "\n"}

    asyncio.run(story())
