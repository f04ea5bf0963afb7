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

_WITH_EXTENSIONS = (
    tls.HandshakeType.CLIENT_HELLO,
    tls.HandshakeType.SERVER_HELLO,
    tls.HandshakeType.ENCRYPTED_EXTENSIONS,
)


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


def extensions_altered(
    message: bytes, alter: Callable[[list[tuple[int, bytes]]], list[tuple[int, bytes]]]
) -> bytes:
    """A ClientHello, ServerHello or EncryptedExtensions with other extensions."""
    at = _extensions_at(message)
    buf, extensions = Buffer(data=message[at + 2 :]), []
    while not buf.eof():
        kind = buf.pull_uint16()
        extensions.append((kind, buf.pull_bytes(buf.pull_uint16())))
    block = b"".join(
        kind.to_bytes(2) + len(value).to_bytes(2) + value for kind, value in alter(extensions)
    )
    return with_body(message[0], message[4:at] + len(block).to_bytes(2) + block)


def with_body(handshake_type: int, body: bytes) -> bytes:
    """A handshake message."""
    return bytes([handshake_type]) + len(body).to_bytes(3) + body


def _extensions_at(message: bytes) -> int:
    """Where the length of the extensions is (RFC 8446, 4.1.2, 4.1.3 and 4.3.1)."""
    if message[0] == tls.HandshakeType.ENCRYPTED_EXTENSIONS:
        return 4
    at = 4 + 2 + 32
    at += 1 + message[at]
    if message[0] == tls.HandshakeType.SERVER_HELLO:
        return at + 2 + 1
    at += 2 + int.from_bytes(message[at : at + 2])
    return at + 1 + message[at]


def extension_altered(extension: int, alter: Callable[[bytes], bytes]) -> Alter:
    """Give an extension of hellos and EncryptedExtensions another value, where it is there."""

    def altered(kind: int, message: bytes) -> bytes:
        if kind not in _WITH_EXTENSIONS:
            return message
        return extensions_altered(
            message,
            lambda found: [
                (number, alter(value) if number == extension else value) for number, value in found
            ],
        )

    return altered


def without_extension(extension: int) -> Alter:
    """Leave an extension out of hellos and EncryptedExtensions."""

    def altered(kind: int, message: bytes) -> bytes:
        if kind not in _WITH_EXTENSIONS:
            return message
        return extensions_altered(
            message, lambda found: [one for one in found if one[0] != extension]
        )

    return altered
