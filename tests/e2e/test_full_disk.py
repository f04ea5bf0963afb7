"""The disk that a run is stored on is full: nobody's verdict, one sentence, and nothing lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.results.run_files import load
from tests.support.one_sandbox import REPOSITORY

pytestmark = [pytest.mark.netns, pytest.mark.tshark]

SCRIPT = """
mount -n -t tmpfs -o size={size} small "$1"
shift
"$@"
code=$?
cp -a small/run stored
exit $code
"""
RUN = (
    *("-m", "quicmatrix.runner", "run", "-c", "reference", "-s", "reference", "-n", "1"),
    *("-t", "handshake,transfer", "-l", "small/run"),
)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
@pytest.mark.parametrize("size", ["200k", "2m", "12m"])
def test_a_full_disk_is_nobodys_failure(tmp_path: Path, size: str) -> None:
    small = tmp_path / "small"
    small.mkdir()
    command = ("unshare", "--mount", "sh", "-c", SCRIPT.format(size=size), "sh", small)
    done = subprocess.run(
        (*command, sys.executable, *RUN),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        check=False,
        capture_output=True,
        text=True,
    )
    said = done.stdout + done.stderr
    assert done.returncode in (1, 2), said
    assert "No space left on device" in said
    assert "Traceback" not in said
    assert "bug" not in said
    if done.returncode == 2:
        assert done.stderr.splitlines()[-1].startswith("hint: make room")
    outcomes = {job.test: job.verdict.outcome for job in load(tmp_path / "stored").jobs}
    assert set(outcomes.values()) <= {Outcome.PASSED, Outcome.ERROR}
    if size != "200k":
        assert outcomes["handshake"] is Outcome.PASSED
