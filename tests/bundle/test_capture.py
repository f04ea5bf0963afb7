from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.runner.bundle.capture import (
    CapturedPacket,
    DamagedCapture,
    finish,
    read_packets,
)
from quicmatrix.runner.network.recording.capture_writer import CaptureWriter
from tests.support import frames, quic_sample

EPOCH = 1_795_454_103 * 10**9

packets = st.builds(
    CapturedPacket,
    st.integers(0, 2**64 - 1),
    st.binary(max_size=60),
    st.text(max_size=20),
    st.integers(61, 2**32 - 1),
)
# The shortest comment that a block can have is one character: an empty one is not written at all.


def write(path: Path, content: list[CapturedPacket]) -> None:
    with CaptureWriter(path, "left", "scenario: simple-p2p\nseed: 42", 1 << 20) as writer:
        for one in content:
            writer.write(one.time_ns, one.frame, one.comment, one.original_length)
    assert not writer.truncated


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("captures")


@given(st.lists(packets, max_size=10))
def test_what_is_written_can_be_read(folder: Path, content: list[CapturedPacket]) -> None:
    write(folder / "raw", content)
    assert list(read_packets(folder / "raw")) == content


@given(st.lists(packets, max_size=10), st.binary(max_size=30))
def test_finishing_sorts_by_time_and_changes_nothing_else(
    folder: Path, content: list[CapturedPacket], secrets: bytes
) -> None:
    write(folder / "raw", content)
    assert finish(folder / "raw", folder / "out", secrets) == ""
    assert list(read_packets(folder / "out")) == sorted(content, key=lambda one: one.time_ns)


@given(st.lists(packets, max_size=4), st.data())
def test_damage_is_named_and_what_comes_before_it_is_saved(
    folder: Path, content: list[CapturedPacket], data: st.DataObject
) -> None:
    raw, out = folder / "raw", folder / "out"
    write(raw, content)
    whole = raw.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    noise = data.draw(st.binary(max_size=8))
    raw.write_bytes(whole[:cut] + noise + whole[cut + len(noise) :])
    for broken in (raw.read_bytes(), whole[:cut], whole[:cut] + noise):
        raw.write_bytes(broken)
        read: list[CapturedPacket] = []
        read_error = ""
        try:
            read.extend(read_packets(raw))
        except DamagedCapture as error:
            read_error = str(error)
        try:
            finish_error = finish(raw, out, b"secrets")
        except DamagedCapture:
            assert not read
            continue
        assert not finish_error or read_error
        if not finish_error and not read_error:
            assert sorted(read, key=lambda one: one.time_ns) == list(read_packets(out))


def test_a_capture_that_was_cut_off_says_where(tmp_path: Path) -> None:
    content = [CapturedPacket(2, b"second", "b", 6), CapturedPacket(1, b"first", "a", 5)]
    write(tmp_path / "raw", content)
    whole = (tmp_path / "raw").read_bytes()
    (tmp_path / "raw").write_bytes(whole[:-1])
    damage = finish(tmp_path / "raw", tmp_path / "out", b"")
    assert damage == f"cut off at byte {len(whole) - 1}"
    assert list(read_packets(tmp_path / "out")) == content[:1]


@pytest.mark.parametrize("content", [b"", b"short", bytes(100), b"\xd4\xc3\xb2\xa1" * 10])
def test_what_is_no_capture_at_all_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "raw").write_bytes(content)
    with pytest.raises(DamagedCapture):
        list(read_packets(tmp_path / "raw"))
    with pytest.raises(DamagedCapture):
        finish(tmp_path / "raw", tmp_path / "out", b"")


@pytest.mark.tshark
def test_wireshark_shows_comments_in_order_and_to_the_nanosecond(tmp_path: Path) -> None:
    content = [
        CapturedPacket(EPOCH + 17, frames.udp(b"two"), "#2 dropped: queue full", 1500),
        CapturedPacket(EPOCH + 5, frames.udp(b"one"), "#1 delivered after 16.3 ms", 45),
    ]
    write(tmp_path / "raw", content)
    finish(tmp_path / "raw", tmp_path / "left.pcap", b"")
    fields = ("frame.time_epoch", "frame.len", "frame.interface_name", "frame.comment")
    assert tshark(tmp_path / "left.pcap", *fields) == [
        ["1795454103.000000005", "45", "left", "#1 delivered after 16.3 ms"],
        ["1795454103.000000017", "1500", "left", "#2 dropped: queue full"],
    ]
    about = output("capinfos", tmp_path / "left.pcap")
    assert "seed: 42" in about
    assert "Strict time order:   True" in about
    assert "nanoseconds (9)" in about


@pytest.mark.tshark
def test_wireshark_decrypts_with_the_secrets_inside(tmp_path: Path) -> None:
    datagrams, secrets = quic_sample.handshake()
    content = [
        CapturedPacket(EPOCH + number, frame, "", len(frame))
        for number, frame in enumerate(datagrams)
    ]
    write(tmp_path / "raw", content)
    finish(tmp_path / "raw", tmp_path / "with.pcap", secrets)
    finish(tmp_path / "raw", tmp_path / "without.pcap", b"")
    handshake_done = "quic.frame_type == 0x1e"
    assert tshark(tmp_path / "with.pcap", "quic.stream_data", condition=handshake_done)
    assert not tshark(tmp_path / "without.pcap", "quic.stream_data", condition=handshake_done)


def tshark(path: Path, *fields: str, condition: str = "") -> list[list[str]]:
    chosen = [word for field in fields for word in ("-e", field)]
    lines = output("tshark", "-n", "-Y", condition, "-T", "fields", *chosen, "-r", path)
    return [line.split("\t") for line in lines.splitlines()]


def output(*command: str | Path) -> str:
    return subprocess.run(
        command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ).stdout
