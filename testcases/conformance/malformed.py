"""Scripts that send a message whose fields are altered (RFC 9114, 4.1.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames, http3
from quicmatrix.endpoint.tester.http3 import H3Frame
from quicmatrix.endpoint.tester.streams import Rest
from quicmatrix.testcases.conformance.model import Script

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

Fields = list[tuple[bytes, bytes]]
Alteration = Callable[[Fields], Fields]


def message_with(alter: Alteration) -> Script:
    """A request, or the header of an answer, with other fields.

    The content of an answer follows when the header was seen to be taken, so that there is a
    stream that can be stopped.
    """

    async def script(tester: Tester) -> None:
        peer = await tester.connected()
        header = http3.headers(alter(tester.message_fields))
        peer.message_stimulus(header, fin=tester.is_client, rest=Rest.CONTENT)

    return script


def message_with_trailers(fields: Fields) -> Script:
    """A whole message, and these fields behind its content."""

    async def script(tester: Tester) -> None:
        peer = await tester.connected()
        content = http3.frame(H3Frame.DATA, tester.content_for(peer))
        message = http3.headers(tester.message_fields) + content + http3.headers(fields)
        peer.message_stimulus(message, fin=tester.is_client, rest=Rest.END)

    return script


def message_with_length(difference: int) -> Script:
    """A whole message whose content-length is another one than that of its content."""

    async def script(tester: Tester) -> None:
        peer = await tester.connected()
        content = tester.content_for(peer)
        length = (b"content-length", str(len(content) + difference).encode())
        header = http3.headers([*tester.message_fields, length])
        message = header + http3.frame(H3Frame.DATA, content)
        peer.message_stimulus(message, fin=tester.is_client, rest=Rest.END)

    return script


def also(name: bytes, value: bytes = b"value") -> Alteration:
    """One more field, behind all others."""
    return lambda fields: [*fields, (name, value)]


def without(name: bytes) -> Alteration:
    """Without a field."""
    return lambda fields: [field for field in fields if field[0] != name]


def replaced(name: bytes, value: bytes) -> Alteration:
    """Another value of a field."""
    return lambda fields: [(one, value if one == name else old) for one, old in fields]


def last(name: bytes) -> Alteration:
    """A pseudo-header field behind a regular one."""

    def alter(fields: Fields) -> Fields:
        moved = [field for field in fields if field[0] == name]
        return [*without(name)(fields), (b"x-name", b"value"), *moved]

    return alter


async def abort_message(tester: Tester, error_code: int) -> None:
    """Send the header of a message, then end both directions of its stream with an error."""
    peer = await tester.connected()
    header = http3.headers(tester.message_fields)
    stream = peer.message_stream
    peer.answered.add(stream)
    peer.write(stream, header)
    await peer.received_by_peer(stream)
    parts = [frames.reset_stream(stream, error_code, len(header))]
    if tester.is_client:
        parts.append(frames.stop_sending(stream, error_code))
    await peer.stimulus(*parts)
