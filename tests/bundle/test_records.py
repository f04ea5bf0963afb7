"""The JSON files of a bundle."""

from __future__ import annotations

from pathlib import Path

import pytest

from quicmatrix.runner.bundle.layout import SERIES_FILE, VERDICT_FILE
from quicmatrix.runner.bundle.records import (
    read_judgement,
    read_series,
    write_file,
    write_judgement,
    write_series,
)
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.measurement import Sample, TimeSeries
from quicmatrix.runner.model.verdict import Judgement, Outcome, Verdict


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_file(path, b"before")
    with pytest.raises(TypeError):
        write_file(path, "not bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_time_series_is_read_back_and_damage_named(tmp_path: Path) -> None:
    assert read_series(tmp_path) is None
    series = TimeSeries(100, (1, 2), (None, 30.5), (3, 4), (5, 6), (0, 1))
    write_series(series, tmp_path)
    assert read_series(tmp_path) == series
    (tmp_path / SERIES_FILE).write_text('{"step_ms": "x"}')
    with pytest.raises(UserError, match=r"series\.json"):
        read_series(tmp_path)


def test_a_judgement_is_read_back_and_another_format_refused(tmp_path: Path) -> None:
    judgement = Judgement(Verdict(Outcome.PASSED, version=1), 7.0, 0.5, Sample(9000.0), strict=True)
    write_judgement(judgement, tmp_path)
    assert read_judgement(tmp_path) == judgement
    path = tmp_path / VERDICT_FILE
    path.write_text(path.read_text().replace('"format": 1', '"format": 99'))
    with pytest.raises(UserError, match="format 99 is not 1"):
        read_judgement(tmp_path)
