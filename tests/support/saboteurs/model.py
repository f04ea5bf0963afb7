"""What a saboteur is, and the one that most requirements share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aioquic.quic.connection import QuicConnectionError

from quicmatrix.endpoint.transport.connection import Connection

Class = type[Connection]
Saboteur = Callable[[Class], Class]
"""Takes the connection's class and returns another one; it may change a module, since it runs in a
process of its own."""


def overlooks(code: int, *frame_types: int) -> Saboteur:
    """It takes a packet for processed where a frame of these types is such an error."""

    def make(base: Class) -> Class:
        class Overlooking(base):  # type: ignore[misc,valid-type]
            def _payload_received(self, *arguments: Any, **named: Any) -> tuple[bool, bool]:
                try:
                    return super()._payload_received(*arguments, **named)  # type: ignore[no-any-return]
                except QuicConnectionError as error:
                    if error.error_code != code or error.frame_type not in frame_types:
                        raise
                    return True, False

        return Overlooking

    return make
