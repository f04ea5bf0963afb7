from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from quicmatrix.runner.results.run_folder import new_folder, point_latest

NOW = datetime(2026, 11, 23, 17, 15, 3, tzinfo=UTC)


def test_a_run_s_folder_is_named_after_its_time_and_never_taken(tmp_path: Path) -> None:
    names = []
    for _ in range(3):
        folder = new_folder(tmp_path, NOW)
        assert folder.is_dir()
        names.append(folder.name)
    assert names == ["20261123T171503Z", "20261123T171503Z-2", "20261123T171503Z-3"]


def test_latest_points_to_the_last_run_so_that_the_folder_can_be_moved(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for name in ("one", "two"):
        (runs / name).mkdir(parents=True)
        assert point_latest(runs / name)
    assert (runs / "latest").readlink() == Path("two")
    moved = runs.rename(tmp_path / "moved")
    assert (moved / "latest").resolve() == moved / "two"
    assert sorted(one.name for one in moved.iterdir()) == ["latest", "one", "two"]


def test_a_link_to_a_run_that_was_deleted_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to("gone")
    (tmp_path / "one").mkdir()
    assert point_latest(tmp_path / "one")
    assert (tmp_path / "latest").readlink() == Path("one")


def test_what_is_no_link_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    (tmp_path / "one").mkdir()
    assert not point_latest(tmp_path / "one")
    assert not (tmp_path / "latest").is_symlink()
