from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from quicmatrix.runner.sandbox.model import Exit, Launch, LaunchError
from quicmatrix.runner.sandbox.netns.process import CAPABILITIES
from tests.support.one_sandbox import SMALL, one_sandbox, until
from tests.support.real_root import real_root

netns = pytest.mark.netns

DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open("/downloads/daemon", "w").close()
        while True:
            time.sleep(1000)
    os._exit(0)
while not os.path.exists("/downloads/daemon"):
    time.sleep(0.001)
"""


@netns
def test_the_exit_is_the_programs_own(tmp_path: Path) -> None:
    signals = ("TERM", "KILL", "INT", "HUP", "PIPE", "SEGV", "ABRT", "USR1", "ALRM", "QUIT")

    async def story() -> None:
        async with one_sandbox(tmp_path) as stage:
            for code in (0, 1, 2, 126, 127, 255):
                assert (await stage.shell(stage.client, f"exit {code}"))[0] == Exit(code)
            for name in signals:
                how, _ = await stage.shell(stage.client, f"kill -{name} $$")
                assert how == Exit(None, signal.Signals[f"SIG{name}"])
            how, _ = await stage.python(stage.client, "import os; os.kill(os.getpid(), 34)")
            assert how == Exit(None, 34)  # the first real-time signal
            assert not list(stage.folder.glob("core*"))

    asyncio.run(story())


@netns
def test_what_is_no_program_is_told_apart_from_exit_127(tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    for name, text, mode in (
        ("bare", "echo hello\n", 0o755),
        ("orphaned", "#!/no/such/interpreter\n", 0o755),
        ("forbidden", "#!/bin/sh\n", 0o644),
    ):
        (bad / name).write_text(text)
        (bad / name).chmod(mode)

    async def story() -> dict[str, str]:
        reasons = {}
        async with one_sandbox(tmp_path) as stage:
            for command in ("./bare", "./orphaned", "./forbidden", "./missing", "no-such-thing"):
                with pytest.raises(LaunchError) as raised:
                    await stage.start(stage.client, command, cwd=bad)
                reasons[command] = str(raised.value)
            with pytest.raises(LaunchError) as raised:
                await stage.start(stage.client, "true", cwd=tmp_path / "nowhere")
            reasons["cwd"] = str(raised.value)
            assert (await stage.shell(stage.client, "exit 127"))[0] == Exit(127)
        return reasons

    assert asyncio.run(story()) == {
        "./bare": "./bare: Exec format error",
        "./orphaned": "./orphaned: No such file or directory",
        "./forbidden": "./forbidden: Permission denied",
        "./missing": "./missing: No such file or directory",
        "no-such-thing": "no-such-thing: No such file or directory",
        "cwd": f"{tmp_path / 'nowhere'}: No such file or directory",
    }


@netns
def test_the_environment_is_what_was_asked_for_and_the_label(tmp_path: Path) -> None:
    async def story() -> list[bytes]:
        async with one_sandbox(tmp_path, run_id="the-run") as stage:
            process, log = await stage.start(
                stage.server,
                "/usr/bin/env",
                "-0",
                environment={"ONE": "a b\nc", "EMPTY": "", "EQUALS": "x=y", "LD_PRELOAD": ""},
            )
            await process.wait()
            return sorted(log.read_bytes().split(b"\0"))

    assert asyncio.run(story()) == [
        b"",
        b"EMPTY=",
        b"EQUALS=x=y",
        b"LD_PRELOAD=",
        b"ONE=a b\nc",
        b"QUICMATRIX_RUN=the-run",
    ]


@netns
def test_a_program_may_have_a_core_to_itself(tmp_path: Path) -> None:
    async def story() -> None:
        async with one_sandbox(tmp_path) as stage:
            core = max(os.sched_getaffinity(0))
            script = "grep Cpus_allowed_list /proc/self/status"
            launch = Launch(
                ("sh", "-c", script), Path("/"), {"PATH": os.environ["PATH"]}, core=core
            )
            for host in (stage.client, stage.sim):
                process = await host.start(launch, tmp_path / "core")
                await process.wait()
                assert (tmp_path / "core").read_text().split() == ["Cpus_allowed_list:", str(core)]

    asyncio.run(story())


@netns
def test_arguments_arrive_as_they_are(tmp_path: Path) -> None:
    words = ("", " ", "$HOME", "*", "naïve", "\udcff", "-x", "new\nline")

    async def story() -> bytes:
        async with one_sandbox(tmp_path) as stage:
            process, log = await stage.start(stage.client, "printf", "%s|", *words)
            await process.wait()
            return log.read_bytes()

    assert asyncio.run(story()) == b"".join(os.fsencode(word) + b"|" for word in words)


@netns
def test_a_program_inherits_nothing_of_the_runner(tmp_path: Path) -> None:
    async def story() -> tuple[str, str]:
        async with one_sandbox(tmp_path) as stage:
            look = (
                "grep -E '^(CapEff|CapBnd|NoNewPrivs|SigIgn|SigBlk)' /proc/self/status; umask;"
                " ls -1 /proc/self/fd | wc -l; readlink /proc/self/fd/0; ulimit -c; id -u;"
                ' [ "$(ps -o sid= -p $$ | tr -d " ")" = $$ ] && echo leader'
            )
            return (await stage.shell(stage.client, look))[1], (
                await stage.shell(stage.sim, "grep CapEff /proc/self/status")
            )[1]

    side, sim = asyncio.run(story())
    numbers = {"chown": 0, "dac_override": 1, "fowner": 3, "fsetid": 4, "kill": 5, "setgid": 6}
    numbers |= {"setuid": 7, "setpcap": 8, "net_bind_service": 10, "net_admin": 12, "net_raw": 13}
    numbers |= {"sys_chroot": 18, "setfcap": 31}
    mask = sum(1 << numbers[name] for name in CAPABILITIES)
    assert side.split() == [
        *("SigBlk:", f"{0:016x}", "SigIgn:", f"{0:016x}"),
        *("CapEff:", f"{mask:016x}", "CapBnd:", f"{mask:016x}", "NoNewPrivs:", "1"),
        *("0022", "4", "/dev/null", "0", "0", "leader"),  # 4: ls itself reads the folder
    ]
    assert int(sim.split()[1], 16) & ~mask, "the sim keeps what the runner has"


@netns
def test_whoever_waits_gets_the_same_answer(tmp_path: Path) -> None:
    async def story() -> None:
        async with one_sandbox(tmp_path) as stage:
            process, _ = await stage.start(stage.client, "sh", "-c", "exit 7")
            impatient = asyncio.ensure_future(process.wait())
            impatient.cancel()
            for answer in await asyncio.gather(process.wait(), process.wait()):
                assert answer == Exit(7)
            assert await process.stop() == await process.kill() == await process.wait() == Exit(7)
            assert impatient.cancelled()

    asyncio.run(story())


@netns
def test_stop_lets_a_program_finish(tmp_path: Path) -> None:
    async def story() -> None:
        async with one_sandbox(tmp_path) as stage:
            process, log = await stage.start(
                stage.server,
                *(
                    "sh",
                    "-c",
                    "trap 'echo bye; exit 4' TERM; echo >/downloads/up; sleep 1000 & wait",
                ),
            )
            await until((stage.server.folder("/downloads") / "up").exists)
            assert await process.stop() == Exit(4)
            assert log.read_text() == "bye\n"

    asyncio.run(story())


@netns
def test_stop_kills_what_ignores_sigterm(tmp_path: Path) -> None:
    async def story() -> float:
        async with one_sandbox(tmp_path, stop_grace_s=0.2) as stage:
            ignore = "trap '' TERM INT HUP; echo >/downloads/up; while :; do sleep 1000; done"
            process, _ = await stage.start(stage.server, "sh", "-c", ignore)
            await until((stage.server.folder("/downloads") / "up").exists)
            began = time.monotonic()
            assert await process.stop() == Exit(None, signal.SIGKILL)
            assert not stage.server.holder.has_processes()
            return time.monotonic() - began

    assert 0.2 <= asyncio.run(story()) < 5


@netns
def test_a_stopped_program_can_be_killed(tmp_path: Path) -> None:
    async def story() -> None:
        async with one_sandbox(tmp_path) as stage:
            process, _ = await stage.start(stage.client, "sh", "-c", "kill -STOP $$")
            stat = Path(f"/proc/{process._nsenter.pid}/stat")
            await until(lambda: ") T " in stat.read_text())
            assert await process.kill() == Exit(None, signal.SIGKILL)

    asyncio.run(story())


@netns
def test_daemons_die_with_their_program(tmp_path: Path) -> None:
    async def story() -> None:
        async with one_sandbox(tmp_path) as stage:
            how, said = await stage.python(stage.client, DAEMON)
            assert how == Exit(0), said
            assert not stage.client.holder.has_processes()

    asyncio.run(story())


@netns
def test_several_programs_on_a_host_do_not_disturb_each_other(tmp_path: Path) -> None:
    async def story() -> None:
        async with one_sandbox(tmp_path) as stage:
            longer, _ = await stage.start(
                stage.sim, "sh", "-c", "trap 'exit 3' TERM; sleep 1000 & wait"
            )
            for _ in range(3):
                assert (await stage.shell(stage.sim, "exit 5"))[0] == Exit(5)
            assert longer.running
            assert (await longer.stop()).code in (3, None)  # None: before it set the trap

    asyncio.run(story())


@netns
def test_orphans_are_reaped(tmp_path: Path) -> None:
    """Or a program that makes daemons would run out of processes."""
    script = (
        "import os\nfor i in range(200):\n if os.fork() == 0:\n  if os.fork() == 0: os._exit(0)"
    )
    script += "\n  os._exit(0)\n os.wait()"

    async def story() -> None:
        async with one_sandbox(tmp_path) as stage:
            how, said = await stage.python(stage.client, script)
            assert how == Exit(0), said

    asyncio.run(story())


# --- Limits --------------------------------------------------------------------------------------


@netns
def test_a_fork_bomb_is_limited_and_killed(tmp_path: Path) -> None:
    script = (
        "import os, signal\ncount = 0\ntry:\n while True:\n"
        "  if os.fork() == 0:\n   signal.pause()\n  count += 1\n"
        "except OSError:\n print(count)"
    )

    async def story() -> int:
        async with one_sandbox(tmp_path) as stage:
            if "pids" not in stage.client.group.limited and real_root():
                pytest.skip("without control groups, root's processes are not counted")
            how, said = await stage.python(stage.client, script)
            assert how.code == 0, said
            if "pids" in stage.client.group.limited:
                assert how.exceeded == (f"{SMALL.processes} processes",)
            assert not stage.client.holder.has_processes()
            assert (await stage.shell(stage.server, "exit 0"))[0] == Exit(0)
            return int(said)

    assert SMALL.processes // 2 < asyncio.run(story()) < SMALL.processes


@netns
def test_a_wild_fork_bomb_can_be_killed(tmp_path: Path) -> None:
    async def story() -> None:
        async with one_sandbox(tmp_path) as stage:
            if "pids" not in stage.client.group.limited:
                pytest.skip("it would be the machine's")
            bomb = "import os\nopen('/downloads/up', 'x')\n"
            bomb += "while True:\n try: os.fork()\n except OSError: pass"
            process, _ = await stage.start(stage.client, "python3", "-c", bomb)
            await until((stage.client.folder("/downloads") / "up").exists)
            ended = await process.kill()  # which may be before its limit is reached, or after
            assert (ended.code, ended.signal) == (None, signal.SIGKILL)
            assert not stage.client.holder.has_processes()

    asyncio.run(story())


@netns
def test_a_memory_hog_is_killed_and_named(tmp_path: Path) -> None:
    async def story() -> Exit:
        async with one_sandbox(tmp_path) as stage:
            if "memory" not in stage.client.group.limited:
                pytest.skip("no control groups")
            hog = "parts = []\nwhile True: parts.append(b'x' * (1 << 20))"
            return (await stage.python(stage.client, hog))[0]

    assert asyncio.run(story()) == Exit(None, signal.SIGKILL, out_of_memory=True)


@netns
@pytest.mark.parametrize("folder", ["/tmp", "/dev/shm", "/logs", "/downloads"])
def test_a_full_folder_is_named(tmp_path: Path, folder: str) -> None:
    async def story() -> Exit:
        async with one_sandbox(tmp_path) as stage:
            script = f"head -c 99999999 /dev/zero >{folder}/full; exit 1"
            assert (await stage.shell(stage.server, "echo >/tmp/x"))[0] == Exit(0)
            return (await stage.shell(stage.client, script))[0]

    how = asyncio.run(story())
    assert how.code == 1
    (exceeded,) = how.exceeded
    assert exceeded.endswith(f" in {folder}")


@netns
def test_too_many_entries_are_named(tmp_path: Path) -> None:
    async def story() -> Exit:
        async with one_sandbox(tmp_path) as stage:
            script = f"seq {SMALL.downloads_entries + 1} | (cd /downloads && xargs touch)"
            return (await stage.shell(stage.client, script))[0]

    (exceeded,) = asyncio.run(story()).exceeded
    assert exceeded.endswith(" in /downloads")


@netns
def test_a_flood_is_cut_and_ended(tmp_path: Path) -> None:
    async def story() -> None:
        async with one_sandbox(tmp_path) as stage:
            for flood in ("yes", "yes >&2", "(yes &); sleep 1000", "while :; do printf x; done"):
                process, log = await stage.start(stage.client, "sh", "-c", flood)
                how = await process.wait()
                assert how == Exit(None, signal.SIGKILL, log_overflow=True)
                assert log.stat().st_size == SMALL.log_bytes
                assert not stage.client.holder.has_processes()

    asyncio.run(story())


@netns
def test_a_log_is_complete_when_its_program_has_ended(tmp_path: Path) -> None:
    async def story() -> None:
        async with one_sandbox(tmp_path) as stage:
            how, said = await stage.python(stage.client, f"print('x' * {SMALL.log_bytes - 1})")
            assert how == Exit(0)
            assert len(said) == SMALL.log_bytes

    asyncio.run(story())


@netns
def test_one_logs_end_is_not_the_others(tmp_path: Path) -> None:
    async def story() -> None:
        async with one_sandbox(tmp_path) as stage:
            flood, _ = await stage.start(stage.server, "yes")
            calm, log = await stage.start(stage.client, "echo", "calm")
            assert await calm.wait() == Exit(0)
            assert log.read_text() == "calm\n"
            assert (await flood.wait()).log_overflow

    asyncio.run(story())


@netns
def test_nobody_but_asyncio_reaps_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else asyncio does not get the exit status, and reports 255."""

    def poll(_: subprocess.Popen[bytes]) -> int | None:
        raise AssertionError("Popen.poll, which Popen.send_signal calls, may reap")

    async def story() -> Exit:
        async with one_sandbox(tmp_path) as stage:
            process, _ = await stage.start(stage.client, "sleep", "1000")
            monkeypatch.setattr(subprocess.Popen, "poll", poll)
            how = await process.kill()
            monkeypatch.undo()
            return how

    assert asyncio.run(story()) == Exit(None, signal.SIGKILL)
