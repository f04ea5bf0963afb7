from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from aioquic.quic.packet import QuicErrorCode, encode_quic_retry, get_retry_integrity_tag
from aioquic.tls import Epoch

from quicmatrix.endpoint.transport.connection import Connection
from quicmatrix.endpoint.transport.packets.quic_bit import QUIC_BIT, restored
from quicmatrix.endpoint.transport.paths.stateless_reset import ResetKey
from tests.support.injection import confirmed_pair, deliver, is_alive, short_packet
from tests.support.quic_pair import (
    SERVER_ADDRESS,
    START,
    Pair,
    client_configuration,
    server_configuration,
)
from tests.support.transfer import download

LONG = 0x80


class Plain(Connection):
    greases_quic_bit = False


def bits(datagrams: list[tuple[float, bytes]], form: int) -> Counter[int]:
    """How many datagrams of a header form begin with each value of the QUIC bit."""
    return Counter(data[0] & QUIC_BIT for _, data in datagrams if data[0] & LONG == form)


def test_the_bit_is_random_in_both_directions(certs: Path) -> None:
    pair = Pair(client_configuration(certs), server_configuration(certs))
    sink = download(pair, 1 << 20)
    pair.run_until(lambda: sink.is_finished)
    for link in (pair.to_server, pair.to_client):
        found = bits(link.sent, 0)
        assert set(found) == {0, QUIC_BIT}
        assert min(found.values()) > 0.4 * max(found.values())


@pytest.mark.parametrize(
    ("client_type", "server_type"), [(Plain, Connection), (Connection, Plain), (Plain, Plain)]
)
def test_the_bit_is_set_unless_the_peer_says_that_it_need_not(
    certs: Path, client_type: type[Connection], server_type: type[Connection]
) -> None:
    pair = Pair(
        client_configuration(certs),
        server_configuration(certs),
        client_type=client_type,
        server_type=server_type,
    )
    sink = download(pair, 100_000)
    pair.run_until(lambda: sink.is_finished)
    sent = pair.to_server.sent + pair.to_client.sent
    assert {data[0] & QUIC_BIT for _, data in sent} == {QUIC_BIT}


def test_a_server_may_grease_as_soon_as_it_has_read_the_client_hello(certs: Path) -> None:
    """RFC 9287, 3.1: before that it may not, and a client not before it has an answer."""
    firsts: dict[str, set[int]] = {"client": set(), "server": set()}
    for _ in range(20):
        pair = Pair(client_configuration(certs), server_configuration(certs))
        pair.connect()
        pair.run_until(lambda pair=pair: pair.client.is_started)  # type: ignore[misc]
        firsts["client"].add(pair.to_server.sent[0][1][0] & QUIC_BIT)
        firsts["server"].add(pair.to_client.sent[0][1][0] & QUIC_BIT)
    assert firsts == {"client": {QUIC_BIT}, "server": {0, QUIC_BIT}}


def test_nothing_is_remembered_from_an_earlier_connection(certs: Path) -> None:
    """A client's 0-RTT has the bit, and a server waits for this connection's parameters."""
    first = Pair(client_configuration(certs), server_configuration(certs))
    first.connect()
    first.run_until(lambda: bool(first.client_tickets))
    ticket = first.client_tickets[-1]
    for _ in range(5):
        again = Pair(
            client_configuration(certs, session_ticket=ticket, token=b"of the first"),
            server_configuration(certs),
            tickets=first.tickets,
            now=first.now,
        )
        again.client.connect(SERVER_ADDRESS, now=again.now)
        again.client.send_stream_data(0, bytes(5000))
        again.drive_client()
        assert len(again.to_server.sent) > 3
        assert bits(again.to_server.sent, LONG) == {QUIC_BIT: len(again.to_server.sent)}


def test_the_parameter_must_be_empty(certs: Path) -> None:
    class Wordy(Connection):
        def _serialize_transport_parameters(self) -> bytes:
            return super()._serialize_transport_parameters()[:-1] + b"\x01\x00"

    for client_type, server_type in ((Wordy, Connection), (Connection, Wordy)):
        pair = Pair(
            client_configuration(certs),
            server_configuration(certs),
            client_type=client_type,
            server_type=server_type,
        )
        pair.connect()
        pair.run_until(lambda pair=pair: pair.client.is_ending)  # type: ignore[misc]
        ending = pair.client.ending
        assert ending is not None
        assert ending.error_code == QuicErrorCode.TRANSPORT_PARAMETER_ERROR


def test_the_bit_is_authenticated_as_it_was_sent(certs: Path) -> None:
    pair = confirmed_pair(certs)
    for flip in (0, QUIC_BIT):
        datagram = bytearray(short_packet(pair.client, b"\x01"))
        datagram[0] ^= flip
        before = pair.server._spaces[Epoch.ONE_RTT].largest_received_packet
        deliver(pair, [bytes(datagram)])
        after = pair.server._spaces[Epoch.ONE_RTT].largest_received_packet
        assert (after > before) is (flip == 0)
    assert is_alive(pair)


@pytest.mark.parametrize(("token", "is_taken"), [(b"", False), (b"of this server", True)])
def test_a_first_initial_without_the_bit_needs_a_token(
    certs: Path, token: bytes, is_taken: bool
) -> None:
    """RFC 9287, 3.1: without one, no client can know that the server takes it."""

    class Early(Connection):
        def _initialize(self, peer_cid: bytes) -> None:
            super()._initialize(peer_cid)
            self._grease()

    for _ in range(20):
        client = Early(configuration=client_configuration(certs, token=token))
        client.connect(SERVER_ADDRESS, now=START)
        ((datagram, _),) = client.datagrams_to_send(now=START)
        if not datagram[0] & QUIC_BIT:
            break
    server = Connection(
        configuration=server_configuration(certs),
        original_destination_connection_id=client.original_destination_connection_id,
    )
    server.receive_datagram(datagram, ("192.0.2.1", 1), now=START)
    assert server.is_started is is_taken


def test_a_retry_without_the_bit_is_taken(certs: Path) -> None:
    client = Connection(configuration=client_configuration(certs))
    client.connect(SERVER_ADDRESS, now=START)
    client.datagrams_to_send(now=START)
    original = client.original_destination_connection_id
    retry = encode_quic_retry(
        version=1,
        source_cid=b"retrying",
        destination_cid=client.host_cid,
        original_destination_cid=original,
        retry_token=b"token",
    )
    cleared = bytes([retry[0] & ~QUIC_BIT]) + retry[1:-16]
    cleared += get_retry_integrity_tag(cleared, original, version=1)
    client.receive_datagram(cleared, SERVER_ADDRESS, now=START)
    assert client._peer_token == b"token"


def test_a_stateless_reset_has_the_bit() -> None:
    key = ResetKey()
    resets = [key.reset_for(100, b"eightcid") or b"" for _ in range(50)]
    assert {reset[0] & QUIC_BIT for reset in resets} == {QUIC_BIT}


def test_a_restored_datagram_still_has_what_arrived() -> None:
    datagram = restored(b"\x01\x02\x03", (0, 2))
    assert bytes(datagram) == b"\x41\x02\x43"
    assert datagram[0] == 1
    assert datagram[0:3] == b"\x01\x02\x03"
    assert len(datagram) == 3
