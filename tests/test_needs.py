from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import pytest

from quicmatrix.runner import needs
from quicmatrix.runner.sandbox.netns import holder, privileges
from tests.support.one_sandbox import REPOSITORY, one_sandbox


def test_roots_tools_are_found_by_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert needs.find("ip") is not None
    assert needs.find("no-such-tool") is None


def test_files_are_found_by_their_path(tmp_path: Path) -> None:
    assert needs.find(str(tmp_path)) == str(tmp_path)
    assert needs.find(str(tmp_path / "header.h")) is None


def test_each_missing_package_is_named_once() -> None:
    missing = needs.missing(needs.SANDBOX, lambda tool: None if "s" in tool else tool)
    assert missing == {
        **dict.fromkeys(("unshare", "nsenter", "setpriv"), "util-linux"),
        "sh": "dash",
    }
    assert needs.packages(missing) == "util-linux dash"


def test_the_list_can_be_read_before_anything_is_installed(tmp_path: Path) -> None:
    """Without third-party packages (-S) and in an empty PATH."""
    done = subprocess.run(
        (sys.executable, "-S", "-m", "quicmatrix.runner.needs", "TESTS"),
        cwd=REPOSITORY,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == needs.packages(needs.missing(needs.TESTS))


def test_pip_wants_the_same_python() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=" + ".".join(map(str, needs.PYTHON))


@pytest.mark.netns
def test_a_sandbox_is_made_with_the_listed_programs_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> str:
        privileges.check()
        async with one_sandbox(tmp_path) as stage:
            server, _ = await stage.start(stage.server, sys.executable, "-c", "input()")
            _, said = await stage.python(stage.client, "import os; print(os.environ['PATH'])")
            await server.stop()
        return said

    with tempfile.TemporaryDirectory(dir="/var/tmp") as tools:  # sandboxes hide /tmp
        Path(tools).chmod(0o755)  # and show only what all users may read
        for name in needs.SANDBOX:
            found = needs.find(name)
            assert found is not None
            Path(tools, name).symlink_to(found)
        monkeypatch.setattr(holder, "SEARCH_PATH", tools)
        monkeypatch.setenv("PATH", tools)
        assert asyncio.run(run()).strip() == tools
