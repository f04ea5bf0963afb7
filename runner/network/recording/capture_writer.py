"""Writes captures while the middlebox forwards: each packet is appended when it is sent."""

from __future__ import annotations

from pathlib import Path

from quicmatrix.runner.bundle.capture import (
    enhanced_packet,
    interface_description,
    section_header,
)
from quicmatrix.runner.network.recording.bounded_file import BoundedFile


class CaptureWriter(BoundedFile):
    """Appends one interface's packets to a pcapng file, in any order of time."""

    def __init__(self, path: Path, interface: str, comment: str, limit_bytes: int) -> None:
        super().__init__(path, limit_bytes)
        self.append(section_header(comment) + interface_description(interface))

    def write(self, time_ns: int, frame: bytes, comment: str, original_length: int = 0) -> None:
        """Append a packet; its original length is that of the frame if it is 0."""
        if not self.truncated:
            self.append(enhanced_packet(time_ns, frame, comment, original_length))
