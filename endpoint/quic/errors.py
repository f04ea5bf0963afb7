"""The exceptions of the API."""

from __future__ import annotations

from aioquic.quic.events import ConnectionTerminated
from aioquic.quic.packet import QuicErrorCode


class ConnectionClosed(ConnectionError):  # noqa: N818 - an end, and often no error
    """The connection is over, or about to be; nothing can be sent or received any more.

    Args:
        ending: How it ended, in aioquic's terms.
    """

    def __init__(self, ending: ConnectionTerminated) -> None:
        self.error_code: int = ending.error_code
        """RFC 9000, 20.1, or the application's own."""
        self.is_of_application: bool = ending.frame_type is None
        """Whether an application ended it, so that the code means what its protocol says."""
        self.reason: str = ending.reason_phrase
        kind = "application error" if self.is_of_application else "error"
        name = "" if self.is_of_application else _name(self.error_code)
        phrase = f" ({self.reason})" if self.reason else ""
        super().__init__(f"the connection ended with {kind} {self.error_code:#x}{name}{phrase}")


class StreamReset(ConnectionError):  # noqa: N818 - RFC 9000's name of it
    """The peer reset its side of a stream: what was not read is lost."""

    def __init__(self, stream_id: int, error_code: int) -> None:
        self.error_code = error_code
        """The application's."""
        super().__init__(f"stream {stream_id} was reset with error {error_code:#x}")


class StreamStopped(ConnectionError):  # noqa: N818 - as above
    """The peer does not want any more of a stream, or we reset it."""

    def __init__(self, stream_id: int, error_code: int) -> None:
        self.error_code = error_code
        """The application's."""
        super().__init__(f"stream {stream_id} is stopped with error {error_code:#x}")


class DatagramTooLarge(ValueError):  # noqa: N818 - as above
    """The datagram fits into no packet, or the peer takes none so large."""


def _name(code: int) -> str:
    return next((f" {known.name}" for known in QuicErrorCode if known == code), "")
