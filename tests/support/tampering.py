"""Peers that say something else in the handshake than they should.

What they send is changed on its way from TLS into CRYPTO frames, so that packets stay intact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from aioquic import tls
from aioquic._buffer import Buffer
from aioquic.quic.connection import CRYPTO_BUFFER_SIZE, QuicConnection
from aioquic.tls import HandshakeType

from quicmatrix.endpoint.transport.connection import Connection

Change = Callable[[bytes], bytes]
"""From a whole handshake message to what is sent in its place, be it none or several."""


class Plain(Connection):
    """A connection with the TLS of aioquic as it is."""

    _handle_crypto_frame = QuicConnection._handle_crypto_frame
    _parse_transport_parameters = QuicConnection._parse_transport_parameters

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        plain = tls.Context(is_client=self._is_client)
        vars(plain).update(vars(self.tls))
        plain.get_session_ticket_cb = self._session_ticket_fetcher
        self.tls = plain
        self._crypto_buffers = {
            epoch: Buffer(capacity=CRYPTO_BUFFER_SIZE) for epoch in self._crypto_buffers
        }


def tampering(kind: HandshakeType, change: Change) -> type[Connection]:
    """A connection that sends something else in place of its messages of one type."""

    class Tampering(Connection):
        def _push_crypto_data(self) -> None:
            for epoch, buf in self._crypto_buffers.items():
                sent = [change(m) if m[0] == kind else m for m in messages(buf.data)]
                self._crypto_streams[epoch].sender.write(b"".join(sent))
                buf.seek(0)

    return Tampering


def messages(flight: bytes) -> Iterator[bytes]:
    """The handshake messages of a flight, each with type and length."""
    while flight:
        size = 4 + int.from_bytes(flight[1:4])
        yield flight[:size]
        flight = flight[size:]


def message(kind: HandshakeType, body: bytes) -> bytes:
    """A handshake message."""
    return bytes([kind]) + len(body).to_bytes(3) + body


def pushed(write: Callable[[Buffer], None]) -> bytes:
    """What one of aioquic's push functions writes."""
    buf = Buffer(capacity=1 << 17)
    write(buf)
    return buf.data
