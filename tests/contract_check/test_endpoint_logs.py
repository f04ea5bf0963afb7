from __future__ import annotations

import os
from pathlib import Path

import pytest

from quicmatrix.runner.contract_check.endpoint_logs import read_endpoint_logs

LINE = "CLIENT_RANDOM " + "0" * 64 + " " + "1" * 96 + "\n"


def write(folder: Path, name: str, data: bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_secrets_are_known_by_their_labels(tmp_path: Path) -> None:
    write(tmp_path, "keys.log", f"# comment\n{LINE}nonsense\n".encode())
    assert read_endpoint_logs(tmp_path).secrets == ("CLIENT_RANDOM",)


@pytest.mark.parametrize(
    ("data", "is_qlog"),
    [
        (b'\x1e{"qlog_format": "JSON-SEQ", "qlog_version": "0.3"}\n', True),
        (b'{"title": "x",\n "qlog_version": "0.4", "traces": []}', True),
        (b'{"file_schema": "urn:x", "serialization_format": "y"}', False),
        (b"", False),
        (b"\x1f\x8b\x08 qlog_version", False),
        (b"{" + b" " * 9000 + b'"qlog_version"', False),
    ],
)
def test_a_qlog_is_known_by_how_it_begins(tmp_path: Path, data: bytes, is_qlog: bool) -> None:
    write(tmp_path, "qlog/a.sqlog", data)
    write(tmp_path, "elsewhere.qlog", b'{"qlog_version": "0.3"}')
    assert read_endpoint_logs(tmp_path).qlogs == (("qlog/a.sqlog",) if is_qlog else ())


def test_qlogs_in_folders_of_their_own_are_found(tmp_path: Path) -> None:
    write(tmp_path, "qlog/server/a.qlog", b'{"qlog_version": "0.3"}')
    assert read_endpoint_logs(tmp_path).qlogs == ("qlog/server/a.qlog",)


def test_the_last_line_is_printable(tmp_path: Path) -> None:
    write(tmp_path, "output.log", b"first\n" * 5000 + b"  \x1b[2Jno \xff route  \n\n \n")
    assert read_endpoint_logs(tmp_path).last_line == "\\x1b[2Jno \N{REPLACEMENT CHARACTER} route"


def test_the_line_of_the_setup_script_is_found(tmp_path: Path) -> None:
    write(tmp_path, "output.log", b"Setting up routes...\nready\n")
    assert read_endpoint_logs(tmp_path).setup_ran
    write(tmp_path, "output.log", b"ready\n")
    assert not read_endpoint_logs(tmp_path).setup_ran


def test_links_and_what_cannot_be_read_are_nothing(tmp_path: Path) -> None:
    write(tmp_path, "elsewhere/secret.qlog", b'{"qlog_version": "0.3"}')
    folder = tmp_path / "side"
    (folder / "qlog").mkdir(parents=True)
    (folder / "qlog" / "a.qlog").symlink_to(tmp_path / "elsewhere" / "secret.qlog")
    os.mkfifo(folder / "output.log")
    found = read_endpoint_logs(folder)
    assert found.qlogs == ()
    assert found.files == ()
    assert found.last_line == ""
