from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.runner.bundle import untrusted_files
from quicmatrix.runner.bundle.untrusted_files import CHUNK, copy_out, last_lines, manifest, usable
from quicmatrix.runner.model.attempt import Difference, EntryKind, FileRecord


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def copy(source: Path, destination: Path, **limits: int) -> tuple[str, ...]:
    return copy_out(source, destination, **{"max_bytes": 1000, "max_files": 100, **limits})


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder with one of everything."""
    folder = tmp_path / "theirs"
    (folder / "sub").mkdir(parents=True)
    (folder / "file").write_bytes(b"data")
    (folder / "sub" / "inner").write_bytes(b"")
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "linked folder").symlink_to("/etc")
    os.mkfifo(folder / "fifo")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(folder / "socket"))
    return folder


# --- manifest ------------------------------------------------------------------------------------


def test_everything_is_listed_and_files_are_hashed(theirs: Path) -> None:
    records, complete = manifest(theirs, 100, 1000)
    assert complete
    assert records == (
        FileRecord("fifo", EntryKind.OTHER),
        FileRecord("file", EntryKind.FILE, 4, sha256(b"data")),
        FileRecord("link", EntryKind.LINK, len("/etc/passwd")),
        FileRecord("linked folder", EntryKind.LINK, len("/etc")),
        FileRecord("socket", EntryKind.OTHER),
        FileRecord("sub", EntryKind.FOLDER),
        FileRecord("sub/inner", EntryKind.FILE, 0, sha256(b"")),
    )


SERVED = bytes(range(256)) * (CHUNK // 128)  # two pieces


@pytest.mark.parametrize(
    ("downloaded", "difference"),
    [
        (SERVED, None),
        (SERVED[:-1] + b"x", Difference(len(SERVED) - 1, "ff", "78")),
        (b"x" + SERVED[1:], Difference(0, "0001020304050607", "7801020304050607")),
        (SERVED[: CHUNK + 3], Difference(CHUNK + 3, "030405060708090a", "")),
        (SERVED[:CHUNK], Difference(CHUNK, "0001020304050607", "")),
        (SERVED + b"yz", Difference(len(SERVED), "", "797a")),
        (b"", Difference(0, "0001020304050607", "")),
    ],
)
def test_where_a_file_differs_from_the_one_that_was_served(
    tmp_path: Path, downloaded: bytes, difference: Difference | None
) -> None:
    www, folder = tmp_path / "www", tmp_path / "downloads"
    for place, data in ((www, SERVED), (folder, downloaded)):
        place.mkdir()
        (place / "file").write_bytes(data)
    (folder / "other").write_bytes(b"nobody asked")
    ((found, other), _) = manifest(folder, 10, 1 << 30, www)
    assert found.difference == difference
    assert found.sha256 == sha256(downloaded)
    assert other.difference is None


def test_a_name_leads_to_nothing_but_what_was_served(tmp_path: Path) -> None:
    www, folder = tmp_path / "www", tmp_path / "downloads"
    (www / "sub").mkdir(parents=True)
    (www / "sub" / "file").write_bytes(b"ours")
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "file").write_bytes(b"theirs")
    assert [one.difference for one in manifest(folder, 10, 100, www)[0]] == [None, None]


def test_more_entries_than_wanted_are_not_listed(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / str(number)).touch()
    assert manifest(tmp_path, 10, 0)[1]
    records, complete = manifest(tmp_path, 9, 0)
    assert (len(records), complete) == (9, False)


def test_more_bytes_than_wanted_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "b").write_bytes(b"12345")
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(1 << 40)
    (records, complete) = manifest(tmp_path, 10, 9)
    assert not complete
    assert records == (
        FileRecord("a", EntryKind.FILE, 5, sha256(b"12345")),
        FileRecord("b", EntryKind.FILE, 5),
        FileRecord("hole", EntryKind.FILE, 1 << 40),
    )


def test_a_deep_tree_is_cut(tmp_path: Path) -> None:
    tmp_path.joinpath(*"abcdefgh", "file").parent.mkdir(parents=True)
    tmp_path.joinpath(*"abcdefgh", "file").touch()
    records, complete = manifest(tmp_path, 100, 100)
    assert (len(records), complete) == (untrusted_files.MAX_DEPTH, False)


@pytest.mark.parametrize("kind", ["missing", "file", "link"])
def test_what_is_no_folder_is_no_complete_list(tmp_path: Path, kind: str) -> None:
    if kind == "file":
        (tmp_path / "x").touch()
    elif kind == "link":
        (tmp_path / "x").symlink_to("/etc")
    assert manifest(tmp_path / "x", 100, 100) == ((), False)


def test_odd_names_can_be_stored(tmp_path: Path) -> None:
    for name in (b"\xff", b"new\nline", "✓".encode()):
        (tmp_path / os.fsdecode(name)).touch()
    records, _ = manifest(tmp_path, 100, 100)
    assert sorted(record.name for record in records) == ["\\xff", "new\nline", "✓"]
    for record in records:
        record.name.encode()


# --- copy_out ------------------------------------------------------------------------------------


def test_regular_files_are_copied_and_the_rest_is_noted(theirs: Path, tmp_path: Path) -> None:
    ours = tmp_path / "ours"
    assert copy(theirs, ours) == (
        "fifo: not a file",
        "link: not a file",
        "linked folder: not a file",
        "socket: not a file",
    )
    assert sorted(str(path.relative_to(ours)) for path in ours.rglob("*")) == [
        *("file", "sub", "sub/inner")
    ]
    assert (ours / "file").read_bytes() == b"data"
    assert not any(path.is_symlink() for path in ours.rglob("*"))


def test_nothing_of_ours_is_overwritten(tmp_path: Path) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    for folder in (theirs, ours):
        folder.mkdir()
    (ours / "output.txt").write_text("ours")
    (theirs / "output.txt").write_text("theirs")
    (ours / "link").symlink_to(tmp_path / "elsewhere")
    (theirs / "link").write_text("theirs")
    (ours / "taken").write_text("ours")
    (theirs / "taken").mkdir()
    (theirs / "taken" / "inner").write_text("theirs")
    assert copy(theirs, ours) == (
        "link: File exists",
        "output.txt: File exists",
        "taken: File exists",
        "taken/inner: Not a directory",
    )
    assert (ours / "output.txt").read_text() == "ours"
    assert not (tmp_path / "elsewhere").exists()


def test_files_beyond_the_limits_are_left_out(tmp_path: Path) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    (theirs / "sub" / "sub").mkdir(parents=True)
    for name in ("a", "b", "c"):
        (theirs / name).write_bytes(b"12345")
    assert copy(theirs, ours, max_bytes=10, max_depth=2) == ("c: too large", "sub/sub: too deep")
    assert sorted(path.name for path in ours.iterdir()) == ["a", "b", "sub"]
    assert copy(theirs, tmp_path / "few", max_files=2)[-1] == ".: too many entries"
    assert len(list((tmp_path / "few").iterdir())) == 2


def test_a_missing_folder_is_noted(tmp_path: Path) -> None:
    assert copy(tmp_path / "logs", tmp_path / "ours") == ("logs: No such file or directory",)


@pytest.mark.parametrize(
    ("name", "note"),
    [
        (b"\xff", "\\xff: odd name"),
        (b"\x1b[2J", "\\x1b[2J: odd name"),
        (b"two\nlines", "two\\nlines: odd name"),
        ("\u202egnp.exe".encode(), "\\u202egnp.exe: odd name"),
    ],
)
def test_odd_names_are_left_out(tmp_path: Path, name: bytes, note: str) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / os.fsdecode(name)).write_text("")
    assert copy(theirs, tmp_path / "ours") == (note,)
    assert list((tmp_path / "ours").iterdir()) == []


@given(st.text())
def test_a_usable_name_stays_inside_and_on_one_line(name: str) -> None:
    if usable(name):
        assert Path("/folder", name).parent == Path("/folder")
        assert name.isprintable()
        name.encode()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/", "a\0", "\udcff"])
def test_names_that_lead_elsewhere_are_not_usable(name: str) -> None:
    assert not usable(name)


def test_a_file_that_becomes_something_else_is_not_opened(
    theirs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the opening, a program could put a link or a fifo in its place."""
    looked = (theirs / "file").lstat()

    def believe(name: str, **_: object) -> os.stat_result:
        return looked

    monkeypatch.setattr(os, "stat", believe)
    notes = copy(theirs, tmp_path / "ours")
    assert "fifo: not a file" in notes
    assert "link: Too many levels of symbolic links" in notes
    assert "socket: No such device or address" in notes
    assert "sub: not a file" in notes
    monkeypatch.undo()
    assert [path.name for path in (tmp_path / "ours").iterdir()] == ["file"]


def test_the_last_lines_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"first\n" * 5000 + b"  \x1b[2Jno \xff route  \n\n" + b"y" * 50 + b"\n \n")
    assert last_lines(log, 2, 20) == ["\\x1b[2Jno \N{REPLACEMENT CHARACTER} route", "y" * 20]
    assert last_lines(log, 5, 9)[:3] == ["first"] * 3


def test_what_is_no_file_has_no_lines(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/etc/passwd")
    for name in ("fifo", "link", "missing", "."):
        assert last_lines(tmp_path / name, 3, 80) == []
