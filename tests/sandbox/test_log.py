from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from quicmatrix.runner.sandbox.log import PIPE_BYTES, BoundedLog
from tests.support.one_sandbox import until


@pytest.mark.parametrize(
    ("written", "kept", "overflow"),
    [
        (b"", b"", False),
        (b"short", b"short", False),
        (b"12345678", b"12345678", False),
        (b"123456789", b"12345678", True),
        (b"12345678" * 1000, b"12345678", True),
    ],
)
def test_the_first_bytes_are_kept(
    tmp_path: Path, written: bytes, kept: bytes, overflow: bool
) -> None:
    async def story() -> list[str]:
        calls: list[str] = []
        log = BoundedLog(tmp_path / "log", 8)
        log.when_full(lambda: calls.append("full"))
        os.write(log.end, written)
        log.close_end()
        log.close()
        log.close()
        assert log.overflow is overflow
        return calls

    (tmp_path / "log").write_text("what was there before")
    assert asyncio.run(story()) == (["full"] if overflow else [])
    assert (tmp_path / "log").read_bytes() == kept


def test_a_log_is_drained_while_its_program_runs(tmp_path: Path) -> None:
    async def story() -> None:
        log = BoundedLog(tmp_path / "log", 10 * PIPE_BYTES)
        for number in range(1, 4):
            os.write(log.end, b"x" * 1000)
            await until(lambda size=number * 1000: (tmp_path / "log").stat().st_size == size)  # type: ignore[misc]
        log.close()
        assert not log.overflow
        assert log.fault is None

    asyncio.run(story())
    assert (tmp_path / "log").read_bytes() == b"x" * 3000


def test_an_overflow_is_told_to_whoever_asks_later(tmp_path: Path) -> None:
    async def story() -> None:
        log = BoundedLog(tmp_path / "log", 1)
        os.write(log.end, b"two")
        await until(lambda: log.overflow)
        calls: list[str] = []
        log.when_full(lambda: calls.append("full"))
        assert calls == ["full"]
        log.close()

    asyncio.run(story())


def test_a_full_disk_is_a_fault_and_no_overflow(tmp_path: Path) -> None:
    async def story() -> None:
        (tmp_path / "log").symlink_to("/dev/full")
        with pytest.raises(OSError, match="symbolic links"):
            BoundedLog(tmp_path / "log", 8)
        log = BoundedLog(Path("/dev/full"), 8)
        calls: list[str] = []
        log.when_full(lambda: calls.append("full"))
        os.write(log.end, b"text")
        await until(lambda: log.fault is not None)
        log.close()
        assert (calls, log.overflow) == (["full"], False)
        assert log.fault is not None
        assert log.fault.strerror == "No space left on device"

    asyncio.run(story())


def test_a_socket_can_be_the_source_and_its_bytes_decoded(tmp_path: Path) -> None:
    async def story() -> None:
        theirs, ours = socket.socketpair()
        ours.setblocking(False)
        log = BoundedLog(
            tmp_path / "log", 5, source=ours.detach(), decode=lambda data: data.lower()
        )
        with theirs:
            theirs.send(b"ABC")
            await until(lambda: (tmp_path / "log").read_bytes() == b"abc")
            assert not log.over.is_set()
        async with asyncio.timeout(5):
            await log.over.wait()
        log.close()
        assert not log.overflow

    asyncio.run(story())
    assert (tmp_path / "log").read_bytes() == b"abc"


def test_when_it_is_over_is_told(tmp_path: Path) -> None:
    async def story() -> None:
        log = BoundedLog(tmp_path / "log", 5)
        os.write(log.end, b"123456")
        async with asyncio.timeout(5):
            await log.over.wait()
        assert log.overflow
        log.close()

    asyncio.run(story())


@pytest.mark.parametrize("kept", [7, 64, 65])
@pytest.mark.parametrize("total", [0, 6, 7, 31, 32, 33, 64, 65, 66, 100, 128, 1000, 4096])
@pytest.mark.parametrize("piece", [1, 5, 64, 999])
def test_the_ends_of_a_long_log_are_kept(tmp_path: Path, total: int, kept: int, piece: int) -> None:
    data = bytes(33 + number % 90 for number in range(total))

    async def story() -> int:
        log = BoundedLog(tmp_path / "log", 10_000, kept=kept)
        for start in range(0, total, piece):
            os.write(log.end, data[start : start + piece])
            log._copy()
        log.close()
        assert not log.overflow
        return log.left_out

    left_out = asyncio.run(story())
    stored = (tmp_path / "log").read_bytes()
    assert left_out == max(total - kept, 0)
    assert len(stored) == min(total, kept)
    if not left_out:
        assert stored == data
    elif kept > 60:
        head, middle, tail = stored.partition(b"\n... %d bytes left out ...\n" % left_out)
        assert middle
        assert head == data[: kept // 2]
        assert data.endswith(tail)


def test_a_long_log_is_no_overflow_until_its_limit(tmp_path: Path) -> None:
    async def story(size: int) -> bool:
        log = BoundedLog(tmp_path / "log", 1000, kept=100)
        os.write(log.end, b"x" * size)
        log.close()
        assert (tmp_path / "log").stat().st_size == 100
        return log.overflow

    assert not asyncio.run(story(1000))
    assert asyncio.run(story(1001))
