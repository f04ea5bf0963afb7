"""Real traffic, through the tshark that is installed; aioquic's qlog says what was sent."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from quicmatrix.runner.bundle.capture import enhanced_packet
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.trace import tls, tshark
from quicmatrix.runner.trace.fate import fate_text
from quicmatrix.runner.trace.headers import parse_header
from quicmatrix.runner.trace.key_log import parse_key_log
from quicmatrix.runner.trace.limited_process import Limits
from quicmatrix.runner.trace.model import (
    CERTIFICATE,
    VERSION_1,
    VERSION_2,
    Address,
    Capture,
    ClientHello,
    ConnectionClose,
    Crypto,
    Ecn,
    EncryptedExtensions,
    HandshakeDone,
    NewSessionTicket,
    OtherTlsMessage,
    Packet,
    PacketType,
    ServerHello,
    Side,
    Stream,
    TlsMessage,
    TransportParameters,
)
from quicmatrix.runner.trace.protection import SUITES, Keys, initial_keys
from tests.support.frames import fragments
from tests.support.pcapng_writer import Sent, ethernet, pcapng
from tests.support.quic_traffic import CLIENT, CLIENT_V6, SERVER, SERVER_V6, Link, passed

pytestmark = pytest.mark.tshark

T = TypeVar("T", ClientHello, ServerHello, EncryptedExtensions)

QLOG_TYPES = {
    "initial": PacketType.INITIAL,
    "handshake": PacketType.HANDSHAKE,
    "0RTT": PacketType.ZERO_RTT,
    "1RTT": PacketType.ONE_RTT,
}


@pytest.fixture
def decoded(tmp_path: Path) -> Callable[..., Capture]:
    """Decodes a side of a link; there must be no damage."""

    def decode(link: Link, side: Side = Side.CLIENT, *, keys: bool = True) -> Capture:
        capture = tshark.decode_now(link.write(tmp_path / "link.pcapng", side, keys=keys), side)
        assert capture.damage == ""
        return capture

    return decode


def handshake(**settings: object) -> Link:
    link = Link(**settings)  # type: ignore[arg-type]
    link.connect()
    link.run(0.2)
    link.request()
    link.run(0.4)
    link.close()
    return link


def of(capture: Capture, sender: Side, *types: PacketType) -> list[Packet]:
    return [each for each in capture.packets if each.sender is sender and each.type in types]


def messages(packets: list[Packet] | tuple[Packet, ...]) -> list[TlsMessage]:
    return [message for packet in packets for message in packet.tls]


def only(kind: type[T], found: list[TlsMessage]) -> T:
    (one,) = (each for each in found if isinstance(each, kind))
    return one


def assert_matches_qlog(capture: Capture, link: Link) -> None:
    """Types, numbers, sizes and frames of all packets are those that the senders logged."""
    logged, found = Counter[object](), Counter[object]()
    for trace in link.qlog.to_dict()["traces"]:
        sender = Side(trace["vantage_point"]["type"])
        for event in trace["events"]:
            header = event["data"].get("header", {})
            if event["name"] == "transport:packet_sent" and header["packet_type"] in QLOG_TYPES:
                frames = [
                    each["frame_type"].replace("_", "")
                    for each in event["data"]["frames"]
                    if each["frame_type"] != "padding"
                ]
                packet_type = QLOG_TYPES[header["packet_type"]]
                number, size = header["packet_number"], event["data"]["raw"]["length"]
                logged[sender, packet_type, number, size, " ".join(frames)] += 1
    for each in capture.packets:
        names = [type(frame).__name__.lower() for frame in each.frames]
        if each.type in QLOG_TYPES.values():
            found[each.sender, each.type, each.number, each.size, " ".join(names)] += 1
    assert found == logged


def qlog_packets(link: Link) -> list[str]:
    """The type of each packet that either end sent, as it logged it."""
    return [
        event["data"]["header"]["packet_type"]
        for trace in link.qlog.to_dict()["traces"]
        for event in trace["events"]
        if event["name"] == "transport:packet_sent"
    ]


# --- What is right -----------------------------------------------------------------------------


def test_check_knows_this_tshark() -> None:
    shown = subprocess.run(["tshark", "--version"], capture_output=True, text=True, check=True)
    assert tshark.check() in shown.stdout


@pytest.mark.parametrize("side", Side)
def test_handshake(side: Side, decoded: Callable[..., Capture]) -> None:
    link = handshake(fate=lambda _, index, data: (data, passed(index)))
    capture = decoded(link, side)
    assert_matches_qlog(capture, link)
    sent = sorted(link.left if side is Side.CLIENT else link.right, key=lambda each: each.time)
    assert [each.frame_number for each in capture.datagrams] == list(range(1, len(sent) + 1))
    assert [each.time for each in capture.datagrams] == pytest.approx(
        [each.time - sent[0].time for each in sent], abs=1e-9
    )
    assert [each.size for each in capture.datagrams] == [len(each.payload) for each in sent]
    assert [each.fate and fate_text(each.fate) for each in capture.datagrams] == [
        each.comment for each in sent
    ]
    assert {each.capture for each in capture.datagrams} == {side}
    assert {(each.path.client, each.path.server) for each in capture.datagrams} == {
        (CLIENT, SERVER)
    }
    assert all(each.decrypted and each.connection == 0 for each in capture.packets)


def test_tls_of_a_handshake(decoded: Callable[..., Capture]) -> None:
    capture = decoded(handshake())
    first = capture.packets[0]
    hello = only(ClientHello, messages(of(capture, Side.CLIENT, PacketType.INITIAL)))
    assert hello.cipher_suites == (0x1302, 0x1301, 0x1303)
    assert (hello.alpn, hello.server_name) == (("hq-interop",), "server4")
    assert not hello.offers_psk
    assert not hello.offers_early_data
    offered = hello.transport_parameters
    assert offered.initial_source_connection_id == first.scid
    assert offered.initial_max_data == 1_048_576
    assert offered.max_datagram_frame_size is None
    assert offered.version_information is not None
    assert offered.version_information.available == (VERSION_1, VERSION_2)
    server_hello = only(ServerHello, messages(of(capture, Side.SERVER, PacketType.INITIAL)))
    assert server_hello == ServerHello(0x1302)
    flight = messages(of(capture, Side.SERVER, PacketType.HANDSHAKE))
    extensions = only(EncryptedExtensions, flight)
    assert (extensions.alpn, extensions.accepts_early_data) == ("hq-interop", False)
    answered = extensions.transport_parameters
    assert answered.original_destination_connection_id == first.dcid
    assert answered.max_datagram_frame_size == 1200
    others = [each.handshake_type for each in flight if isinstance(each, OtherTlsMessage)]
    assert others == [CERTIFICATE, 15, 20]


def test_frames_of_a_handshake(decoded: Callable[..., Capture]) -> None:
    capture = decoded(handshake())
    sent = {side: of(capture, side, PacketType.ONE_RTT) for side in Side}
    frames = {side: [each for one in sent[side] for each in one.frames] for side in Side}
    assert Stream(0, 0, 7, fin=True, data=b"GET /\r\n") in frames[Side.CLIENT]
    assert Stream(0, 0, 21, fin=True, data=b"hello from the s") in frames[Side.SERVER]
    assert HandshakeDone() in frames[Side.SERVER]
    assert ConnectionClose(0, None, "", application=True) in frames[Side.CLIENT]
    first = capture.packets[0].frames[0]
    assert isinstance(first, Crypto)
    assert (first.offset, first.data[0], len(first.data)) == (0, 1, first.length)


def test_coalesced_packets(decoded: Callable[..., Capture]) -> None:
    capture = decoded(handshake())
    coalesced = [each for each in capture.packets if each.datagram is capture.datagrams[2]]
    assert [each.type for each in coalesced] == [
        PacketType.INITIAL,
        PacketType.HANDSHAKE,
        PacketType.ONE_RTT,
    ]
    assert sum(each.size for each in coalesced) == capture.datagrams[2].size == 1200


def test_payload_sizes_as_quic_interop_runner_counts_them(decoded: Callable[..., Capture]) -> None:
    for each in decoded(handshake()).packets:
        number_size = 2  # aioquic's
        length_size = 0 if each.type is PacketType.ONE_RTT else 2
        ids = len(each.dcid) + (0 if each.scid is None else 6 + len(each.scid))
        token_size = 1 if each.type is PacketType.INITIAL else 0
        header_size = 1 + ids + token_size + length_size + number_size
        assert each.payload_size == each.size - header_size


def test_retry(decoded: Callable[..., Capture]) -> None:
    link = handshake(retry=True)
    capture = decoded(link)
    assert_matches_qlog(capture, link)
    (retry,) = of(capture, Side.SERVER, PacketType.RETRY)
    assert (retry.token, retry.scid) == (b"a token of the server", b"retryCID")
    assert retry.retry_integrity_valid is True
    assert retry.number is None
    initials = of(capture, Side.CLIENT, PacketType.INITIAL)
    assert [each.token for each in initials] == [b"", retry.token, retry.token]
    assert sum(isinstance(each, ClientHello) for each in messages(initials)) == 2
    assert {each.connection for each in capture.packets} == {0}


def test_a_retry_with_a_wrong_tag(decoded: Callable[..., Capture]) -> None:
    def flip(sender: Side, index: int, data: bytes) -> tuple[bytes | None, str]:
        first = sender is Side.SERVER and index == 0
        return (data[:-1] + bytes([data[-1] ^ 1]) if first else data), ""

    link = Link(retry=True, fate=flip)
    link.connect()
    link.run(0.1)
    (retry,) = of(decoded(link), Side.SERVER, PacketType.RETRY)
    assert retry.retry_integrity_valid is False


@pytest.mark.parametrize("cid_length", [0, 8])
def test_initial_keys_before_and_after_a_retry(
    decoded: Callable[..., Capture], cid_length: int
) -> None:
    link = Link(retry=True)
    link.connect(connection_id_length=cid_length)
    link.run(0.2)
    link.close()
    initials = [each for each in decoded(link).packets if each.type is PacketType.INITIAL]
    first, *others = initials
    assert first.keys_cid == first.dcid
    assert {each.keys_cid for each in others} == {b"retryCID"}
    assert {each.connection for each in initials} == {0}


def protected(keys: Keys, header: bytes, number_size: int, number: int, payload: bytes) -> bytes:
    """A packet (RFC 9001, 5)."""
    nonce = (int.from_bytes(keys.iv) ^ number).to_bytes(12)
    sealed = keys.suite.aead(keys.key).encrypt(nonce, payload, header)
    mask = keys.suite.mask(keys.header_key, sealed[4 - number_size :][:16])
    first = header[0] ^ mask[0] & (0x0F if header[0] & 0x80 else 0x1F)
    at = len(header) - number_size
    masked = bytes(a ^ b for a, b in zip(header[at:], mask[1:], strict=False))
    return bytes([first]) + header[1:at] + masked + sealed


def protected_again(packet: bytes, old: Keys, new: Keys, first_byte: int = 0) -> bytes:
    """A packet with other keys, and bits of its first byte inverted."""
    offset = parse_header(packet, 8).packet_number_offset
    assert offset is not None
    clear = old.unprotect(packet, offset)
    assert clear is not None
    number = clear.truncated_number
    payload = old.decrypt(clear, packet, number)
    assert payload is not None
    header = bytes([clear.data[0] ^ first_byte]) + clear.data[1:]
    return protected(new, header, clear.number_size, number, payload)


def test_a_client_that_keeps_its_first_initial_keys_after_a_retry(
    decoded: Callable[..., Capture],
) -> None:
    """As x/net's did."""
    link = handshake(retry=True)
    before, after = [each for each in link.left if each.source == CLIENT][:2]
    wanted, kept = (
        initial_keys(parse_header(each.payload, 0).dcid, Side.CLIENT, VERSION_1)
        for each in (after, before)
    )
    size = parse_header(after.payload, 0).size
    packet, padding = after.payload[:size], after.payload[size:]
    link.left[link.left.index(after)] = replace(
        after, payload=protected_again(packet, wanted, kept) + padding
    )
    first, second = of(decoded(link), Side.CLIENT, PacketType.INITIAL)[:2]
    assert (first.keys_cid, second.keys_cid) == (first.dcid, first.dcid)
    assert second.dcid == b"retryCID"


def test_a_wrong_key_phase_bit_is_no_key_update(decoded: Callable[..., Capture]) -> None:
    link = Link()
    link.connect()
    link.run(0.2)
    for stream_id in (0, 4, 8, 12, 16):
        link.request(stream_id)
        link.run(link.now + 0.1)
    link.client.request_key_update()
    link.request(20)
    link.run(link.now + 0.1)
    link.close()
    right = [each for each in decoded(link).packets if each.sender is Side.CLIENT]
    wrong = [one for one in right if one.type is PacketType.ONE_RTT and one.time > 0.25][:3]
    (secret,) = next(
        labels["CLIENT_TRAFFIC_SECRET_0"]
        for labels in parse_key_log(link.secrets.getvalue()).values()
    )
    keys = Keys.of(secret, SUITES[1], VERSION_1)
    ordered = sorted(link.left, key=lambda each: each.time)
    for one in wrong:
        sent = ordered[one.datagram.frame_number - 1]
        payload = protected_again(sent.payload, keys, keys, 0x04)
        link.left[link.left.index(sent)] = replace(sent, payload=payload)
    found = of(decoded(link), Side.CLIENT, PacketType.ONE_RTT)
    assert all(each.decrypted for each in found)
    changed = {one.number for one in wrong}
    assert {each.number for each in found if each.key_phase != (each.key_generation or 0) % 2} == (
        changed
    )
    assert [each.key_generation for each in found] == [
        one.key_generation for one in right if one.type is PacketType.ONE_RTT
    ]
    assert found[-1].key_generation == 1


def test_version_negotiation(decoded: Callable[..., Capture]) -> None:
    link = Link(server_versions=[VERSION_2])
    link.connect(
        original_version=VERSION_1,
        supported_versions=[VERSION_1, VERSION_2],
    )
    link.run(0.3)
    link.close()
    capture = decoded(link)
    assert_matches_qlog(capture, link)
    (answer,) = of(capture, Side.SERVER, PacketType.VERSION_NEGOTIATION)
    assert answer.supported_versions == (VERSION_2,)
    assert (answer.version, answer.scid) == (0, capture.packets[0].dcid)
    initials = of(capture, Side.CLIENT, PacketType.INITIAL)
    assert [each.version for each in initials[:2]] == [VERSION_1, VERSION_2]
    assert sum(isinstance(each, ClientHello) for each in messages(initials)) == 2


def test_version_2(decoded: Callable[..., Capture]) -> None:
    link = Link(retry=True)
    link.connect(original_version=VERSION_2, supported_versions=[VERSION_2])
    link.run(0.3)
    link.close()
    capture = decoded(link)
    assert_matches_qlog(capture, link)
    assert {each.version for each in capture.packets} == {VERSION_2, None}
    (retry,) = of(capture, Side.SERVER, PacketType.RETRY)
    assert retry.retry_integrity_valid is True


def test_resumption_with_0_rtt(decoded: Callable[..., Capture]) -> None:
    link = handshake()
    link.connect(early=b"GET /early\r\n", session_ticket=link.tickets[-1])
    link.run(link.now + 0.3)
    link.close()
    capture = decoded(link)
    assert_matches_qlog(capture, link)
    second = [each for each in capture.packets if each.connection == 1]
    (early,) = (each for each in second if each.type is PacketType.ZERO_RTT)
    assert early.frames[-1] == Stream(0, 0, 12, fin=True, data=b"GET /early\r\n")
    hello, server_hello = only(ClientHello, messages(second)), only(ServerHello, messages(second))
    assert hello.offers_psk
    assert hello.offers_early_data
    assert server_hello.selects_psk
    assert only(EncryptedExtensions, messages(second)).accepts_early_data
    assert OtherTlsMessage(CERTIFICATE) not in messages(second)
    first = [each for each in capture.packets if each.connection == 0]
    assert NewSessionTicket(0xFFFFFFFF) in messages(first)


def test_key_updates(decoded: Callable[..., Capture]) -> None:
    link = Link()
    link.connect()
    link.run(0.2)
    for stream_id in (0, 4):
        link.client.request_key_update()
        link.request(stream_id)
        link.run(link.now + 0.3)
    link.close()
    capture = decoded(link)
    assert_matches_qlog(capture, link)
    for side in Side:
        phases = [each.key_phase for each in of(capture, side, PacketType.ONE_RTT)]
        assert [a for a, b in zip(phases, [None, *phases], strict=False) if a != b] == [0, 1, 0]
        generations = [each.key_generation for each in of(capture, side, PacketType.ONE_RTT)]
        assert set(generations) == {0, 1, 2}
        assert phases == [generation % 2 for generation in generations if generation is not None]


@pytest.mark.parametrize("ecn", Ecn)
def test_ecn(ecn: Ecn, decoded: Callable[..., Capture]) -> None:
    for ends in ((CLIENT, SERVER), (CLIENT_V6, SERVER_V6)):
        link = handshake(client_address=ends[0], server_address=ends[1], ecn=ecn)
        capture = decoded(link)
        assert_matches_qlog(capture, link)
        assert {each.ecn for each in capture.datagrams} == {ecn}
        assert {each.path.client for each in capture.datagrams} == {ends[0]}


@pytest.mark.parametrize(("alpn", "kept"), [("h3", 1000), ("hq-interop", 16)])
def test_bytes_of_streams(alpn: str, kept: int, decoded: Callable[..., Capture]) -> None:
    """Of HTTP/3, the beginning of each stream is kept; of other protocols a few bytes."""
    link = Link()
    link.connect(alpn_protocols=[alpn])
    link.run(0.2)
    link.request(data=bytes(1000))
    link.run(0.4)
    link.close()
    frames = [frame for one in decoded(link).packets for frame in one.frames]
    assert Stream(0, 0, 1000, fin=True, data=bytes(kept)) in frames


def test_a_large_client_hello(decoded: Callable[..., Capture]) -> None:
    names = ["hq-interop", *(f"{number:02}" * 60 for number in range(12))]
    link = Link()
    link.connect(alpn_protocols=names)
    link.run(0.3)
    link.close()
    capture = decoded(link)
    assert_matches_qlog(capture, link)
    first, second = of(capture, Side.CLIENT, PacketType.INITIAL)[:2]
    assert first.tls == ()
    assert only(ClientHello, list(second.tls)).alpn == tuple(names)
    # The other way round, the first one completes it.
    one, two, *rest = sorted(link.left, key=lambda each: each.time)
    link.left = [replace(two, time=-2), replace(one, time=-1), *rest]
    reordered = decoded(link)
    assert [bool(each.tls) for each in reordered.packets[:2]] == [False, True]
    assert all(each.decrypted for each in reordered.packets)


def test_many_connections(decoded: Callable[..., Capture]) -> None:
    link = Link()
    for number in range(5):
        link.client_address = Address(CLIENT.host, 50000 + number)
        link.connect()
        link.run(link.now + 0.2)
        link.close()
    capture = decoded(link)
    assert_matches_qlog(capture, link)
    assert {each.connection for each in capture.packets} == set(range(5))
    assert {each.connection: each.path.client.port for each in capture.packets} == {
        number: 50000 + number for number in range(5)
    }


def test_new_ports_of_client_and_server(decoded: Callable[..., Capture]) -> None:
    link = handshake()
    sent = sorted(link.left, key=lambda each: each.time)
    moved = {CLIENT: Address(CLIENT.host, 53), SERVER: Address(SERVER.host, 4443)}
    half = len(sent) // 2
    link.left = sent[:half] + [
        replace(each, source=moved[each.source], destination=moved[each.destination])
        for each in sent[half:]
    ]
    capture = decoded(link)
    assert_matches_qlog(capture, link)
    assert capture.packets[-1].path.server.port == 4443
    assert {each.connection for each in capture.packets} == {0}


def without_connection_ids(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection of a client whose own connection ID is empty."""
    link.connect(connection_id_length=0)
    monkeypatch.setattr(link.client, "_replenish_connection_ids", lambda: None)
    link.run(0.2)
    link.request()
    link.close()


def last_packet(datagram: bytes) -> int:
    """Where the last packet of a datagram begins, which may be bytes that are none."""
    at = 0
    while (size := parse_header(datagram[at:], 0).size) is not None and at + size < len(datagram):
        at += size
    return at


FILLERS = {
    "zero bytes": bytes(300),
    "random bytes without the fixed bit": b"\x0b" + random.Random(1).randbytes(300),
    "random bytes with the fixed bit": b"\x4b" + random.Random(2).randbytes(300),
    "a long header of random bytes": b"\xcb" + random.Random(3).randbytes(300),
    "another connection's long header": bytes.fromhex("c000000001020102000040aa") + bytes(300),
    "a Version Negotiation": bytes.fromhex("c3000000000000") + bytes(300),
    "a Retry": bytes.fromhex("f3000000010000") + bytes(300),
    "too short a packet": b"\x40" * 18,
}


@pytest.mark.parametrize("keys", [True, False])
@pytest.mark.parametrize("filler", FILLERS)
def test_bytes_behind_the_last_packet_are_no_packet(
    decoded: Callable[..., Capture], monkeypatch: pytest.MonkeyPatch, filler: str, keys: bool
) -> None:
    link = Link()
    without_connection_ids(link, monkeypatch)
    filled = 0
    for index, each in enumerate(link.left):
        at = last_packet(each.payload)
        if each.payload[at:].strip(b"\0") == b"":  # aioquic's own padding
            filled += 1
            link.left[index] = replace(each, payload=each.payload[:at] + FILLERS[filler])
    assert filled == 3
    found = decoded(link, keys=keys).packets
    unknowable = filler == "random bytes with the fixed bit" and not keys
    assert len(found) == len(qlog_packets(link)) + (2 if unknowable else 0)
    assert all(each.decrypted or each.type is not PacketType.INITIAL for each in found)
    assert all(each.decrypted for each in found) is keys


@pytest.mark.parametrize("offered", [False, True])
def test_a_cleared_fixed_bit_behind_a_packet(
    decoded: Callable[..., Capture], monkeypatch: pytest.MonkeyPatch, offered: bool
) -> None:
    """It is a packet if the receiver offered grease_quic_bit (RFC 9287, 3)."""
    link = Link()
    without_connection_ids(link, monkeypatch)
    flight, short = [each for each in link.left if each.source == CLIENT][1:3]
    first, *rest = short.payload
    assert first & 0xC0 == 0x40
    end = last_packet(flight.payload)
    coalesced = replace(flight, payload=flight.payload[:end] + bytes([first & ~0x40, *rest]))
    link.left[link.left.index(flight)] = coalesced
    monkeypatch.setattr(
        tls, "parse_transport_parameters", lambda _: TransportParameters(grease_quic_bit=offered)
    )
    handshake_only = [line for line in link.secrets.getvalue().splitlines() if "HANDSHAKE" in line]
    link.secrets = io.StringIO("\n".join(handshake_only))
    types = [
        each.type for each in decoded(link).packets if each.datagram.size == end + 1 + len(rest)
    ]
    one_rtt = [PacketType.ONE_RTT] if offered else []
    assert types == [PacketType.INITIAL, PacketType.HANDSHAKE, *one_rtt]


# --- What is not right -------------------------------------------------------------------------


def test_secrets_after_the_packets(tmp_path: Path) -> None:
    link = handshake()
    bare = link.capture(Side.CLIENT, keys=False)
    with_secrets = pcapng([], link.secrets.getvalue())
    path = tmp_path / "late.pcapng"
    path.write_bytes(bare + with_secrets[len(pcapng([])) :])
    capture = tshark.decode_now(path, Side.CLIENT)
    assert_matches_qlog(capture, link)


@pytest.mark.parametrize("wrong_first", [True, False])
@pytest.mark.parametrize("change", ["cut off", "another"])
def test_a_wrong_secret_beside_the_right_one(
    decoded: Callable[..., Capture], change: str, wrong_first: bool
) -> None:
    link = handshake()
    right = link.secrets.getvalue().splitlines()
    wrong = [line[:-32] if change == "cut off" else line[:-64] + "0" * 64 for line in right]
    lines = [*wrong, *right] if wrong_first else [*right, *wrong]
    link.secrets = io.StringIO("\n".join(lines) + "\n")
    assert_matches_qlog(decoded(link), link)


def resumed(link: Link, **options: object) -> int:
    """Resume a session with 0-RTT; returns how many datagrams the client had sent before."""
    link.connect(alpn_protocols=["hq-interop"])
    link.run(0.3)
    link.close()
    before = sum(each.source == CLIENT for each in link.left)
    link.connect(early=b"GET /early\r\n", session_ticket=link.tickets[0], **options)
    link.run(link.now + 3)
    link.close()
    return before


@pytest.mark.parametrize("side", Side)
def test_0_rtt_before_the_end_of_its_client_hello(
    decoded: Callable[..., Capture], side: Side
) -> None:
    """The second of a ClientHello's two Initials is lost, and sent again behind the 0-RTT."""
    names = ["hq-interop", *(f"{number:02}" * 15 for number in range(60))]

    def lose_the_second(sender: Side, index: int, data: bytes) -> tuple[bytes | None, str]:
        lost = sender is Side.CLIENT and index == initial
        return (None, "#1 dropped: loss") if lost else (data, "")

    initial = resumed(Link(), alpn_protocols=names) + 1
    link = Link(fate=lose_the_second)
    assert resumed(link, alpn_protocols=names) + 1 == initial
    capture = decoded(link, side)
    assert all(each.decrypted for each in capture.packets)
    early = of(capture, Side.CLIENT, PacketType.ZERO_RTT)
    assert [each.connection for each in early] == [1]


@pytest.mark.parametrize("keys", [True, False])
def test_0_rtt_before_its_initial(decoded: Callable[..., Capture], keys: bool) -> None:
    link = Link()
    sent = resumed(link)
    client = [each for each in link.left if each.source == CLIENT]
    initial, early = client[sent], client[sent].payload
    size = parse_header(early, 0).size
    assert size is not None
    link.left += [replace(initial, time=initial.time - 0.001, payload=early[size:])]
    link.left[link.left.index(initial)] = replace(initial, payload=early[:size])
    (found,) = of(decoded(link, keys=keys), Side.CLIENT, PacketType.ZERO_RTT)
    assert (found.connection, found.decrypted) == (1, keys)


def test_no_secrets(decoded: Callable[..., Capture]) -> None:
    link = handshake()
    capture = decoded(link, keys=False)
    for each in capture.packets:
        assert each.decrypted is (each.type is PacketType.INITIAL)
        assert (each.number is None) is not each.decrypted
        assert bool(each.frames) is each.decrypted
    assert len(capture.packets) == len(decoded(link).packets)
    assert {each.connection for each in capture.packets} == {0}


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("seed", [1, 2])
def test_only_what_was_corrupted_stays_encrypted(
    side: Side, seed: int, decoded: Callable[..., Capture]
) -> None:
    rng = random.Random(seed)

    def corrupt(_: Side, index: int, data: bytes) -> tuple[bytes | None, str]:
        if rng.random() > 0.3:
            return data, passed(index)
        damaged = bytearray(data)
        damaged[rng.randrange(min(51, len(data)))] ^= rng.randrange(1, 256)
        return bytes(damaged), f"{passed(index)}, byte 0 changed"

    link = Link(fate=corrupt, response=bytes(20_000))
    for number in range(4):
        link.client_address = Address(CLIENT.host, 50000 + number)
        link.connect()
        link.run(link.now + 0.5)
        link.request()
        link.run(link.now + 5)
        link.close()
    capture = decoded(link, side)
    authentic = {each.datagram.frame_number for each in capture.packets if each.decrypted}
    for each in capture.datagrams:
        assert each.fate is not None
        changed = each.fate.corrupted and each.sender is not side
        assert changed or each.frame_number in authentic, each
    for one in capture.packets:
        assert one.datagram.fate is not None
        changed = one.datagram.fate.corrupted and one.sender is not side
        assert changed or one.decrypted, one


def test_a_packet_that_comes_after_the_key_update(decoded: Callable[..., Capture]) -> None:
    link = Link()
    link.connect()
    link.run(0.2)
    link.request()
    link.run(0.5)
    link.client.request_key_update()
    link.request(4)
    link.run(1.0)
    link.close()
    sent = sorted(link.left, key=lambda each: each.time)
    late = max(
        number for number, each in enumerate(sent) if each.time < 0.5 and each.source == CLIENT
    )
    link.left = [*sent[:late], *sent[late + 1 :], replace(sent[late], time=0.6)]
    capture = decoded(link)
    assert_matches_qlog(capture, link)


def test_lost_packets(decoded: Callable[..., Capture]) -> None:
    def lose(_: Side, index: int, data: bytes) -> tuple[bytes | None, str]:
        if index in (0, 1, 3, 6):
            return None, f"#{index + 1} dropped: queue full"
        return data, passed(index)

    link = Link(fate=lose)
    link.connect()
    link.run(3)
    link.request()
    link.run(5)
    link.close()
    left, right = decoded(link, Side.CLIENT), decoded(link, Side.SERVER)
    hellos = [each for each in messages(left.packets) if isinstance(each, ClientHello)]
    assert len(hellos) > 1
    fates = {
        side: Counter(each.fate for each in capture.datagrams if each.sender is Side.CLIENT)
        for side, capture in ((Side.CLIENT, left), (Side.SERVER, right))
    }
    assert set(fates[Side.CLIENT]) - set(fates[Side.SERVER]) == {
        fate for fate in fates[Side.CLIENT] if fate is not None and fate.dropped
    }
    assert all(each.decrypted for each in (*left.packets, *right.packets))


def lasting(**settings: object) -> Link:
    """A connection that is not closed."""
    link = Link(**settings)  # type: ignore[arg-type]
    link.connect()
    link.run(0.2)
    link.request()
    link.run(1.0)
    return link


@pytest.mark.parametrize("sender", Side)
@pytest.mark.parametrize("port", [50000, 50007])
def test_a_stateless_reset(decoded: Callable[..., Capture], sender: Side, port: int) -> None:
    link = lasting()
    end = link.client if sender is Side.CLIENT else link.server
    assert end is not None
    token = end._host_cids[1].stateless_reset_token
    ends = (Address(CLIENT.host, port), SERVER)
    source, destination = ends if sender is Side.CLIENT else reversed(ends)
    known = decoded(link).packets
    link.inject(sender, b"\x55" + random.Random(1).randbytes(40) + token, source, destination)
    *others, reset = decoded(link).packets
    assert len(others) == len(known)
    assert (reset.type, reset.connection, reset.sender) == (PacketType.STATELESS_RESET, 0, sender)
    assert reset.decrypted


def test_the_token_in_the_transport_parameters(decoded: Callable[..., Capture]) -> None:
    link = lasting()
    assert link.server is not None
    token = link.server._host_cids[0].stateless_reset_token
    link.inject(Side.SERVER, b"\x55" + bytes(range(40)) + token, SERVER, CLIENT)
    assert decoded(link).packets[-1].type is PacketType.STATELESS_RESET


@pytest.mark.parametrize("sender", Side)
def test_what_no_connection_can_have(decoded: Callable[..., Capture], sender: Side) -> None:
    """A stateless reset whose token was never on the wire, or a packet with a damaged DCID."""
    link = lasting()
    ends = (Address(CLIENT.host, 50007), SERVER)
    source, destination = ends if sender is Side.CLIENT else reversed(ends)
    link.inject(sender, b"\x55" + random.Random(1).randbytes(60), source, destination)
    *others, foreign = decoded(link).packets
    assert (foreign.connection, foreign.unassociated, foreign.decrypted) == (None, True, False)
    assert not any(each.unassociated for each in others)


def test_what_a_connection_may_have(decoded: Callable[..., Capture]) -> None:
    """Without keys, connection IDs may have been issued unseen; an empty one is any packet's."""
    link = lasting()
    filler = b"\x55" + random.Random(1).randbytes(60)
    link.inject(Side.CLIENT, filler, Address(CLIENT.host, 50007), SERVER)
    assert not any(each.unassociated for each in decoded(link, keys=False).packets)
    link = Link()
    link.connect(connection_id_length=0)
    link.run(0.025)  # the server has answered
    link.inject(Side.SERVER, filler, SERVER, Address(CLIENT.host, 50007))
    assert not any(each.unassociated for each in decoded(link).packets)


def test_a_packet_without_keys_is_its_connections(decoded: Callable[..., Capture]) -> None:
    """Also where tshark does not know the connection ID."""
    link = lasting()
    names = ("HANDSHAKE", "SERVER_TRAFFIC")
    lines = [line for line in link.secrets.getvalue().splitlines() if line.split("_S")[0]]
    link.secrets = io.StringIO("\n".join(one for one in lines if any(n in one for n in names)))
    hidden = [each for each in decoded(link).packets if not each.decrypted]
    assert hidden
    assert {each.connection for each in hidden} == {0}


@pytest.mark.parametrize("ends", [(CLIENT, SERVER), (CLIENT_V6, SERVER_V6)])
def test_fragments(tmp_path: Path, ends: tuple[Address, Address]) -> None:
    """A fragmented datagram is one, at its last fragment, and its packets are decrypted."""
    link = handshake(
        client_address=ends[0],
        server_address=ends[1],
        fate=lambda _, index, data: (data, passed(index)),
    )
    ordered = sorted(link.left, key=lambda each: each.time)
    blocks = [
        enhanced_packet(round((10**9 + sent.time) * 1e9), frame, sent.comment)
        for number, sent in enumerate(ordered)
        for frame in fragments(ethernet(sent), 400 if len(sent.payload) > 1000 else 1400, number)
    ]
    path = tmp_path / "fragments.pcapng"
    path.write_bytes(pcapng([], link.secrets.getvalue()) + b"".join(blocks))
    capture = tshark.decode_now(path, Side.CLIENT)
    assert capture.damage == ""
    assert_matches_qlog(capture, link)
    assert [each.size for each in capture.datagrams] == [len(each.payload) for each in ordered]
    assert [each.fragments for each in capture.datagrams] == [
        4 if len(each.payload) > 1000 else 1 for each in ordered
    ]
    assert [each.fate and fate_text(each.fate) for each in capture.datagrams] == [
        each.comment for each in ordered
    ]
    assert {each.digest for each in capture.datagrams} == {""}
    with_digests = tshark.decode_now(path, Side.CLIENT, digests=True)
    assert [each.digest for each in with_digests.datagrams] == [
        hashlib.sha256(each.payload).hexdigest()[:16] for each in ordered
    ]
    assert with_digests.packets == tuple(
        replace(each, datagram=with_digests.datagrams[capture.datagrams.index(each.datagram)])
        for each in capture.packets
    )


def test_other_traffic(decoded: Callable[..., Capture]) -> None:
    link = handshake()
    known = len(decoded(link).packets)
    link.left += [
        Sent(0.1, CLIENT, SERVER, b"no QUIC", comment=passed(0)),
        Sent(0.1, Address("193.167.0.2", 5000), CLIENT, b"from the sim"),
        Sent(0.1, Address("193.167.0.90", 5001), SERVER, b""),
    ]
    capture = decoded(link)
    guests = {each.frame_number for each in capture.datagrams if each.fate}
    assert len(capture.datagrams) == len(link.left) - 1
    assert len(guests) == 1
    real = [each for each in capture.packets if each.datagram.frame_number not in guests]
    assert len(real) == known
    assert all(each.decrypted for each in real)
    assert not any(each.decrypted for each in capture.packets if each not in real)


def test_any_datagrams(tmp_path: Path) -> None:
    rng = random.Random(7)
    link = handshake()
    noise = []
    for number in range(300):
        data = bytearray(rng.choice(link.left).payload)
        for _ in range(rng.randrange(1, 9)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        data = data[: rng.randrange(len(data) + 1)]
        noise.append(Sent(number * 0.001, CLIENT, SERVER, bytes(data)))
    path = tmp_path / "noise.pcapng"
    path.write_bytes(pcapng(noise, link.secrets.getvalue()))
    capture = tshark.decode_now(path, Side.CLIENT)
    assert capture.damage == ""
    assert [each.size for each in capture.datagrams] == [len(each.payload) for each in noise]


# --- Damage ------------------------------------------------------------------------------------


def test_a_capture_that_is_cut_off(tmp_path: Path) -> None:
    whole = handshake().capture(Side.CLIENT)
    path = tmp_path / "cut.pcapng"
    path.write_bytes(whole[:-10])
    capture = tshark.decode_now(path, Side.CLIENT)
    assert "cut short" in capture.damage
    assert len(capture.datagrams) > 5


@pytest.mark.parametrize("content", [b"", b"no capture at all\n" * 20, bytes(100)])
def test_a_file_that_is_no_capture(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "garbage.pcapng"
    path.write_bytes(content)
    capture = tshark.decode_now(path, Side.SERVER)
    assert capture.damage
    assert (capture.side, capture.datagrams, capture.packets) == (Side.SERVER, (), ())


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    capture = tshark.decode_now(tmp_path / "none.pcapng", Side.CLIENT)
    assert capture == Capture(Side.CLIENT, damage="none.pcapng: No such file or directory")
    assert tshark.decode_now(tmp_path, Side.CLIENT).damage.endswith("Is a directory")


def test_a_capture_without_packets_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "empty.pcapng"
    path.write_bytes(pcapng([]))
    assert tshark.decode_now(path, Side.CLIENT) == Capture(Side.CLIENT)


def test_a_datagram_that_was_not_captured_whole(tmp_path: Path) -> None:
    link = handshake()
    first, *_ = link.left
    frame = ethernet(first)
    block = enhanced_packet(10**18, frame[:100], "", len(frame))
    path = tmp_path / "snapped.pcapng"
    path.write_bytes(pcapng([]) + block)
    assert tshark.decode_now(path, Side.CLIENT).damage == "frame 1 was not captured whole"


def test_limits(tmp_path: Path) -> None:
    path = handshake().write(tmp_path / "link.pcapng")
    few = tshark.decode_now(path, Side.CLIENT, max_packets=3)
    assert few.damage == "it holds more than 3 packets"
    assert len(few.packets) == 3
    small = tshark.decode_now(path, Side.CLIENT, Limits(output_bytes=2000))
    assert small.damage == "it prints more than 2000 bytes"
    late = tshark.decode_now(path, Side.CLIENT, Limits(seconds=0.001))
    assert late.damage == "tshark was not finished after 0.001 s"
    assert tshark.decode_now(path, Side.CLIENT, Limits(memory_bytes=1 << 20)).damage


def test_decode_in_the_background(tmp_path: Path) -> None:
    path = handshake().write(tmp_path / "link.pcapng")

    async def both() -> list[Capture]:
        return await asyncio.gather(*(tshark.decode(path, side) for side in Side))

    left, right = asyncio.run(both())
    assert left == tshark.decode_now(path, Side.CLIENT)
    assert len(left.packets) == len(right.packets)


def replaced_tshark(folder: Path, script: str) -> str:
    """A PATH on which tshark is a shell script."""
    program = folder / "tshark"
    program.write_text("#!/bin/sh\n" + script)
    program.chmod(0o755)
    for parent in (folder, *folder.parents):
        if (state := parent.stat()).st_uid == os.geteuid() and state.st_mode & 0o055 != 0o055:
            parent.chmod(state.st_mode | 0o055)
    return f"{folder}:/usr/bin:/bin"


def test_cancelling_ends_tshark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    begun.chmod(0o666)
    script = f"echo $$ > {begun}\nexec sleep 60\n"
    monkeypatch.setenv("PATH", replaced_tshark(tmp_path, script))
    path = handshake().write(tmp_path / "link.pcapng")

    async def cancelled() -> str:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(tshark.decode(path, Side.CLIENT))
            pid = await asyncio.to_thread(begun.read_text)
            task.cancel()
        return pid.strip()

    pid = asyncio.run(cancelled())  # waits for its threads, and so for tshark's end
    assert not Path("/proc", pid).exists()


# --- The environment ---------------------------------------------------------------------------


def test_no_tshark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="not installed") as raised:
        tshark.check()
    assert raised.value.hint == "apt-get install tshark"
    with pytest.raises(UserError):
        tshark.decode_now(Path(__file__), Side.CLIENT)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "echo 'TShark (Wireshark) 3.6.14 (Git v3.6.14)'",
            "tshark 3.6.14 is too old, 4.0 is needed",
        ),
        ("echo hello", "tshark --version does not name a version"),
        ("echo 'TShark (Wireshark) 4.4.1.'", "is Lua disabled in its init.lua?"),
        ("echo 'TShark (Wireshark) 4.4.1.'; exit 3", "tshark cannot be used: tshark"),
    ],
)
def test_a_tshark_that_does_not_run_our_script(
    script: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = (
        f'case "$1" in --version) {script};; *) cat >/dev/null; {script.partition(";")[2]};; esac\n'
    )
    monkeypatch.setenv("PATH", replaced_tshark(tmp_path, quiet))
    with pytest.raises(UserError) as raised:
        tshark.check()
    assert message in raised.value.message


def test_a_tshark_that_does_not_end_when_asked_for_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = 'case "$1" in --version) exec sleep 600;; esac; exit 1\n'
    monkeypatch.setenv("PATH", replaced_tshark(tmp_path, hanging))
    monkeypatch.setattr(tshark, "_VERSION_S", 0.2)
    with pytest.raises(UserError, match=r"tshark --version does not end within 0\.2 s"):
        tshark.check()


def test_a_tshark_that_prints_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.which("tshark")
    changed = f"{real} \"$@\" | sed 's/\\t0\\t1208\\t0/\\t2\\t1208\\t0/'\n"
    monkeypatch.setenv("PATH", replaced_tshark(tmp_path, changed))
    with pytest.raises(UserError, match="decodes a known capture differently"):
        tshark.check()


def test_preferences_of_a_user_do_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / ".config" / "wireshark"
    config.mkdir(parents=True)
    (config / "preferences").write_text("nameres.network_name: TRUE\nip.summary_in_tree: FALSE\n")
    (config / "disabled_protos").write_text("quic\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    assert tshark.check()


def test_the_golden_files_are_small_and_can_be_shipped() -> None:
    package = resources.files("quicmatrix.runner.trace")
    sizes = {name: len((package / name).read_bytes()) for name in ("golden.pcapng", "golden.json")}
    assert max(sizes.values()) <= 50_000
    lines = json.loads((package / "golden.json").read_text())
    assert any("Retry" in line for line in lines)
    assert any("0-RTT" in line for line in lines)
    assert any("key_phase=1" in line for line in lines)


def test_a_capture_can_be_written_as_json(decoded: Callable[..., Capture]) -> None:
    assert b"ClientHello" not in msgspec.json.encode(decoded(handshake()))
