"""What is left of a run that is interrupted or killed: its results, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from quicmatrix.runner.results.run_files import load
from quicmatrix.runner.sandbox import label

pytestmark = [pytest.mark.netns, pytest.mark.tshark]


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run that has one job behind it and is busy with a transfer."""
    (tmp_path / "tmp").mkdir()
    process = subprocess.Popen(
        [
            *(sys.executable, "-P", "-m", "quicmatrix.runner"),
            *("run", "-c", "reference", "-s", "reference"),
            *("-t", "handshake,transfer", "-n", "1", "-l", str(tmp_path / "run")),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "handshake" in line:
            break
    else:
        pytest.fail("it ended before its first job did")
    yield process
    process.kill()
    process.stdout.close()
    process.wait()


def sandboxed(tmp_path: Path) -> list[str]:
    """What of this test's runs lives: processes that hold namespaces, and scratch folders."""
    inside = str(tmp_path / "tmp")
    processes = [
        folder.name
        for folder, _, _ in label.labelled_processes()
        if inside in (folder / "cmdline").read_text(errors="replace")
    ]
    return processes + [path.name for path in (tmp_path / "tmp").iterdir()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_good_order(
    runner: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    runner.send_signal(number)
    output, _ = runner.communicate(timeout=30)
    assert runner.returncode == 128 + number
    result = load(tmp_path / "run")
    assert [job.test for job in result.jobs] == ["handshake"], output
    assert not result.complete
    assert (tmp_path / "run" / "index.html").exists()
    assert sandboxed(tmp_path) == []


def test_after_kill_9_its_processes_are_gone_and_clean_removes_the_rest(
    runner: subprocess.Popen[str], tmp_path: Path
) -> None:
    runner.kill()
    runner.communicate(timeout=30)
    assert [job.test for job in load(tmp_path / "run").jobs] == ["handshake"]
    clean = [sys.executable, "-P", "-m", "quicmatrix.runner", "clean"]
    cleaned = subprocess.run(
        clean,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "scratch folder" in cleaned.stdout
    assert sandboxed(tmp_path) == []
