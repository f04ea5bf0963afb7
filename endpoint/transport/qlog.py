"""qlog traces that are on disk while they are made: one file per connection.

aioquic keeps all events in memory and writes them when a connection ends: a long transfer takes
a gigabyte, and a server that is stopped leaves nothing. Here each event is a record of JSON-SEQ
(RFC 7464; draft-ietf-quic-qlog-main-schema, 5), so that what is in the file is valid at any time.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, BinaryIO

from aioquic.quic.logger import QLOG_VERSION, QuicLogger, QuicLoggerTrace

_RECORD_SEPARATOR = b"\x1e"
_PENDING_EVENTS = 64
_DATAGRAM_EVENTS = ("transport:datagrams_received", "transport:datagrams_sent")


class StreamedTrace(QuicLoggerTrace):
    """The events of one connection.

    aioquic adds frames to the event of a received packet after it has logged it, so an event is
    written once a later datagram has been logged.
    """

    def __init__(self, *, is_client: bool, odcid: bytes, folder: Path) -> None:
        super().__init__(is_client=is_client, odcid=odcid)
        self.path = folder / f"{odcid.hex()}_{'client' if is_client else 'server'}.sqlog"
        self._file: BinaryIO | None = None
        self._encoder = json.JSONEncoder(separators=(",", ":"), check_circular=False)

    def log_event(self, *, category: str, event: str, data: dict[str, Any]) -> None:
        """Add an event, and write the complete ones if they are many."""
        is_boundary = f"{category}:{event}" in _DATAGRAM_EVENTS
        if is_boundary and len(self._events) >= _PENDING_EVENTS:
            self.write()
        super().log_event(category=category, event=event, data=data)

    def write(self) -> None:
        """Write all events that there are. The file is made with the first of them."""
        if self._file is None:
            if not self._events:
                return
            self._file = self.path.open("wb")
            about = {name: part for name, part in self.to_dict().items() if name != "events"}
            header = {"qlog_format": "JSON-SEQ", "qlog_version": QLOG_VERSION, "trace": about}
            self._file.write(self._record(header))
        self._file.write(b"".join(self._record(event) for event in self._events))
        self._file.flush()
        self._events.clear()

    def close(self) -> None:
        """Write all events and close the file."""
        self.write()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _record(self, content: dict[str, Any]) -> bytes:
        return _RECORD_SEPARATOR + self._encoder.encode(content).encode() + b"\n"


class FolderLogger(QuicLogger):
    """Makes a trace per connection, in a folder.

    Args:
        folder: Must exist.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._open: set[StreamedTrace] = set()

    def start_trace(self, is_client: bool, odcid: bytes) -> StreamedTrace:
        """A trace for a new connection."""
        trace = StreamedTrace(is_client=is_client, odcid=odcid, folder=self._folder)
        self._open.add(trace)
        return trace

    def end_trace(self, trace: QuicLoggerTrace) -> None:
        """The connection has ended."""
        assert isinstance(trace, StreamedTrace)
        self._open.discard(trace)
        trace.close()

    def close(self) -> None:
        """Write what there is of every connection that has not ended."""
        for trace in list(self._open):
            self.end_trace(trace)
