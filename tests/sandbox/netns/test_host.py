from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from quicmatrix.runner.sandbox.model import SandboxError
from quicmatrix.runner.sandbox.netns import filesystem
from tests.support.machine_sockets import NOT_REACHED, PROBE, REACHED, listening
from tests.support.one_sandbox import REPOSITORY, SMALL, Stage, one_sandbox, until
from tests.support.real_root import real_root

netns = pytest.mark.netns


@netns
def test_each_side_has_folders_of_its_own(tmp_path: Path) -> None:
    name, folders = tmp_path.name, ("/downloads", "/logs", "/tmp")

    async def story() -> None:
        async with one_sandbox(tmp_path) as stage:
            write = f"for i in {' '.join(folders)}; do echo $0 >$i/{name}; done; ls /www"
            for host, www in ((stage.client, ""), (stage.server, "index\n")):
                process, log = await stage.start(host, "sh", "-c", write, host.name)
                assert (await process.wait()).code == 0
                assert log.read_text() == www
            for host in (stage.client, stage.server):
                for path in folders:
                    assert (host.folder(path) / name).read_text() == f"{host.name}\n"
                _, said = await stage.shell(host, "cat /certs/ca.pem; ls /logs")
                assert said.startswith("trusted")
                assert "qlog" in said

    asyncio.run(story())
    assert not any(Path(path, name).exists() for path in folders)


@netns
@pytest.mark.parametrize(
    "path",
    ["/new", "/etc/new", "/usr/new", "/www/new", "/certs/new", "/proc/sys/net/ipv4/ip_forward"],
)
def test_the_machine_is_read_only(tmp_path: Path, path: str) -> None:
    async def story() -> tuple[int | None, str]:
        async with one_sandbox(tmp_path) as stage:
            how, said = await stage.shell(stage.server, f"echo 1 >{path}")
            return how.code, said

    code, said = asyncio.run(story())
    assert code not in (0, None)
    assert "Read-only file system" in said
    assert not Path("/new").exists()


@netns
@pytest.mark.parametrize(
    "attempt",
    [
        "mount -n -o remount,rw /",
        "mount -n -o remount,bind,rw /usr",
        "umount -n /etc/hosts",
        "mount -n -t tmpfs tmpfs /tmp",
        "mknod /tmp/disk b 254 0",
        "unshare --mount true",
        "nsenter --target 1 --mount true",
        "chroot /proc/1/root true",
        "kill -KILL 1 && sleep 0.1 && ! kill -0 1",
        # A user namespace gives new capabilities, but none over the mounts that it inherits.
        "unshare --user --map-root-user --mount mount -n -o remount,bind,rw /usr",
    ],
)
def test_the_isolation_cannot_be_undone(tmp_path: Path, attempt: str) -> None:
    async def story() -> tuple[int | None, str]:
        async with one_sandbox(tmp_path) as stage:
            assert (await stage.shell(stage.server, "true"))[0].code == 0
            how, said = await stage.shell(stage.server, attempt)
            return how.code, said

    code, said = asyncio.run(story())
    assert code not in (0, None), said


@netns
def test_the_sockets_and_disks_of_the_machine_are_not_there(tmp_path: Path) -> None:
    async def story() -> str:
        async with one_sandbox(tmp_path) as stage:
            find = "find /run /dev -xdev -type s -o -type b; ls /dev; echo >/dev/null; echo $?"
            return (await stage.shell(stage.client, find))[1]

    entries = [
        "fd",
        "full",
        "null",
        "random",
        "shm",
        "stderr",
        "stdin",
        "stdout",
        "tty",
        "urandom",
        "zero",
    ]
    assert asyncio.run(story()).split() == [*entries, "0"]


@netns
def test_no_socket_and_no_fifo_of_the_machine_can_be_reached(tmp_path: Path) -> None:
    """Neither on its disks, nor in a program's own folder below its /tmp."""

    async def story() -> tuple[str, str]:
        async with one_sandbox(tmp_path) as stage:
            side, log = await stage.start(
                stage.client, "python3", "-c", PROBE, str(on_disk), ".", cwd=own
            )
            assert (await side.wait()).code == 0, log.read_text()
            sim, sim_log = await stage.start(stage.sim, "python3", "-c", PROBE, str(on_disk))
            assert (await sim.wait()).code == 0
            return log.read_text(), sim_log.read_text()

    own = tmp_path / "own"
    own.mkdir()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        on_disk = Path(name)
        with listening(on_disk), listening(own):
            assert asyncio.run(story()) == (NOT_REACHED * 2, REACHED)


# --- What is closed to other users ---------------------------------------------------------------


as_root = pytest.mark.skipif(not real_root(), reason="a user's sandbox reads what the user reads")


@pytest.fixture
def on_disk() -> Iterator[Path]:
    """A folder that a side sees as it is on the machine."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        yield Path(name)


def files(folder: Path, modes: Mapping[str, int]) -> None:
    """Make files that hold their own names, and the folders that they are in, of mode 0755."""
    for path, mode in modes.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        file.write_text(f'#!/bin/sh\n# {file.name}\ncd "${{0%/*}}/.."; cat */*\n')
        file.chmod(mode)


@netns
@as_root
def test_a_side_reads_what_all_users_may_read(tmp_path: Path, on_disk: Path) -> None:
    files(on_disk, {"all": 0o644, "key": 0o600, "group": 0o640, "home/file": 0o644})
    (on_disk / "home").chmod(0o700)
    on_disk.chmod(0o755)

    async def story() -> str:
        async with one_sandbox(tmp_path) as stage:
            look = f"cd {on_disk}; cat all key group home/file; ls home; cat /etc/shadow; id -u"
            return (await stage.shell(stage.server, look))[1]

    said = asyncio.run(story())
    assert "# all" in said
    assert said.count("Permission denied") == 5
    assert said.endswith("\n0\n"), "it is root all the same"
    assert not {"# key", "# group", "# file", "root:"} & set(said.splitlines())


@netns
@as_root
@pytest.mark.parametrize(
    ("closed", "seen"),
    [
        # The folder around the project is somebody's home, as /root is.
        ({".": 0o700}, {"program", "near", "far"}),
        # All was made with umask 077.
        (
            {".": 0o700, "project": 0o700, "project/program": 0o700},
            {"program", "near", "key", "far"},
        ),
        ({"project": 0o700, "project/program": 0o700}, {"program", "near", "key", "far"}),
        # The program alone.
        ({"project/program": 0o700}, {"program", "near", "far"}),
    ],
)
def test_a_program_in_a_closed_folder_is_seen_with_what_is_around_it(
    tmp_path: Path, on_disk: Path, closed: Mapping[str, int], seen: set[str]
) -> None:
    on_disk.chmod(0o755)
    programs = {"project/program": 0o755, "project/near": 0o644, "project/key": 0o600}
    files(on_disk, {**programs, "other/far": 0o644, "other/mail": 0o600})
    for path, mode in closed.items():
        (on_disk / path).chmod(mode)

    async def story() -> str:
        async with one_sandbox(tmp_path) as stage:
            said = ""
            for _ in range(2):  # the second time it is there already
                program, log = await stage.start(
                    stage.client, f"{on_disk}/project/program", cwd=Path("/")
                )
                await program.wait()
                said += log.read_text()
            return said

    found = asyncio.run(story()).splitlines()
    for name in ("program", "near", "key", "far", "mail"):
        assert found.count(f"# {name}") == (2 if name in seen else 0), found


ON_THE_CLIENT = """
import asyncio, sys
from pathlib import Path
from tests.support.one_sandbox import one_sandbox

async def main():
    async with one_sandbox(Path(sys.argv[1])) as stage:
        print((await stage.shell(stage.client, sys.argv[2]))[1])

asyncio.run(main())
"""


def on_another_machine(prepare: str, folder: Path, script: str) -> list[str]:
    """The words that a script prints on a client, after another one has changed our mounts."""
    done = subprocess.run(
        [
            *("unshare", "--mount", "sh", "-euc", f'{prepare}; exec "$@"', "sh"),
            *(sys.executable, "-c", ON_THE_CLIENT, str(folder), script),
        ],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@netns
def test_mounts_below_a_folder_of_the_machine_are_visible(tmp_path: Path) -> None:
    prepare = """
        mount -n -t tmpfs tmpfs /var/lib/dpkg
        echo first >/var/lib/dpkg/file
        mkdir /var/lib/dpkg/below
        mount -n -t tmpfs tmpfs /var/lib/dpkg/below
        echo second >/var/lib/dpkg/below/file
        : >/var/lib/dpkg/hidden
        mount -n --bind /var/lib/dpkg/file /var/lib/dpkg/hidden"""
    look = "cd /var/lib/dpkg; cat file below/file hidden; ls /var"
    for namespace in ("", '; set -- unshare --user --map-root-user --mount -- "$@"'):
        (place := tmp_path / str(len(namespace))).mkdir()
        said = on_another_machine(prepare + namespace, place, look)
        assert said == ["first", "second", "first", *sorted(e.name for e in Path("/var").iterdir())]


@netns
def test_names_are_known_on_a_machine_that_has_none(tmp_path: Path) -> None:
    for name in ("upper", "work", "sandbox"):
        (tmp_path / name).mkdir()
    layers = f"lowerdir=/etc,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    prepare = f"mount -t overlay -o {layers} overlay /etc; rm -f /etc/hosts"
    look = "getent hosts server6; ls /etc/passwd"
    first, *_, last = on_another_machine(prepare, tmp_path / "sandbox", look)
    assert (first, last) == ("fd00:cafe:cafe:100::100", "/etc/passwd")


@netns
def test_names_are_known_where_the_kernel_refuses_overlays(tmp_path: Path) -> None:
    """As it does for a third one on top of each other."""
    again = "mount -n -t overlay -o ro,lowerdir=/etc:/usr/share overlay /etc"
    look = "getent hosts server6; ls /etc/passwd; ! echo >/etc/hosts"
    first, *rest = on_another_machine(f"{again}; {again}", tmp_path, look)
    assert (first, "/etc/passwd" in rest) == ("fd00:cafe:cafe:100::100", True)
    assert " ".join(rest).endswith("Read-only file system")


@netns
def test_a_host_has_its_name_and_knows_the_others(tmp_path: Path) -> None:
    async def story() -> list[str]:
        async with one_sandbox(tmp_path) as stage:
            ask = "uname -n; getent ahosts server46 | cut -d' ' -f1 | sort -u; getent hosts sim"
            return [(await stage.shell(host, ask))[1] for host in (stage.client, stage.server)]

    client, server = asyncio.run(story())
    assert client.split()[:3] == ["client", "193.167.100.100", "fd00:cafe:cafe:100::100"]
    assert client.split()[3] == "fd00:cafe:cafe::2"
    assert server.split()[0] == "server"
    assert server.split()[3] == "fd00:cafe:cafe:100::2"


@netns
def test_downloads_hold_so_many_entries(tmp_path: Path) -> None:
    async def story() -> int:
        async with one_sandbox(tmp_path) as stage:
            script = "import os\nfor i in range(10000): open(f'/downloads/{i}', 'x')"
            how, said = await stage.python(stage.client, script)
            assert how.code == 1
            assert "No space left on device" in said
            return len(list(stage.client.folder("/downloads").iterdir()))

    assert asyncio.run(story()) == SMALL.downloads_entries


@netns
@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/downloads", SMALL.downloads_bytes),
        ("/logs", SMALL.logs_bytes),
        ("/tmp", SMALL.temporary_bytes),
        ("/dev/shm", SMALL.temporary_bytes),
    ],
)
def test_a_folder_holds_so_many_bytes(tmp_path: Path, path: str, limit: int) -> None:
    async def story() -> int:
        async with one_sandbox(tmp_path) as stage:
            fill = f"dd if=/dev/zero of={path}/big bs=1M count=1024"
            how, said = await stage.shell(stage.client, fill)
            assert how.code == 1
            assert "No space left on device" in said
            return (stage.client.folder(path) / "big").stat().st_size

    assert asyncio.run(story()) == limit


@netns
def test_the_sim_sees_the_machine(tmp_path: Path) -> None:
    async def story() -> None:
        async with one_sandbox(tmp_path) as stage:
            script = (
                f"set -e; echo there >'{tmp_path}/file'; ls /proc/1/exe /sys/class/net; uname -n"
            )
            how, said = await stage.shell(stage.sim, script)
            assert how.code == 0, said
            assert said.split() == [
                *("/proc/1/exe", "/sys/class/net:", "eth0", "eth1", "lo", "sim")
            ]
            assert stage.sim.folder("/etc") == Path("/etc")

    asyncio.run(story())
    assert (tmp_path / "file").read_text() == "there\n"


# --- What lies in a private folder of the machine ------------------------------------------------


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A program in a folder below the machine's /tmp, with a blank in its name."""
    folder = tmp_path / "a project"
    (folder / "bin").mkdir(parents=True)
    (folder / "data").write_text("seen")
    (folder / "bin" / "neighbour").write_text("seen, too")
    program = folder / "bin" / "program"
    program.write_text('#!/bin/sh\ncat "$1"; cat "${0%/*}/neighbour"; echo >here; pwd; ls /tmp\n')
    program.chmod(0o755)
    return folder


def seen_in_tmp(*paths: Path) -> list[str]:
    """What a host's /tmp holds: the way to these, and to ourselves if we lie there too."""
    ours = (*paths, Path(sys.prefix), Path(sys.base_prefix), REPOSITORY)
    return sorted({path.parts[2] for path in ours if path.is_relative_to("/tmp")})


@netns
@pytest.mark.parametrize("command", ["./bin/program", "{}/bin/program", "program"])
def test_a_program_below_tmp_and_its_folder_are_visible(
    tmp_path: Path, project: Path, command: str
) -> None:
    async def story(stage: Stage) -> str:
        process, log = await stage.start(
            stage.client,
            command.format(project),
            "data",
            cwd=project,
            environment={"PATH": f"{os.environ['PATH']}:{project}/bin"},
        )
        await process.wait()
        return log.read_text()

    async def whole() -> None:
        async with one_sandbox(tmp_path) as stage:
            for _ in range(2):  # the second time it is there already
                said = await story(stage)
                assert said.startswith("seenseen, too")
                assert "cannot create here: Read-only file system" in said
                _, folder, listing = said.partition(f"{project}\n")
                assert folder
                assert listing.split() == seen_in_tmp(project)

    asyncio.run(whole())


@netns
def test_a_program_straight_in_tmp_is_visible_alone(tmp_path: Path) -> None:
    async def story(program: Path) -> str:
        async with one_sandbox(tmp_path) as stage:
            process, log = await stage.start(stage.client, str(program))
            assert (await process.wait()).code == 0
            return log.read_text()

    program = Path("/tmp", f"quicmatrix-test-{os.getpid()}")
    program.write_text("#!/bin/sh\nls /tmp\n")
    program.chmod(0o755)
    try:
        assert asyncio.run(story(program)).split() == seen_in_tmp(program)
    finally:
        program.unlink()


@netns
def test_a_program_is_found_through_a_link_to_its_folder(tmp_path: Path, project: Path) -> None:
    link = Path(f"/tmp/quicmatrix-test-{os.getpid()}")

    async def story() -> str:
        async with one_sandbox(tmp_path) as stage:
            process, log = await stage.start(stage.client, f"{link}/bin/program", "data", cwd=link)
            assert (await process.wait()).code == 0
            return log.read_text()

    link.symlink_to(project)
    try:
        assert asyncio.run(story()).startswith("seenseen, too")
    finally:
        link.unlink()


@netns
@pytest.mark.parametrize(
    ("target", "reason"),
    [("/var/tmp", "Read-only file system"), ("/downloads", "leads somewhere else")],
)
def test_what_leads_out_of_tmp_is_not_followed(
    tmp_path: Path, project: Path, target: str, reason: str
) -> None:
    """A program cannot make the runner mount or create things elsewhere on the machine."""
    outside = tmp_path.relative_to("/tmp").parts[0]

    async def story() -> None:
        async with one_sandbox(tmp_path) as stage:
            how, _ = await stage.shell(stage.client, f"ln -s {target} /tmp/{outside}")
            assert how.code == 0
            with pytest.raises(SandboxError, match=f"filesystem.py show .*{reason}"):
                await stage.start(stage.client, "./bin/program", cwd=project)

    before = set(Path("/var/tmp").iterdir())
    asyncio.run(story())
    assert set(Path("/var/tmp").iterdir()) == before


@netns
def test_a_missing_program_does_not_disturb_the_next(tmp_path: Path) -> None:
    async def story() -> None:
        async with one_sandbox(tmp_path) as stage:
            ready = stage.client.folder("/downloads") / "ready"
            with pytest.raises(SandboxError):
                await stage.start(stage.client, "no-such-program")
            process, _ = await stage.start(
                stage.client, "sh", "-c", "echo >/downloads/ready; sleep 1000"
            )
            await until(ready.exists)
            assert process.running

    asyncio.run(story())


def test_a_refused_overlay_of_the_root_keeps_our_own_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a root without mounts but those of a side, as of a user in a minimal chroot."""

    def refuse(*_: object) -> None:
        raise PermissionError

    shown: list[str] = []
    monkeypatch.setattr(filesystem, "mount", refuse)
    monkeypatch.setattr(filesystem, "bind", lambda path, *_: shown.append(path))
    monkeypatch.setattr(filesystem.View, "show", lambda _, path, *__: shown.append(path))
    monkeypatch.chdir(tmp_path)
    view = filesystem.View()
    view.mount_points = ["/", "/dev", "/proc", "/sys"]
    view.show_folder("/", str(tmp_path))
    assert "/usr" in shown
    assert not {"/", "/proc", "/tmp"} & set(shown)
