from __future__ import annotations

from pathlib import Path

import pytest

from quicmatrix.endpoint.contract import Contract, Role, TestCase
from quicmatrix.endpoint.errors import EndpointError
from quicmatrix.endpoint.logs import open_logs


def contract(key_log: Path | None = None, qlog_folder: Path | None = None) -> Contract:
    return Contract(Role.SERVER, TestCase.TRANSFER, key_log=key_log, qlog_folder=qlog_folder)


def test_nothing_is_logged_unless_asked_for() -> None:
    with open_logs(contract()) as logs:
        assert (logs.key_log, logs.qlog) == (None, None)


def test_folders_are_made_and_the_key_log_is_added_to(tmp_path: Path) -> None:
    file = tmp_path / "a" / "keys.log"
    for line in ("one\n", "two\n"):
        with open_logs(contract(file)) as logs:
            assert logs.key_log is not None
            logs.key_log.write(line)
        assert logs.key_log.closed
    assert file.read_text() == "one\ntwo\n"


def test_traces_are_complete_when_the_logs_are_closed(tmp_path: Path) -> None:
    with open_logs(contract(qlog_folder=tmp_path / "qlog")) as logs:
        assert logs.qlog is not None
        trace = logs.qlog.start_trace(is_client=False, odcid=b"\x01\x02")
        trace.log_event(category="transport", event="made", data={})
    (file,) = (tmp_path / "qlog").iterdir()
    assert file.name == "0102_server.sqlog"
    assert "transport:made" in file.read_text()


@pytest.mark.parametrize("name", ["SSLKEYLOGFILE", "QLOGDIR"])
def test_what_cannot_be_written_is_named_and_nothing_stays_open(tmp_path: Path, name: str) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    asked = (
        contract(blocked / "keys.log")
        if name == "SSLKEYLOGFILE"
        else contract(tmp_path / "keys.log", blocked / "qlog")
    )
    with pytest.raises(EndpointError, match=f"^{name}: "), open_logs(asked):
        pass
