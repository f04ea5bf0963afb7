from __future__ import annotations

from pathlib import Path

from quicmatrix.runner.bundle.capture import CapturedPacket, read_packets
from quicmatrix.runner.network.recording.capture_writer import CaptureWriter


def test_at_the_limit_the_capture_ends_without_an_error(tmp_path: Path) -> None:
    assert write(tmp_path / "raw", [bytes(60)] * 100, 5000) == "limit of 5000 bytes reached"
    kept = list(read_packets(tmp_path / "raw"))
    assert kept == [CapturedPacket(number, bytes(60), "", 60) for number in range(len(kept))]
    size = (tmp_path / "raw").stat().st_size
    assert size <= 5000 < size + 92 + 1


def test_on_a_full_disk_the_capture_ends_without_an_error() -> None:
    assert write(Path("/dev/full"), [bytes(60_000)] * 4) == "cannot write: No space left on device"
    assert write(Path("/dev/full"), [b""]) == "cannot write: No space left on device"


def write(path: Path, content: list[bytes], limit_bytes: int = 1 << 20) -> str:
    with CaptureWriter(path, "left", "", limit_bytes) as writer:
        for number, frame in enumerate(content):
            writer.write(number, frame, "")
    return writer.truncated
