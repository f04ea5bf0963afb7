from __future__ import annotations

import os
from pathlib import Path

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


def test_links_fifos_and_missing_files_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(LINE)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "fifo")
    assert merge([tmp_path / "link", tmp_path / "fifo", tmp_path / "none"]) == b""


def test_what_is_no_file_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    assert merge([tmp_path / "folder", tmp_path / "fifo", Path("/dev/zero")]) == b""
