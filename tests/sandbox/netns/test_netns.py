from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from quicmatrix.runner.sandbox.model import Exit, Limits, SandboxError
from quicmatrix.runner.sandbox.netns.netns import NetnsBackend
from tests.support.one_sandbox import REPOSITORY, SMALL, folders, one_sandbox, remains, until
from tests.support.real_root import real_root

pytestmark = pytest.mark.netns


def test_a_sandbox_leaves_nothing_behind(tmp_path: Path) -> None:
    async def story() -> None:
        for _ in range(20):
            async with one_sandbox(tmp_path) as stage:  # looks for remains when it is left
                group = stage.client.group
            assert not any(folder.exists() for folder in group.folders)

    before = _mounts()
    asyncio.run(story())
    assert _mounts() == before
    assert asyncio.run(_descriptors_after_a_sandbox(tmp_path)) == []


def _mounts() -> list[str]:
    """The machine's, but for those of a container engine, which come and go with its containers."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    engine = ("/var/lib/docker/", "/run/docker/")
    return [line for line in lines if not line.split()[4].startswith(engine)]


def _descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


async def _descriptors_after_a_sandbox(folder: Path) -> list[str]:
    """What is open now and was not before."""
    before = _descriptors()
    async with one_sandbox(folder) as stage:
        await stage.shell(stage.client, "true")
    return sorted(_descriptors() - before)


def test_sandboxes_live_side_by_side(tmp_path: Path) -> None:
    async def attempt(folder: Path) -> str:
        async with one_sandbox(folder) as stage:
            (stage.client.folder("/downloads") / "mine").write_text(folder.name)
            _, said = await stage.shell(stage.client, "cat /downloads/*; ls /sys/class/net")
            return said

    async def story() -> list[str]:
        return await asyncio.gather(*map(attempt, places))

    places = [tmp_path / name for name in "abcd"]
    for folder in places:
        folder.mkdir()
    assert asyncio.run(story()) == [f"{name}eth0\nlo\n" for name in "abcd"]


@pytest.mark.parametrize("delay_ms", [0, 5, 10, 20, 40, 60, 80, 100, 110, 120, 130, 140])
def test_a_cancelled_sandbox_leaves_nothing_behind(tmp_path: Path, delay_ms: int) -> None:
    async def attempt() -> None:
        backend = NetnsBackend(scratch=tmp_path / "scratch")
        async with backend.sandbox("cancelled", folders(tmp_path), SMALL):
            await asyncio.Event().wait()

    async def story() -> None:
        task = asyncio.ensure_future(attempt())
        await asyncio.wait({task}, timeout=delay_ms / 1000)
        task.cancel()
        await asyncio.wait({task}, timeout=0.002)
        task.cancel()  # once more: people press Ctrl-C twice
        with pytest.raises(asyncio.CancelledError):
            await task

    (tmp_path / "scratch").mkdir()
    asyncio.run(story())
    assert remains(tmp_path, "cancelled") == []


def test_an_error_inside_stays_what_it_is(tmp_path: Path) -> None:
    async def story() -> None:
        async with one_sandbox(tmp_path) as stage:
            await stage.start(stage.server, "sleep", "1000")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(story())
    assert remains(tmp_path, str(tmp_path)) == []


def test_what_cannot_be_made_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        theirs = folders(tmp_path)
        theirs.certs.joinpath("ca.pem").unlink()
        theirs.certs.rmdir()
        async with NetnsBackend(scratch=tmp_path / "scratch").sandbox("broken", theirs, SMALL):
            pytest.fail("there is no /certs to show")

    with pytest.raises(SandboxError, match=r"cannot build a host: .*certs"):
        asyncio.run(story())
    assert remains(tmp_path, "broken") == []


RUNNER = """
import asyncio, json, sys
from pathlib import Path
from tests.support.one_sandbox import one_sandbox

async def main():
    async with one_sandbox(Path(sys.argv[1]), run_id=sys.argv[2]) as stage:
        stubborn = "trap '' TERM INT HUP; (setsid sleep 1000 &); echo; while :; do sleep 1; done"
        for host in stage.sandbox.hosts:
            await stage.start(host, "sh", "-c", stubborn)
        stopped, _ = await stage.start(stage.client, "sh", "-c", "kill -STOP $$")
        pids = [host.holder.pid for host in stage.sandbox.hosts]
        print(json.dumps([pids, stopped._nsenter.pid]), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_killed_runner_leaves_only_what_clean_removes(tmp_path: Path) -> None:
    run_id = f"killed-{tmp_path}"
    search = str(REPOSITORY)
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(tmp_path), run_id],
        env={**os.environ, "PYTHONPATH": search},
        stdout=subprocess.PIPE,
    )
    with runner:
        assert runner.stdout is not None
        pids, nsenter = json.loads(runner.stdout.readline())
        asyncio.run(until(lambda: _state(nsenter) == "T"))  # the worst case: it could not react
        deaths = [os.pidfd_open(pid) for pid in pids]
        namespaces = [  # open, so that no other namespace can get the same inode number
            os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY)
            for pid in pids
            for name in ("net", "mnt", "pid")
        ]
        backend = NetnsBackend(scratch=tmp_path / "scratch")
        assert backend.leftovers() == [], "it lives"
        assert backend.clean() == []
        runner.send_signal(signal.SIGKILL)
        for death in deaths:
            assert select.select([death], [], [], 10)[0], "a host survived its runner"
            os.close(death)
    asyncio.run(until(lambda: not _members({os.fstat(fd).st_ino for fd in namespaces})))
    for fd in namespaces:
        os.close(fd)
    mine = [line for line in backend.leftovers() if run_id in line]
    assert any("scratch folder" in line for line in mine)
    if real_root():
        assert sum("control group" in line for line in mine) == len(_groups(tmp_path)) > 0
    assert set(mine) <= set(backend.clean())
    assert [line for line in backend.leftovers() if run_id in line] == []
    assert remains(tmp_path, run_id) == []


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


def _members(inodes: set[int]) -> list[Path]:
    """All processes that are in one of these namespaces."""
    found = []
    for namespace in Path("/proc").glob("[0-9]*/ns/*"):
        try:
            if namespace.stat().st_ino in inodes:
                found.append(namespace)
        except OSError:
            continue  # dead by now
    return found


def _groups(folder: Path) -> list[Path]:
    scratch = next((folder / "scratch").iterdir())
    return list(Path("/sys/fs/cgroup").glob(f"**/{scratch.name}-*"))


def test_what_hangs_on_after_the_end_is_an_error(tmp_path: Path) -> None:
    """A process that only entered the network namespace survives the end of PID 1."""

    async def story() -> None:
        backend = NetnsBackend(scratch=tmp_path / "scratch")
        async with backend.sandbox("intruder", folders(tmp_path), SMALL) as made:
            target = str(made.client.holder.pid)
            intruder = await asyncio.create_subprocess_exec(
                *("nsenter", "--target", target, "--net", "sh", "-c", "echo; exec sleep 1000"),
                stdout=subprocess.PIPE,
            )
            intruders.append(intruder)
            assert intruder.stdout is not None
            await intruder.stdout.readline()

    async def whole() -> None:
        try:
            with pytest.raises(
                SandboxError, match=r"processes of a sandbox are left: \d+ .*sleep 1000"
            ):
                await story()
        finally:
            intruders[0].kill()
            await intruders[0].wait()

    intruders: list[asyncio.subprocess.Process] = []
    asyncio.run(whole())
    assert remains(tmp_path, "intruder") == []


def test_a_dead_host_is_the_machines_fault_and_not_its_programs(tmp_path: Path) -> None:
    async def story() -> None:
        async with one_sandbox(tmp_path) as stage:
            process, _ = await stage.start(stage.server, "sleep", "1000")
            os.kill(stage.server.holder.pid, signal.SIGKILL)
            with pytest.raises(SandboxError, match="died before its programs"):
                await process.wait()

    with pytest.raises(SandboxError, match="died before its programs"):
        asyncio.run(story())
    assert remains(tmp_path, str(tmp_path)) == []


def test_the_check_agrees_with_what_can_be_made(tmp_path: Path) -> None:
    async def story() -> None:
        async with one_sandbox(tmp_path) as stage:
            assert (await stage.shell(stage.client, "exit 0"))[0] == Exit(0)

    assert NetnsBackend().check() == () or not real_root()
    asyncio.run(story())


def test_what_is_limited_is_known(tmp_path: Path) -> None:
    async def story() -> frozenset[str]:
        async with one_sandbox(tmp_path, limits=Limits()) as stage:
            own = {"pids"} if stage.client.users else frozenset[str]()
            return stage.client.group.limited | own

    assert asyncio.run(story()) == NetnsBackend().limited()


def test_a_side_cannot_take_the_processes_of_another(tmp_path: Path) -> None:
    """Neither with control groups, nor in a user namespace without them."""
    script = (
        "import os, signal\n"
        "try:\n"
        "    while os.fork(): pass\n"
        "    signal.pause()\n"
        "except OSError:\n"
        "    open('/downloads/full', 'x').close()\n"
        "    signal.pause()\n"
    )

    async def story() -> Exit:
        async with one_sandbox(tmp_path) as stage:
            python = (sys.executable, "-I", "-S", "-c", script)
            await stage.start(stage.client, *python)
            await until((stage.client.folder("/downloads") / "full").exists)
            return (await stage.shell(stage.server, "true; $(true)"))[0]

    limited = "pids" in NetnsBackend().limited()
    if not limited:
        pytest.skip("the machine limits no processes of a side")
    assert asyncio.run(story()) == Exit(0)
