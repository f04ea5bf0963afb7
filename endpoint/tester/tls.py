"""TLS whose messages can be altered before they are hashed and sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from aioquic import tls
from aioquic._buffer import Buffer
from aioquic.tls import Epoch

from quicmatrix.endpoint.transport.crypto.tls import Context

Alter = Callable[[int, bytes], bytes]
"""Given a handshake type and a whole message, what is sent in its place."""


class AlteringContext(Context):
    """A TLS context both of whose transcripts have what was really sent.

    So that one message alone is wrong, and not the Finished that covers it as well.
    """

    alter: Alter = staticmethod(lambda _, message: message)
    _outputs: tuple[Buffer, ...] = ()

    @property
    def key_schedule(self) -> tls.KeySchedule:
        """The schedule, whose transcript is given each message that we write."""
        return cast("tls.KeySchedule", vars(self)["key_schedule"])

    @key_schedule.setter
    def key_schedule(self, schedule: Any) -> None:  # noqa: ANN401 - None before the handshake
        vars(self)["key_schedule"] = schedule
        if schedule is not None:
            original = schedule.update_hash
            schedule.update_hash = lambda data: original(self._sent(data))

    def handle_message(self, input_data: bytes, output_buf: dict[Epoch, Buffer]) -> None:
        """Take in messages, and remember where the answers are written."""
        self._outputs = tuple(output_buf.values())
        super().handle_message(input_data, output_buf)

    def _client_handle_encrypted_extensions(self, input_buf: Buffer) -> None:
        self._alpn_protocols = None  # whatever the server selects, or nothing
        super()._client_handle_encrypted_extensions(input_buf)

    def _hello_written(self, output_buf: Buffer, at: int) -> None:
        self._replace(output_buf, at)

    def _sent(self, data: bytes) -> bytes:
        """What goes into the transcript: if we have just written it, in its altered form."""
        for output in self._outputs:
            at = output.tell() - len(data)
            if data and at >= 0 and output.data_slice(at, output.tell()) == data:
                return self._replace(output, at)
        return data

    def _replace(self, output: Buffer, at: int) -> bytes:
        message = output.data_slice(at, output.tell())
        altered = self.alter(message[0], message)
        output.seek(at)
        output.push_bytes(altered)
        return altered
