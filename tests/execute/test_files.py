from __future__ import annotations

import hashlib
from pathlib import Path

from quicmatrix.runner.execute.files import fill_www
from quicmatrix.testcases.model import TestCase

CASE = TestCase(
    "zerortt",
    "Z",
    "It works.",
    "zerortt",
    "zerortt",
    (),
    files=(32, 32, 1000),
    file_name_length=250,
)


def test_files_are_what_the_records_say(tmp_path: Path) -> None:
    records = fill_www(tmp_path, CASE, 1)
    assert [record.size for record in records] == [32, 32, 1000]
    assert {path.name for path in tmp_path.iterdir()} == {record.name for record in records}
    for record in records:
        data = (tmp_path / record.name).read_bytes()
        assert (len(record.name), len(data)) == (250, record.size)
        assert hashlib.sha256(data).hexdigest() == record.sha256


def test_the_seed_decides_names_and_bytes(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    first, again, other = (
        fill_www(folder, CASE, seed) for folder, seed in zip(folders, (1, 1, 2), strict=True)
    )
    assert first == again
    assert not {record.name for record in first} & {record.name for record in other}
    assert not {record.sha256 for record in first} & {record.sha256 for record in other}


def test_names_are_never_used_twice(tmp_path: Path) -> None:
    case = TestCase("x", "X", "It works.", "x", "x", (), files=(1,) * 36, file_name_length=1)
    assert len({record.name for record in fill_www(tmp_path, case, 3)}) == 36
