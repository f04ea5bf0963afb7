from __future__ import annotations

import json
from pathlib import Path

import pytest

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.run import RunResult
from quicmatrix.runner.results.report_files import check_writable, export, write_reports
from quicmatrix.runner.results.run_files import load
from quicmatrix.runner.results.run_view import run_view


def test_every_report_is_written(golden: RunResult, tmp_path: Path) -> None:
    assert write_reports(run_view(golden), tmp_path) == {
        "html": tmp_path / "index.html",
        "junit": tmp_path / "junit.xml",
        "markdown": tmp_path / "summary.md",
    }
    assert all(path.stat().st_size for path in tmp_path.iterdir())


def test_what_is_exported_can_be_loaded_and_has_the_known_keys(
    golden: RunResult, tmp_path: Path
) -> None:
    file = tmp_path / "any.json"
    export(golden, file)
    assert load(file) == golden
    assert set(json.loads(file.read_text())) >= {"start_time", "servers", "clients", "results"}


def test_what_cannot_be_written_is_the_user_s_error(golden: RunResult, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--json"):
        export(golden, tmp_path / "missing" / "x.json")


def test_a_long_run_is_not_started_for_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    check_writable(tmp_path / "new.json")
    with pytest.raises(UserError, match="is a folder"):
        check_writable(tmp_path)
    with pytest.raises(UserError, match="does not exist"):
        check_writable(tmp_path / "missing" / "x.json")
