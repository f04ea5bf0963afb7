"""The server's side of one connection: its answers, streamed from disk.

A file is read only as far as the connection is about to send it, whatever its size.
"""

from __future__ import annotations

from aioquic.quic.events import ConnectionTerminated, QuicEvent, StopSendingReceived

from quicmatrix.endpoint.files import ServedFile, WebRoot
from quicmatrix.endpoint.http.application import ServerSide
from quicmatrix.endpoint.transport.connection import Connection

CHUNK_BYTES = 64 * 1024
LEAST_AHEAD_BYTES = 256 * 1024
"""Written but unacknowledged bytes that a connection may have, or two congestion windows if
that is more: the half that is not in flight is there before it can be sent."""


class Serve:
    """Answers the requests of one connection.

    Args:
        connection: What it answers on.
        side: How requests and answers look.
        root: What is served.
    """

    def __init__(self, connection: Connection, side: ServerSide, root: WebRoot) -> None:
        self._connection = connection
        self._side = side
        self._root = root
        self._files: dict[int, ServedFile] = {}

    def event_received(self, event: QuicEvent) -> None:
        """Take note of requests, and of clients that do not want an answer any more."""
        match event:
            case StopSendingReceived():
                self._drop(event.stream_id)
            case ConnectionTerminated():
                self.close()
        for stream_id, path in self._side.requests(event):
            if not self._connection.can_send_on(stream_id):
                continue
            file = self._root.open(path)
            if file is None:
                self._side.refuse(stream_id)
            else:
                self._side.begin(stream_id, file.size)
                self._files[stream_id] = file

    def pump(self) -> None:
        """Put into the streams what is about to be sent, in equal shares."""
        if not self._files:
            return
        ahead = max(LEAST_AHEAD_BYTES, 2 * self._connection.congestion_window)
        share = max(ahead // len(self._files), 2048)
        for stream_id, file in list(self._files.items()):
            self._fill(stream_id, file, share)

    def close(self) -> None:
        """Close all files."""
        for stream_id in list(self._files):
            self._drop(stream_id)

    def _fill(self, stream_id: int, file: ServedFile, share: int) -> None:
        room = share - self._connection.unacknowledged(stream_id)
        while room > share // 4:
            if not self._connection.can_send_on(stream_id):
                self._drop(stream_id)
                return
            data = file.content.read(min(room, CHUNK_BYTES)) or b""
            is_last = not data or file.content.tell() >= file.size
            self._side.send(stream_id, data, is_last)
            if is_last:
                self._drop(stream_id)
                return
            room -= len(data)

    def _drop(self, stream_id: int) -> None:
        file = self._files.pop(stream_id, None)
        if file is not None:
            file.content.close()
