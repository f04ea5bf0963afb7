from __future__ import annotations

import os
from pathlib import Path

import pytest

from quicmatrix.endpoint.errors import EndpointError
from quicmatrix.endpoint.files import Downloads, WebRoot


@pytest.fixture
def www(tmp_path: Path) -> Path:
    """A folder with a file, a folder, links and a FIFO; a secret lies beside it."""
    www = tmp_path / "www"
    (www / "folder").mkdir(parents=True)
    (www / "file").write_bytes(b"content")
    (www / "folder" / "with space").write_bytes(b"inner")
    (www / "inside").symlink_to("folder/with space")
    (www / "outside").symlink_to("../secret")
    (www / "up").symlink_to("..")
    (www / "loop").symlink_to("loop")
    os.mkfifo(www / "fifo")
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "www2").mkdir()
    (tmp_path / "www2" / "file").write_bytes(b"secret")
    return www


@pytest.mark.parametrize(
    ("target", "content"),
    [
        ("/file", b"content"),
        ("file", b"content"),
        ("/file?query=1", b"content"),
        ("//folder/../file", b"content"),
        ("/folder/with%20space", b"inner"),
        ("/inside", b"inner"),
    ],
)
def test_what_lies_below_the_folder_is_served(www: Path, target: str, content: bytes) -> None:
    file = WebRoot(www).open(target)
    assert file is not None
    with file.content:
        assert file.size == len(content)
        assert file.content.read() == content


@pytest.mark.parametrize(
    "target",
    [
        "",
        "/",
        "/missing",
        "/folder",
        "/outside",
        "/up/secret",
        "/loop",
        "/fifo",
        "/../secret",
        "/folder/../../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "/../www2/file",
        "/file/x",
        "/\0",
        "/%00",
        "/" + "x" * 5000,
    ],
)
def test_nothing_else_is_served(www: Path, target: str) -> None:
    assert WebRoot(www).open(target) is None


def test_the_folders_must_exist(tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match="missing"):
        WebRoot(tmp_path / "missing")
    with pytest.raises(EndpointError, match="missing"):
        Downloads(tmp_path / "missing")


def test_a_download_replaces_a_file_but_follows_no_link(tmp_path: Path) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    outside = tmp_path / "outside"
    outside.write_bytes(b"untouched")
    (folder / "link").symlink_to(outside)
    (folder / "old").write_bytes(b"longer than what comes")
    (folder / "folder").mkdir()
    downloads = Downloads(folder)
    with downloads.create("old") as file:
        file.write(b"new")
    assert (folder / "old").read_bytes() == b"new"
    for name in ("link", "folder", "x" * 256):
        with pytest.raises(EndpointError, match="cannot write"):
            downloads.create(name)
    assert outside.read_bytes() == b"untouched"
