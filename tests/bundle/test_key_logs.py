from __future__ import annotations

import os
from pathlib import Path

import pytest

from quicmatrix.runner.bundle.key_logs import merge

LINE = b"CLIENT_TRAFFIC_SECRET_0 " + b"ab" * 32 + b" " + b"cd" * 32
OTHER = b"SERVER_TRAFFIC_SECRET_0 " + b"ab" * 32 + b" " + b"ef" * 48


def test_both_sides_lines_each_once(tmp_path: Path) -> None:
    client, server = tmp_path / "client", tmp_path / "server"
    client.write_bytes(LINE + b"\n")
    server.write_bytes(b"# comment\r\n" + LINE + b"\r\n" + OTHER)
    assert merge([client, server]) == LINE + b"\n" + OTHER + b"\n"


def test_what_is_no_secret_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "keys.log"
    path.write_bytes(b"\x00" * 1000 + b"\n" + LINE[:-1] + b"!\n" + b"X " + b"a" * 10_000)
    assert merge([path]) == b""


@pytest.mark.parametrize("cut", range(1, 130))
@pytest.mark.parametrize("cut_side", [0, 1])
def test_a_line_that_was_cut_off_does_not_hide_the_whole_one(
    tmp_path: Path, cut: int, cut_side: int
) -> None:
    paths = [tmp_path / "client", tmp_path / "server"]
    for side, path in enumerate(paths):
        text = LINE + b"\n" + OTHER + b"\n"
        path.write_bytes(text[:-cut] if side == cut_side else text)
    assert sorted(merge(paths).splitlines()) == [LINE, OTHER]


def test_secrets_that_differ_are_all_kept(tmp_path: Path) -> None:
    client, server = tmp_path / "client", tmp_path / "server"
    client.write_bytes(OTHER)
    server.write_bytes(OTHER.replace(b"ef", b"0f"))
    assert merge([client, server]).splitlines() == [OTHER, OTHER.replace(b"ef", b"0f")]


def test_links_fifos_and_missing_files_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(LINE)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "fifo")
    assert merge([tmp_path / "link", tmp_path / "fifo", tmp_path / "none"]) == b""


def test_what_is_no_file_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    assert merge([tmp_path / "folder", tmp_path / "fifo", Path("/dev/zero")]) == b""
