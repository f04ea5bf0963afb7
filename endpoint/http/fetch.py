"""The client's side of one connection: sends its requests and writes the answers to files."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import BinaryIO

from aioquic.quic.events import QuicEvent

from quicmatrix.endpoint.contract import Request
from quicmatrix.endpoint.errors import EndpointError
from quicmatrix.endpoint.files import Downloads
from quicmatrix.endpoint.http.application import Answer, ClientSide
from quicmatrix.endpoint.transport.connection import Connection


class Fetch:
    """Requests files, as many at a time as the server allows, and writes them as they come.

    Args:
        connection: What it requests on.
        side: How requests and answers look.
        requests: What to request, in order.
        downloads: Where the files go.
    """

    def __init__(
        self,
        connection: Connection,
        side: ClientSide,
        requests: Iterable[Request],
        downloads: Downloads,
    ) -> None:
        self._connection = connection
        self._side = side
        self._waiting = deque(requests)
        self._downloads = downloads
        self._open: dict[int, tuple[Request, BinaryIO]] = {}
        self.failures: list[str] = []
        """What went wrong with single requests, a line each."""

    @property
    def is_finished(self) -> bool:
        """Whether every request has its answer, be it a failure."""
        return not self._waiting and not self._open

    @property
    def unanswered(self) -> int:
        """How many requests have no complete answer."""
        return len(self._waiting) + len(self._open)

    def event_received(self, event: QuicEvent) -> None:
        """Write what an event brought."""
        for answer in self._side.answers(event):
            if answer.stream_id in self._open:
                self._write(answer)

    def pump(self) -> None:
        """Request what the server's stream limit allows."""
        while self._waiting and self._connection.can_open_stream:
            request = self._waiting.popleft()
            stream_id = self._connection.get_next_available_stream_id()
            try:
                file = self._downloads.create(request.file_name)
            except EndpointError as error:
                self.failures.append(str(error))
                continue
            self._open[stream_id] = request, file
            self._side.ask(stream_id, request)

    def close(self) -> None:
        """Close the files that are not complete."""
        for _, file in self._open.values():
            file.close()

    def _write(self, answer: Answer) -> None:
        request, file = self._open[answer.stream_id]
        failure = answer.failure
        try:
            view = memoryview(answer.data)
            while view:
                view = view[file.write(view) :]
        except OSError as error:
            failure = f"cannot write {request.file_name}: {error.strerror}"
        if failure:
            self.failures.append(f"{request}: {failure}")
        if failure or answer.is_last:
            del self._open[answer.stream_id]
            file.close()
