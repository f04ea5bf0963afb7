"""What HTTP/0.9 and HTTP/3 have in common: a request and its answer on one stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from aioquic.quic.events import QuicEvent

from quicmatrix.endpoint.contract import Request


@dataclass(frozen=True, slots=True)
class Answer:
    """A piece of what the server answers on a stream, in order."""

    stream_id: int
    data: bytes = b""
    is_last: bool = False
    failure: str = ""
    """Why there will be no more of it; empty if all is well."""


class ClientSide(Protocol):
    """How a client asks, and reads the answers."""

    no_error: int
    """The application error code for an end without error."""

    def ask(self, stream_id: int, request: Request) -> None:
        """Send a request on a new stream."""

    def answers(self, event: QuicEvent) -> Iterator[Answer]:
        """What an event brought of answers."""


class ServerSide(Protocol):
    """How a server reads requests, and answers."""

    no_error: int
    """The application error code for an end without error."""

    def requests(self, event: QuicEvent) -> Iterator[tuple[int, str]]:
        """Streams on which an event completed a request, with the path that is asked for."""

    def begin(self, stream_id: int, size: int) -> None:
        """Begin the answer that is a file of so many bytes."""

    def refuse(self, stream_id: int) -> None:
        """Answer that there is no such file."""

    def send(self, stream_id: int, data: bytes, is_last: bool) -> None:
        """Send a piece of the file."""
