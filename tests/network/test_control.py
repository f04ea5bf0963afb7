from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from quicmatrix.runner.network import control
from quicmatrix.runner.network.control import Channel, Forwarded, MiddleboxError, Summary
from quicmatrix.runner.network.recording.lateness import LatenessSummary

CAPTURING = b'{"event": "capturing"}\n'
READY = b'{"event": "server-ready", "after_s": 0.612}\n'
SILENT = b'{"event": "server-silent", "after_s": 10.0}\n'
FINISHED = (
    b'{"event": "finished", "forwarded": {"to_client": 812, "to_server": 95}, "dropped": 3,'
    b' "lateness_ms": {"count": 907, "mean": 0.06, "p50": 0.06, "p99": 0.2, "worst": 1.1},'
    b' "kernel_drops": 0, "truncated": ""}\n'
)
SUMMARY = Summary(
    Forwarded(to_client=812, to_server=95), 3, LatenessSummary(907, 0.06, 0.06, 0.2, 1.1), 0, ""
)

Story = Callable[[Channel], Awaitable[None]]


def play(folder: Path, before: bytes, story: Story, after: bytes = b"") -> bytes:
    """A middlebox that says something, waits for the runner's word, and says something else."""

    async def middlebox(path: Path) -> bytes:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(before)
        heard = b""
        if after:
            heard = await reader.readline()
            writer.write(after)
        await writer.drain()
        writer.close()
        return heard

    async def both() -> bytes:
        async with control.listen(folder / "control") as channel, asyncio.TaskGroup() as tasks:
            fake = tasks.create_task(middlebox(folder / "control"))
            await story(channel)
        assert not (folder / "control").exists()
        return fake.result()

    return asyncio.run(both())


def test_all_events_in_order(tmp_path: Path) -> None:
    async def story(channel: Channel) -> None:
        await channel.capturing()
        assert await channel.server_ready()
        assert await channel.finish() == SUMMARY

    assert play(tmp_path, CAPTURING + READY, story, FINISHED) == b"finish\n"


def test_a_server_that_does_not_answer(tmp_path: Path) -> None:
    async def story(channel: Channel) -> None:
        await channel.capturing()
        assert not await channel.server_ready()

    play(tmp_path, CAPTURING + SILENT, story)


def test_it_may_be_finished_without_waiting_for_the_server(tmp_path: Path) -> None:
    async def story(channel: Channel) -> None:
        assert await channel.finish() == SUMMARY

    play(tmp_path, CAPTURING + READY, story, FINISHED)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (b"", "the middlebox ended before it captures"),
        (b'{"event": "failed", "reason": "no eth0"}\n', "no eth0"),
        (READY, "the middlebox sent an unexpected event: ServerReady(after_s=0.612)"),
        (b"Traceback\n", "the middlebox sent an invalid event: JSON is malformed"),
        (b'{"event": "later"}\n', "the middlebox sent an invalid event: Invalid value"),
    ],
)
def test_an_early_end_is_an_error_with_the_reason(
    tmp_path: Path, event: bytes, reason: str
) -> None:
    async def story(channel: Channel) -> None:
        with pytest.raises(MiddleboxError) as caught:
            await channel.capturing()
        assert str(caught.value).startswith(reason)

    play(tmp_path, event, story)


def test_an_end_while_waiting_for_the_server_is_an_error(tmp_path: Path) -> None:
    async def story(channel: Channel) -> None:
        await channel.capturing()
        with pytest.raises(MiddleboxError, match="ended before it knows whether the server is"):
            await channel.server_ready()

    play(tmp_path, CAPTURING, story)


def test_a_crash_while_finishing_is_an_error(tmp_path: Path) -> None:
    async def story(channel: Channel) -> None:
        with pytest.raises(MiddleboxError, match="OSError: no disk"):
            await channel.finish()

    play(tmp_path, CAPTURING, story, b'{"event": "failed", "reason": "OSError: no disk"}\n')


def test_waiting_for_a_middlebox_that_never_connects_has_a_timeout(tmp_path: Path) -> None:
    async def story() -> None:
        async with control.listen(tmp_path / "control") as channel:
            with pytest.raises(MiddleboxError, match=r"not within 0\.01 s: the middlebox captures"):
                await channel.capturing(timeout_s=0.01)

    asyncio.run(story())


def test_waiting_for_an_event_has_a_timeout(tmp_path: Path) -> None:
    async def story() -> None:
        async with control.listen(tmp_path / "control") as channel:
            _, writer = await asyncio.open_unix_connection(tmp_path / "control")
            with pytest.raises(MiddleboxError, match="the middlebox finishes"):
                await channel.finish(timeout_s=0.01)
            writer.close()

    asyncio.run(story())


def test_a_path_that_is_too_long_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with control.listen(tmp_path / ("x" * 107)):
            pass

    with pytest.raises(ValueError, match="too long for a Unix socket"):
        asyncio.run(story())


def test_the_command_has_all_arguments() -> None:
    words = control.command(
        scenario="simple-p2p --delay=1ms",
        seed=7,
        capture_dir=Path("/c"),
        capture_limit=9,
        control=Path("/s"),
        client_mac="02:00:00:00:00:01",
        probe_timeout_s=None,
        python=("python3",),
    )
    assert words[:3] == ("python3", "-m", "quicmatrix.runner.network")
    assert "--scenario=simple-p2p --delay=1ms" in words
    assert "--client-mac=02:00:00:00:00:01" in words
    assert not any(word.startswith("--probe") for word in words)
