"""Packets that tshark would leave encrypted, decrypted with nothing but the secrets."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from aioquic.tls import CipherSuite

from quicmatrix.runner.trace.connections import Connections, Opened
from quicmatrix.runner.trace.frames import parse_payload
from quicmatrix.runner.trace.headers import parse_header
from quicmatrix.runner.trace.key_log import Secrets, parse_key_log
from quicmatrix.runner.trace.model import (
    VERSION_1,
    VERSION_2,
    Address,
    ClientHello,
    PacketType,
    Path,
    Side,
    Stream,
    TlsMessage,
)
from tests.support.quic_traffic import Link

T = PacketType


@dataclass(frozen=True)
class Seen:
    sender: Side
    opened: Opened
    tls: tuple[TlsMessage, ...]
    stream_ids: tuple[int, ...]


def read(link: Link, secrets: Secrets | None = None) -> tuple[list[Seen], int]:
    """All packets of the client's side that could be decrypted; how many could not."""
    secrets = parse_key_log(link.secrets.getvalue()) if secrets is None else secrets
    connections = Connections(secrets)
    seen, failed = [], 0
    for sent in sorted(link.left, key=lambda one: one.time):
        client_sent = sent.destination.port == 443
        sender = Side.CLIENT if client_sent else Side.SERVER
        ends = (sent.source, sent.destination)
        path = Path(*(ends if client_sent else reversed(ends)))
        rest = sent.payload
        while rest.strip(b"\0"):
            size = parse_header(rest, 0).size or len(rest)
            data, rest = rest[:size], rest[size:]
            opened = connections.open(sender, path, data)
            if opened is None:
                failed += 1
                continue
            frames = parse_payload(opened.plaintext).frames
            streams = tuple(each.stream_id for each in frames if isinstance(each, Stream))
            tls = connections.add_packet(sender, path, opened, frames)
            seen.append(Seen(sender, opened, tls, streams))
    return seen, failed


def qlog(link: Link) -> list[tuple[str, int]]:
    """Type and number of all packets sent, by aioquic's own account."""
    names = {"initial": "Initial", "handshake": "Handshake", "1RTT": "1-RTT", "0RTT": "0-RTT"}
    return sorted(
        (names[event["data"]["header"]["packet_type"]], event["data"]["header"]["packet_number"])
        for trace in link.qlog.to_dict()["traces"]
        for event in trace["events"]
        if event["name"] == "transport:packet_sent"
        and event["data"]["header"]["packet_type"] in names
    )


def numbers(seen: list[Seen]) -> list[tuple[str, int]]:
    return sorted((str(one.opened.header.type), one.opened.number) for one in seen)


@pytest.mark.parametrize("version", [VERSION_1, VERSION_2])
@pytest.mark.parametrize("suite", [0x1301, 0x1302, 0x1303])
def test_all_packets_of_a_connection(version: int, suite: int) -> None:
    link = Link()
    link.connect(
        supported_versions=[version], original_version=version, cipher_suites=[CipherSuite(suite)]
    )
    link.run(0.2)
    link.request()
    link.close()
    seen, failed = read(link)
    assert failed == 0
    assert numbers(seen) == qlog(link)
    assert {one.opened.connection.number for one in seen} == {0}
    assert {one.opened.key_phase for one in seen} == {None, 0}


def test_zero_rtt() -> None:
    link = Link()
    link.connect()
    link.run(0.3)
    link.close()
    link.connect(early=b"GET /early\r\n", session_ticket=link.tickets[-1])
    link.run(link.now + 0.3)
    link.close()
    seen, failed = read(link)
    assert failed == 0
    assert numbers(seen) == qlog(link)
    early = [one for one in seen if one.opened.header.type is T.ZERO_RTT]
    assert [(one.opened.connection.number, one.stream_ids) for one in early] == [(1, (0,))]


def update_keys(link: Link) -> None:
    link.connect()
    link.run(0.2)
    for stream_id in (0, 4, 8):
        link.client.request_key_update()
        link.request(stream_id)
        link.run(link.now + 0.3)
    link.close()


def test_key_updates() -> None:
    link = Link()
    update_keys(link)
    seen, failed = read(link)
    assert failed == 0
    requests = [one for one in seen if one.sender is Side.CLIENT and one.stream_ids]
    assert [one.opened.key_phase for one in requests] == [1, 0, 1]
    assert requests[0].opened.connection.generation == {Side.CLIENT: 3, Side.SERVER: 3}


def test_a_packet_that_arrives_after_the_key_update() -> None:
    link = Link()
    update_keys(link)
    sent = sorted(link.left, key=lambda one: one.time)
    late = next(each for each in sent if each.source == link.client_address and each.time > 0.05)
    first_request = next(each for each in sent if each.time >= 0.2)
    assert late.time < first_request.time
    sent.remove(late)
    sent.insert(sent.index(first_request) + 1, late)
    link.left = [replace(each, time=number) for number, each in enumerate(sent)]
    seen, failed = read(link)
    assert failed == 0
    assert numbers(seen) == qlog(link)


def test_a_retry_changes_the_initial_keys() -> None:
    link = Link(retry=True)
    link.connect()
    link.run(0.3)
    link.close()
    secrets = parse_key_log(link.secrets.getvalue())
    retry = next(each for each in link.left if each.source == link.server_address)
    assert parse_header(retry.payload, 0).type is T.RETRY
    link.left.remove(retry)
    seen, failed = read(link, secrets)
    assert failed == 0
    hellos = [one for one in seen if any(isinstance(each, ClientHello) for each in one.tls)]
    assert [one.opened.header.dcid == b"retryCID" for one in hellos] == [False, True]


def test_without_secrets_only_initials_are_decrypted() -> None:
    link = Link()
    link.connect()
    link.run(0.3)
    link.close()
    seen, failed = read(link, {})
    assert {one.opened.header.type for one in seen} == {T.INITIAL}
    assert failed > 0


def test_a_client_on_a_new_path_is_known_by_its_connection_id() -> None:
    link = Link()
    link.connect()
    link.run(0.2)
    link.client_address = Address(link.client_address.host, 50001)
    link.request()
    link.close()
    seen, failed = read(link)
    assert failed == 0
    assert {one.opened.connection.number for one in seen} == {0}


def test_a_corrupted_packet_does_not_change_the_state() -> None:
    link = Link()
    link.connect()
    link.run(0.2)
    link.request()
    link.close()
    clean, _ = read(link)
    copies = []
    for sent in link.left:
        size = parse_header(sent.payload, 0).size or len(sent.payload)
        for position in (6, size - 1):  # in the connection ID, and in the tag
            damaged = bytearray(sent.payload[:size])
            damaged[position] ^= 0x55
            copies.append(replace(sent, time=sent.time - 1e-6, payload=bytes(damaged)))
    link.left += copies
    seen, failed = read(link)
    assert failed == len(copies)
    assert numbers(seen) == numbers(clean)


def test_a_client_without_connection_ids() -> None:
    link = Link()
    link.connect(connection_id_length=0)
    link.run(0.3)
    link.request()
    link.close()
    seen, failed = read(link)
    assert failed == 0
    assert numbers(seen) == qlog(link)
