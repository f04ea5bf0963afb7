from __future__ import annotations

import json
from pathlib import Path

from quicmatrix.endpoint.transport.qlog import FolderLogger


def records(path: Path) -> list[dict[str, object]]:
    return [json.loads(record) for record in path.read_text().split("\x1e")[1:]]


def test_a_trace_is_on_disk_while_it_is_made(tmp_path: Path) -> None:
    logger = FolderLogger(tmp_path)
    trace = logger.start_trace(is_client=False, odcid=b"\x01\x02")
    assert not trace.path.exists(), "no file for a connection that nothing happened on"
    for number in range(100):
        trace.log_event(category="transport", event="datagrams_received", data={"n": number})
    written = records(trace.path)
    assert trace.path.name == "0102_server.sqlog"
    assert written[0]["qlog_format"] == "JSON-SEQ"
    assert [record["data"] for record in written[1:]] == [{"n": n} for n in range(64)]
    logger.close()
    assert len(records(trace.path)) == 101


def test_an_event_is_complete_when_it_is_written(tmp_path: Path) -> None:
    """aioquic adds frames to the event of a packet after it has logged it."""
    logger = FolderLogger(tmp_path)
    trace = logger.start_trace(is_client=True, odcid=b"\x01")
    for _ in range(40):
        trace.log_event(category="transport", event="datagrams_received", data={})
        frames: list[str] = []
        trace.log_event(category="transport", event="packet_received", data={"frames": frames})
        trace.log_event(category="recovery", event="metrics_updated", data={})
        frames.append("stream")
    logger.end_trace(trace)
    received = [
        record["data"]
        for record in records(trace.path)
        if record.get("name") == "transport:packet_received"
    ]
    assert received == [{"frames": ["stream"]}] * 40
