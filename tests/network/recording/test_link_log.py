from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.runner.network.impairments.fate import Direction, Dropped
from quicmatrix.runner.network.recording.link_log import (
    DamagedLinkLog,
    Delivered,
    LinkEntry,
    LinkLog,
    LinkLogWriter,
    parse_link_log,
    read_link_log,
)

HEAD = b'{"link_log": 1, "scenario": "simple-p2p", "seed": 7, "began_ns": 1000}\n'
END = b'{"end": 0, "truncated": ""}\n'
DROPPED = b'["to_client",1,17,5,0,100,"queue full"]\n'

times = st.integers(-(10**9), 10**15)
texts = st.text(max_size=20)
entries = st.builds(
    LinkEntry,
    st.sampled_from(Direction),
    st.none() | st.integers(1, 10**9),
    st.integers(0, 255),
    times,
    st.integers(0, 10**6),
    st.integers(0, 65_535),
    st.builds(Delivered, times, times, texts, st.booleans()) | st.builds(Dropped, texts),
)


def written(folder: Path, log: LinkLog, limit_bytes: int = 1 << 20) -> Path:
    path = folder / "link.jsonl"
    with LinkLogWriter(path, log.scenario, log.seed, log.began_ns, limit_bytes) as writer:
        for entry in log.entries:
            writer.write(entry)
    return path


@given(texts, st.integers(), st.integers(0, 1 << 63), st.lists(entries, max_size=10))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    scenario: str,
    seed: int,
    began_ns: int,
    wanted: list[LinkEntry],
) -> None:
    log = LinkLog(scenario, seed, began_ns, tuple(wanted), "")
    assert read_link_log(written(tmp_path_factory.mktemp("log"), log)) == log


def test_a_line_is_as_documented(tmp_path: Path) -> None:
    log = LinkLog(
        "simple-p2p",
        42,
        9,
        (
            LinkEntry(
                *(Direction.TO_CLIENT, 12, 17, 31_250_000, 3, 1280),
                Delivered(50_875_600, 50_901_234, "byte 17 changed", duplicate=False),
            ),
            LinkEntry(*(Direction.TO_SERVER, None, 6, 31_300_000, 25, 1500), Dropped("queue full")),
        ),
        "",
    )
    lines = [json.loads(line) for line in written(tmp_path, log).read_bytes().splitlines()]
    assert lines == [
        {"link_log": 1, "scenario": "simple-p2p", "seed": 42, "began_ns": 9},
        ["to_client", 12, 17, 31250000, 3, 1280, 50875600, 50901234, "byte 17 changed", 0],
        ["to_server", None, 6, 31300000, 25, 1500, "queue full"],
        {"end": 2, "truncated": ""},
    ]


@given(st.lists(entries, max_size=30), st.integers(0, 2000))
def test_it_never_becomes_larger_than_its_limit(
    tmp_path_factory: pytest.TempPathFactory, wanted: list[LinkEntry], limit: int
) -> None:
    limit += 400
    log = LinkLog("", 0, 0, tuple(wanted), "")
    path = written(tmp_path_factory.mktemp("log"), log, limit)
    assert path.stat().st_size <= limit
    found = read_link_log(path)
    assert found.entries == tuple(wanted[: len(found.entries)])
    whole = len(found.entries) == len(wanted)
    assert found.truncated == ("" if whole else f"limit of {limit} bytes reached")


def test_a_full_disk_raises_nothing() -> None:
    writer = LinkLogWriter(Path("/dev/full"), "", 0, 0, 1 << 20)
    for _ in range(10_000):
        writer.write(LinkEntry(Direction.TO_CLIENT, 1, 17, 5, 0, 100, Dropped("queue full")))
    writer.close()
    assert writer.truncated == "cannot write: No space left on device"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cut off in line 1"),
        (HEAD, "cut off in line 2"),
        (HEAD + END[:-1], "cut off in line 2"),
        (HEAD + DROPPED, "line 2: not the end of 0 entries"),
        (HEAD + DROPPED + END, "line 3: not the end of 1 entries"),
        (b"{}\n" + END, "line 1: not the head of a link log"),
        (b"[" * 100_000 + b"\n" + END, "line 1: not JSON"),
        (b"\xff\n" + END, "line 1: not JSON"),
        (HEAD.replace(b"1", b"2", 1) + END, "line 1: version 2 of the format, not 1"),
        (HEAD + DROPPED.replace(b"client", b"peer") + END, "line 2: 'to_peer' is no direction"),
        (HEAD + DROPPED.replace(b"17", b"1.5") + END, "line 2: not an entry"),
        (HEAD + DROPPED.replace(b"17", b"true") + END, "line 2: not an entry"),
        (HEAD + DROPPED.replace(b',17,5,0,100,"', b',17,5,0,"') + END, "line 2: not an entry"),
        (HEAD + b"17\n" + END, "line 2: not an entry"),
    ],
)
def test_damage_is_named(data: bytes, message: str) -> None:
    with pytest.raises(DamagedLinkLog) as caught:
        parse_link_log(data)
    assert str(caught.value) == message


WHOLE = (
    HEAD
    + DROPPED
    + b'["to_server",null,6,31300000,25,1500,1,2,"change",1]\n'
    + b'{"end": 2, "truncated": ""}\n'
)


@given(st.data())
def test_truncated_and_changed_logs_raise_the_named_error_only(data: st.DataObject) -> None:
    cut = WHOLE[: data.draw(st.integers(0, len(WHOLE)))]
    at = data.draw(st.integers(0, len(cut)))
    changed = cut[:at] + data.draw(st.binary(max_size=3)) + cut[at + 1 :]
    try:
        log = parse_link_log(changed)
    except DamagedLinkLog:
        return
    assert len(log.entries) == 2


@given(st.integers(0, len(WHOLE) - 1))
def test_every_truncation_is_detected(length: int) -> None:
    with pytest.raises(DamagedLinkLog):
        parse_link_log(WHOLE[:length])
