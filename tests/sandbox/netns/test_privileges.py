from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import pytest

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.sandbox.netns import filesystem, privileges
from quicmatrix.runner.sandbox.netns.privileges import MARKER, enter_user_namespace
from tests.support.interpreter_for_all import become, interpreter_for_all
from tests.support.machine_sockets import NOT_REACHED, listening
from tests.support.one_sandbox import REPOSITORY
from tests.support.real_root import real_root

RUNNER = """
import asyncio, json, os, sys
from pathlib import Path
from quicmatrix.runner.sandbox.netns.privileges import enter_user_namespace

enter_user_namespace(sys.orig_argv, os.environ)

from tests.support.machine_sockets import PROBE
from tests.support.one_sandbox import one_sandbox
from quicmatrix.runner.sandbox.netns.netns import NetnsBackend

async def main():
    backend = NetnsBackend()
    backend.check()
    async with one_sandbox(Path(sys.argv[1])) as stage:
        server, _ = await stage.start(stage.server, "sleep", "1000")
        how, said = await stage.shell(
            stage.client,
            "set -e; ip -o addr show dev eth0; ip route; cat /certs/ca.pem; id -u;"
            " echo >/downloads/x; ! echo >/etc/x; ! mount -n -o remount,bind,rw /usr;"
            " ls /sys/class/net; ! unshare --mount true",
        )
        private, _ = await stage.shell(stage.server, "test ! -e /downloads/x")
        nproc, count = await stage.python(stage.client, FORKS)
        process, log = await stage.start(stage.client, "python3", "-c", PROBE, *sys.argv[2:])
        await process.wait()
        stopped = await server.stop()
        left = stage.client.holder.has_processes()
    print(json.dumps({
        "code": how.code, "said": said, "private": private.code, "stopped": stopped.signal,
        "reached": log.read_text(), "count": int(count), "left": left, "uid": os.geteuid(),
    }))

FORKS = '''
import os, signal
count = 0
try:
    while count < 1000:
        if os.fork() == 0:
            signal.pause()
        count += 1
except OSError:
    pass
print(count)
'''
asyncio.run(main())
"""


@pytest.mark.netns
@pytest.mark.parametrize("masked", [False, True], ids=["", "with part of sys hidden"])
def test_a_user_without_privileges_makes_sandboxes(
    tmp_path_factory: pytest.TempPathFactory, masked: bool
) -> None:
    if not privileges.user_namespace_allowed():
        pytest.skip("user namespaces are forbidden here")
    folder = tmp_path_factory.mktemp("rootless")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    as_nobody = become(folder)
    if masked and as_nobody:  # as containers do
        hide = 'mount -n -t tmpfs tmpfs /sys/kernel; exec "$@"'
        as_nobody = ("unshare", "--mount", "sh", "-euc", hide, "hide", *as_nobody)
    code = folder / "code"  # where this lies, another user may not be allowed to look
    for package in (REPOSITORY / "quicmatrix", Path(msgspec.__path__[0])):
        shutil.copytree(package, code / package.name)
    (code / "tests/support").mkdir(parents=True)
    for name in ("machine_sockets.py", "one_sandbox.py"):
        shutil.copy(REPOSITORY / "tests/support" / name, code / "tests/support")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place, listening(Path(place)):
        done = subprocess.run(
            [*as_nobody, interpreter_for_all(), "-c", RUNNER, str(folder), place],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(code)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["code"] == 0, told["said"]
    assert "193.167.0.100/24" in told["said"]
    assert "trusted0\n" in told["said"].replace("trusted\n0", "trusted0")
    assert "eth0\nlo\n" in told["said"] or masked
    assert (told["private"], told["stopped"], told["left"], told["uid"]) == (0, 15, False, 0)
    assert told["reached"] == NOT_REACHED
    assert 10 < told["count"] < 64, "the limit on processes holds without control groups"


# --- What is missing -----------------------------------------------------------------------------


def test_missing_tools_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    def which(tool: str, path: str | None = None) -> str | None:
        return None if tool in ("ip", "setpriv", "nsenter") else f"/usr/bin/{tool}"

    monkeypatch.setattr(shutil, "which", which)
    with pytest.raises(UserError) as raised:
        privileges.check()
    assert raised.value.message == "network namespaces need nsenter, setpriv, ip, not found in PATH"
    assert raised.value.hint == "apt-get install util-linux iproute2"


def test_without_root_and_user_namespaces_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(privileges, "privileged", lambda: False)
    monkeypatch.setattr(privileges, "user_namespace_allowed", lambda: False)
    with pytest.raises(UserError) as raised:
        privileges.check()
    assert "need root, or user namespaces" in raised.value.message
    assert "sysctl" in raised.value.hint


def test_root_without_capabilities_is_told_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(privileges, "lacking", lambda: ["CAP_SYS_ADMIN", "CAP_NET_ADMIN"])
    monkeypatch.setattr(privileges, "user_namespace_allowed", lambda: False)
    with pytest.raises(UserError, match="need CAP_SYS_ADMIN and CAP_NET_ADMIN, which root") as told:
        privileges.check()
    assert "in a container, give it --privileged" in told.value.hint
    assert "run it as root" not in told.value.hint


@pytest.mark.netns
def test_a_missing_capability_is_found() -> None:
    script = "from quicmatrix.runner.sandbox.netns.privileges import lacking; print(lacking())"
    weak = (
        *("unshare", "--user", "--map-root-user"),
        *("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"),
    )
    python = (sys.executable, "-P", "-c", script)
    done = subprocess.run((*weak, *python), check=True, capture_output=True, text=True)
    assert done.stdout == "['CAP_NET_ADMIN']\n"


def test_what_the_kernel_says_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privileges, "privileged", lambda: True)
    monkeypatch.setattr(privileges, "PREFLIGHT", ("sh", "-c", "echo not permitted >&2; exit 1"))
    with pytest.raises(UserError, match="cannot be made here: not permitted"):
        privileges.check()


@pytest.mark.netns
def test_refused_overlays_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert privileges.reachable_sockets() == ()
    refused = (*privileges.UNSHARE, "mount", "-n", "-t", "no-such-type", "/dev/null", "/usr")
    monkeypatch.setattr(privileges, "OVERLAY_PREFLIGHT", refused)
    (line,) = privileges.reachable_sockets()
    assert "endpoints can reach sockets" in line
    assert "mount: /usr: " in line
    for root in (False, True):
        monkeypatch.setattr(privileges, "others_exist", lambda root=root: root)
        (line,) = privileges.reachable_sockets()
        assert ("read every file there" in line) is root


def test_a_root_folder_that_is_closed_to_others_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one is that was made with umask 077: nobody but root can see anything there."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert privileges.readable_files() == ()
    monkeypatch.setattr(privileges, "closed", lambda path: path == "/")
    monkeypatch.setattr(filesystem, "closed", lambda path: path == "/")
    assert not filesystem.others_exist()
    (line,) = privileges.readable_files()
    assert line.startswith("endpoints can read every file")


@pytest.mark.parametrize(
    ("privileged", "allowed", "environment", "expected"),
    [
        (False, True, {"HOME": "/h"}, True),
        (True, True, {}, False),
        (False, False, {}, False),
        (False, True, {MARKER: "1"}, False),
    ],
)
def test_the_runner_starts_over_only_if_that_helps(
    monkeypatch: pytest.MonkeyPatch,
    privileged: bool,
    allowed: bool,
    environment: dict[str, str],
    expected: bool,
) -> None:
    calls: list[tuple[str, tuple[str, ...], dict[str, str]]] = []
    monkeypatch.setattr(privileges, "privileged", lambda: privileged)
    monkeypatch.setattr(privileges, "user_namespace_allowed", lambda: allowed)
    monkeypatch.setattr(os, "execvpe", lambda *words: calls.append(words))
    enter_user_namespace(("python3", "-m", "runner"), environment)
    assert bool(calls) is expected
    if expected:
        ((program, command, variables),) = calls
        assert program == "unshare"
        assert command == ("unshare", "--user", "--map-root-user", "--", "python3", "-m", "runner")
        assert variables == {**environment, MARKER: "1"}


@pytest.mark.netns
def test_root_of_a_user_namespace_is_not_root_to_a_container_engine() -> None:
    if not real_root():
        pytest.skip("needs root of the machine")
    script = (
        "from quicmatrix.runner.sandbox.netns.privileges import check_real_root as check; check()"
    )
    python = (sys.executable, "-P", "-c", script)
    subprocess.run(python, check=True)
    inside = ("unshare", "--user", "--map-root-user", *python)
    done = subprocess.run(inside, check=False, capture_output=True, text=True)
    assert "UserError: --backend docker needs root" in done.stderr
