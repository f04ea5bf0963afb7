"""TLS at the right encryption level, after the handshake, and with anything for input."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from aioquic import tls
from aioquic._buffer import Buffer
from aioquic.quic.connection import NetworkAddress, QuicConnectionError
from aioquic.quic.packet import (
    QuicErrorCode,
    QuicFrameType,
    QuicPacketType,
)
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.tls import AlertDescription, Epoch, HandshakeType
from hypothesis import given, settings
from hypothesis import strategies as st

from quicmatrix.endpoint.tickets import TicketStore
from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.crypto.tls import LONGEST_LIFETIME_S, Context
from tests.support.injection import deliver, frame, long_packet
from tests.support.quic_pair import Pair, client_configuration, server_configuration
from tests.support.tampering import Plain, message, messages, pushed, tampering

VIOLATION = int(QuicErrorCode.PROTOCOL_VIOLATION)
UNEXPECTED = QuicErrorCode.CRYPTO_ERROR + AlertDescription.unexpected_message
DECODE_ERROR = QuicErrorCode.CRYPTO_ERROR + AlertDescription.decode_error


def code_of(connection: Connection) -> int | None:
    return connection.ending.error_code if connection.ending else None


# --- Encryption levels (RFC 9001, 4.1.3) -------------------------------------------------------


def in_one_flight(connection_type: type[Connection], epoch: Epoch) -> type[Connection]:
    """A connection that sends all of its first handshake messages at one level."""

    class OneFlight(connection_type):  # type: ignore[misc,valid-type]
        def _push_crypto_data(self) -> None:
            data = b"".join(buf.data for buf in self._crypto_buffers.values())
            for buf in self._crypto_buffers.values():
                buf.seek(0)
            self._crypto_streams[epoch].sender.write(data)

    return OneFlight


@pytest.mark.parametrize(
    ("client_type", "is_fooled"), [(Connection, False), (Plain, True)], ids=["ours", "aioquic"]
)
def test_a_certificate_in_an_initial_packet_is_refused(
    certs: Path, client_type: type[Connection], is_fooled: bool
) -> None:
    pair = Pair(
        client_configuration(certs),
        server_configuration(certs),
        client_type=client_type,
        server_type=in_one_flight(Connection, Epoch.INITIAL),
    )
    pair.connect()
    pair.run_for(1.0)
    assert code_of(pair.client) == (None if is_fooled else VIOLATION)
    assert pair.client.is_confirmed is is_fooled


def test_new_data_at_a_level_that_is_done_is_refused(certs: Path) -> None:
    """A client's Initial with more than the ClientHello, once the server reads Handshake."""

    class More(Connection):
        def _update_traffic_key(self, *arguments: object) -> None:
            super()._update_traffic_key(*arguments)  # type: ignore[arg-type]
            if arguments[1] is Epoch.HANDSHAKE:
                stream = self._crypto_streams[Epoch.INITIAL].sender
                if stream.buffer_is_empty:
                    stream.write(message(HandshakeType.FINISHED, bytes(32)))

    pair = Pair(client_configuration(certs), server_configuration(certs), client_type=More)
    pair.connect()
    pair.run_for(1.0)
    assert code_of(pair.server) == VIOLATION


def test_data_that_tls_left_behind_is_refused(certs: Path) -> None:
    """Something after a hole that follows the ServerHello."""

    class Holey(Connection):
        def _push_crypto_data(self) -> None:
            super()._push_crypto_data()
            sender = self._crypto_streams[Epoch.INITIAL].sender
            if sender._buffer_stop:
                end = sender._buffer_stop
                sender.write(bytes(20))
                sender._pending.subtract(end, end + 10)

    pair = Pair(client_configuration(certs), server_configuration(certs), server_type=Holey)
    pair.connect()
    pair.run_for(1.0)
    assert code_of(pair.client) == VIOLATION


def test_a_hello_in_pieces_is_put_together(certs: Path) -> None:
    pair = Pair(client_configuration(certs), server_configuration(certs))
    pair.connect()
    client_hello = bytes(pair.client._crypto_streams[Epoch.INITIAL].sender._buffer)
    configuration = server_configuration(certs)
    context = Context(tls.Context(is_client=False, alpn_protocols=["hq-interop"]))
    context.certificate = configuration.certificate
    context.certificate_private_key = configuration.private_key
    buffers = {epoch: Buffer(capacity=4096) for epoch in Epoch}
    for at in range(len(client_hello)):
        assert context.reads is Epoch.INITIAL
        context.handle_message(client_hello[at : at + 1], buffers)
    assert context.reads is Epoch.HANDSHAKE
    assert len(list(messages(buffers[Epoch.HANDSHAKE].data))) == 4


# --- After the handshake -----------------------------------------------------------------------


@pytest.fixture
def connected(certs: Path) -> Pair:
    return connect(certs)


def connect(certs: Path, client_type: type[Connection] = Connection) -> Pair:
    pair = Pair(client_configuration(certs), server_configuration(certs), client_type=client_type)
    pair.client._session_ticket_handler = None
    pair.complete_handshake()
    return pair


def ticket(**fields: object) -> bytes:
    values: dict[str, object] = {"ticket_lifetime": 7200, "ticket": b"opaque"}
    new = tls.NewSessionTicket(**(values | fields))  # type: ignore[arg-type]
    return pushed(lambda buf: tls.push_new_session_ticket(buf, new))


REQUEST = pushed(
    lambda buf: tls.push_certificate_request(
        buf, tls.CertificateRequest(b"context", signature_algorithms=[0x0403])
    )
)
KEY_UPDATE = message(HandshakeType.KEY_UPDATE, b"\x00")


@pytest.mark.parametrize(
    ("sent", "code", "plainly"),
    [
        (ticket(max_early_data_size=0xFFFFFFFF), None, None),
        (ticket(max_early_data_size=5), VIOLATION, None),
        (ticket(ticket=b""), DECODE_ERROR, None),
        (ticket()[:-2], None, None),
        (message(HandshakeType.NEW_SESSION_TICKET, ticket()[4:-2]), DECODE_ERROR, DECODE_ERROR),
        (REQUEST, VIOLATION, UNEXPECTED),
        (KEY_UPDATE, UNEXPECTED, UNEXPECTED),
        (message(HandshakeType(254), b""), UNEXPECTED, UNEXPECTED),
    ],
    ids=[
        "a ticket",
        "a ticket for 5 bytes of early data",
        "an empty ticket",
        "half a ticket",
        "a cut ticket",
        "a CertificateRequest",
        "a KeyUpdate",
        "a message that is never sent",
    ],
)
def test_what_a_server_says_after_the_handshake(
    certs: Path, sent: bytes, code: int | None, plainly: int | None
) -> None:
    for client_type, expected in ((Connection, code), (Plain, plainly)):
        pair = connect(certs, client_type)
        pair.server._crypto_streams[Epoch.ONE_RTT].sender.write(sent)
        pair.drive_server()
        pair.run_for(0.5)
        assert code_of(pair.client) == expected


BEHIND_FINISHED = pytest.mark.parametrize(
    ("sent", "code"), [(KEY_UPDATE, UNEXPECTED), (ticket(), VIOLATION)], ids=["key", "ticket"]
)
"""RFC 9001, 4.1.3; a KeyUpdate is an unexpected_message at any level (RFC 9001, 6)."""


@BEHIND_FINISHED
def test_a_message_in_the_frame_of_the_clients_finished_is_refused(
    certs: Path, sent: bytes, code: int
) -> None:
    pair = Pair(
        client_configuration(certs),
        server_configuration(certs),
        client_type=tampering(HandshakeType.FINISHED, lambda finished: finished + sent),
    )
    pair.connect()
    pair.run_until(lambda: pair._server is not None and pair.server.is_ending)
    assert code_of(pair.server) == code


@BEHIND_FINISHED
def test_a_message_in_a_packet_after_the_servers_finished_is_refused(
    certs: Path, sent: bytes, code: int
) -> None:
    pair = Pair(client_configuration(certs), server_configuration(certs))
    pair.to_server.drops = lambda number, _: number > 1
    pair.connect()
    pair.run_until(lambda: pair.client._handshake_complete)
    offset = pair.client._crypto_streams[Epoch.HANDSHAKE].receiver.highest_offset
    crypto = frame(QuicFrameType.CRYPTO, offset, len(sent), sent)
    deliver(pair, [long_packet(pair.server, Epoch.HANDSHAKE, crypto)], to_server=False)
    assert code_of(pair.client) == code


@pytest.mark.parametrize("sent", [KEY_UPDATE, ticket(), REQUEST], ids=["key", "ticket", "request"])
def test_a_client_says_nothing_after_the_handshake(connected: Pair, sent: bytes) -> None:
    connected.client._crypto_streams[Epoch.ONE_RTT].sender.write(sent)
    connected.drive_client()
    connected.run_for(0.5)
    assert code_of(connected.server) == UNEXPECTED


def test_a_ticket_is_kept_for_a_week_at_most(certs: Path) -> None:
    pair = Pair(
        client_configuration(certs),
        server_configuration(certs),
        server_type=tampering(
            HandshakeType.NEW_SESSION_TICKET, lambda sent: sent[:4] + b"\xff" * 4 + sent[8:]
        ),
    )
    pair.connect()
    pair.run_until(lambda: bool(pair.client_tickets))
    (kept,) = pair.client_tickets
    assert (kept.not_valid_after - kept.not_valid_before).total_seconds() == LONGEST_LIFETIME_S


def resumed(
    certs: Path,
    *,
    client_alpn: str = "hq-interop",
    client_type: type[Connection] = Connection,
    **server: object,
) -> Pair:
    """The second of two connections, with a ticket of the first and other settings."""
    tickets = TicketStore()
    first = Pair(client_configuration(certs), server_configuration(certs), tickets=tickets)
    first.connect()
    first.run_until(lambda: bool(first.client_tickets))
    pair = Pair(
        client_configuration(
            certs,
            alpn_protocols=[client_alpn],
            session_ticket=first.client_tickets[0],
        ),
        server_configuration(certs, **server),
        client_type=client_type,
        tickets=tickets,
    )
    pair.connect()
    pair.run_until(lambda: pair.client.is_confirmed or pair.client.is_ending)
    return pair


def test_a_session_goes_on_with_early_data(certs: Path) -> None:
    pair = resumed(certs)
    assert pair.client.tls.session_resumed
    assert pair.client.tls.early_data_accepted


@pytest.mark.parametrize("protocols", [["other"], ["other", "hq-interop"]])
def test_a_ticket_is_for_the_same_application(certs: Path, protocols: list[str]) -> None:
    """RFC 8446, 4.2.10: with another ALPN nothing is sent early, and here nothing resumed."""
    pair = resumed(certs, client_alpn="other", alpn_protocols=protocols)
    assert not pair.client.tls.session_resumed
    hello = tls.pull_client_hello(Buffer(data=pair.client._client_hello))
    assert not hello.early_data


def test_a_server_that_changes_its_mind_takes_no_early_data(certs: Path) -> None:
    """The client offers both, and the server now prefers another one."""
    tickets = TicketStore()
    offers = {"alpn_protocols": ["hq-interop", "other"]}
    first = Pair(
        client_configuration(certs, **offers), server_configuration(certs), tickets=tickets
    )
    first.connect()
    first.run_until(lambda: bool(first.client_tickets))
    pair = Pair(
        client_configuration(certs, session_ticket=first.client_tickets[0], **offers),
        server_configuration(certs, alpn_protocols=["other"]),
        tickets=tickets,
    )
    pair.complete_handshake()
    assert tls.pull_client_hello(Buffer(data=pair.client._client_hello)).early_data
    assert not pair.client.tls.early_data_accepted


def test_a_ticket_is_for_the_version_that_gave_it(certs: Path) -> None:
    """RFC 9369, 5: one of version 2 is not taken in version 1, nor the other way."""
    versions = [0x6B3343CF, 1]
    for first, second in ((1, 1), (1, 0x6B3343CF), (0x6B3343CF, 1)):
        tickets = TicketStore()
        giving = Pair(
            client_configuration(certs, supported_versions=[first], original_version=first),
            server_configuration(certs, supported_versions=versions),
            tickets=tickets,
        )
        giving.connect()
        giving.run_until(lambda pair=giving: bool(pair.client_tickets))  # type: ignore[misc]
        taking = Pair(
            client_configuration(
                certs,
                supported_versions=[second],
                original_version=second,
                session_ticket=giving.client_tickets[0],
            ),
            server_configuration(certs, supported_versions=versions),
            tickets=tickets,
        )
        taking.complete_handshake()
        assert taking.client.tls.session_resumed is (first == second)


@pytest.mark.parametrize("change", [-1, 0, 1])
def test_limits_that_a_client_remembers_hold(certs: Path, change: int) -> None:
    """RFC 9000, 7.4.1."""
    standard = server_configuration(certs).max_stream_data
    pair = resumed(certs, max_stream_data=standard + change)
    assert pair.client.tls.early_data_accepted is (change >= 0)


def test_crypto_data_in_0rtt_is_refused(certs: Path) -> None:
    """RFC 9001, 8.3: there is no EndOfEarlyData in QUIC."""

    class Chatty(Connection):
        """A client that sends EndOfEarlyData in a 0-RTT packet, after its first flight."""

        def datagrams_to_send(self, now: float) -> list[tuple[bytes, NetworkAddress]]:
            datagrams = super().datagrams_to_send(now)
            keys = self._cryptos.get(Epoch.ZERO_RTT)
            if keys is None or not keys.send.is_valid() or not datagrams:
                return datagrams
            builder = QuicPacketBuilder(
                host_cid=self.host_cid,
                is_client=True,
                max_datagram_size=1200,
                packet_number=1000,
                peer_cid=self._peer_cid.cid,
                version=1,
            )
            builder.start_packet(QuicPacketType.ZERO_RTT, keys)
            buf = builder.start_frame(QuicFrameType.CRYPTO)
            buf.push_bytes(b"\x00\x04" + message(HandshakeType.END_OF_EARLY_DATA, b""))
            (datagram,), _ = builder.flush()
            return [*datagrams, (datagram, datagrams[0][1])]

    pair = resumed(certs, client_type=Chatty)
    pair.run_for(0.2)
    assert code_of(pair.server) == VIOLATION


# --- Anything at all ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def flights(certs: Path) -> tuple[list[bytes], list[bytes]]:
    """The messages of the client, and those of the server, in a handshake."""
    recorded: tuple[list[bytes], list[bytes]] = [], []

    def recording(sent: list[bytes]) -> type[Connection]:
        class Recording(Connection):
            def _push_crypto_data(self) -> None:
                for buf in self._crypto_buffers.values():
                    sent.extend(messages(buf.data))
                super()._push_crypto_data()

        return Recording

    pair = Pair(
        client_configuration(certs),
        server_configuration(certs),
        client_type=recording(recorded[0]),
        server_type=recording(recorded[1]),
    )
    pair.connect()
    pair.run_until(lambda: bool(pair.client_tickets))
    assert [len(sent) for sent in recorded] == [2, 6]
    return recorded


Damage = tuple[int, list[tuple[int, int]], int]


@settings(max_examples=150)
@given(
    number=st.integers(0, 7),
    flips=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(1, 255)), max_size=4),
    cut=st.one_of(st.just(0), st.integers(0, 400)),
)
def test_a_damaged_message_raises_nothing_but_an_alert(
    certs: Path,
    flights: tuple[list[bytes], list[bytes]],
    number: int,
    flips: list[tuple[int, int]],
    cut: int,
) -> None:
    from_client = number < len(flights[0])
    original = (flights[0] + flights[1])[number]

    def damage(sent: bytes) -> bytes:
        data = bytearray(sent[4:])
        for at, mask in flips:
            data[at % len(data)] ^= mask
        del data[len(data) - min(cut, len(data)) :]
        return message(HandshakeType(sent[0]), bytes(data))

    sender = tampering(HandshakeType(original[0]), damage)
    pair = Pair(
        client_configuration(certs),
        server_configuration(certs),
        client_type=sender if from_client else Connection,
        server_type=Connection if from_client else sender,
    )
    pair.connect()
    pair.run_for(0.3)
    receiver = pair.server if from_client else pair.client
    assert receiver.ending is None or receiver.ending.error_code != QuicErrorCode.INTERNAL_ERROR


@settings(max_examples=200)
@given(data=st.binary(max_size=200), kind=st.integers(0, 26), is_client=st.booleans())
def test_whatever_is_no_hello_is_refused(data: bytes, kind: int, is_client: bool) -> None:
    context = Context(tls.Context(is_client=is_client, alpn_protocols=["h3"]))
    buffers = {epoch: Buffer(capacity=4096) for epoch in Epoch}
    if is_client:
        context.handle_message(b"", buffers)
    with pytest.raises((tls.Alert, QuicConnectionError)):
        context.handle_message(bytes([kind]) + len(data).to_bytes(3) + data, buffers)


def test_a_wrong_binder_is_a_decrypt_error(certs: Path) -> None:
    """RFC 8446, 6.2."""
    first = Pair(client_configuration(certs), server_configuration(certs))
    first.connect()
    first.run_until(lambda: bool(first.client_tickets))
    (ticket,) = first.client_tickets[:1]
    forged = dataclasses.replace(ticket, resumption_secret=bytes(len(ticket.resumption_secret)))
    pair = Pair(
        client_configuration(certs, session_ticket=forged),
        server_configuration(certs),
        tickets=first.tickets,
    )
    pair.connect()
    pair.run_until(lambda: pair.client.is_ending)
    assert pair.client.ending is not None
    expected = QuicErrorCode.CRYPTO_ERROR + AlertDescription.decrypt_error
    assert pair.client.ending.error_code == expected
