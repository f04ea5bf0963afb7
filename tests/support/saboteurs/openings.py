"""How a reference endpoint comes to break a rule of openings, tokens, paths and resets."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any
from unittest import mock

from aioquic import tls
from aioquic._buffer import Buffer
from aioquic.quic import connection as aioquic_connection
from aioquic.quic import packet as aioquic_packet
from aioquic.quic.connection import NetworkAddress, QuicConnectionError, QuicNetworkPath
from aioquic.quic.packet import QuicErrorCode, QuicHeader

from quicmatrix.endpoint.client import Client
from quicmatrix.endpoint.contract import Contract
from quicmatrix.endpoint.tester import parameters
from quicmatrix.endpoint.transport.packets import coalescing
from quicmatrix.endpoint.transport.packets.quic_bit import GreasingContext
from quicmatrix.endpoint.transport.sockets.listener import Listener
from quicmatrix.runner.network import topology
from tests.support.saboteurs.model import Class, Saboteur

Datagrams = list[tuple[bytes, NetworkAddress]]

VIOLATION = QuicErrorCode.PROTOCOL_VIOLATION
VERSION_2 = 0x6B3343CF
STREAM = tuple(range(0x08, 0x10))
LONG = 0x80
INITIAL, HANDSHAKE = tls.Epoch.INITIAL, tls.Epoch.HANDSHAKE
RECEIVE, SEND = "receive_datagram", "datagrams_to_send"
SMALLEST = "SMALLEST_MAX_DATAGRAM_SIZE"
PARAMETERS = "_serialize_transport_parameters"
CHALLENGE = "_write_path_challenge_frame"


# --- Saboteurs made of one replaced function ----------------------------------------------------


def changes(owner: Any, name: str, value: Any) -> Saboteur:
    """It has another value or function in a module or a class."""

    def make(base: Class) -> Class:
        setattr(owner, name, value)
        return base

    return make


def wraps(owner: Any, name: str, wrapper: Callable[..., Any]) -> Saboteur:
    """It calls a function with the original as its first argument, then the usual ones."""

    def make(base: Class) -> Class:
        original = getattr(owner, name)
        setattr(owner, name, lambda *these, **named: wrapper(original, *these, **named))
        return base

    return make


def overrides(name: str, method: Callable[..., Any]) -> Saboteur:
    """Its connection has another method, which is given the original as its first argument."""

    def make(base: Class) -> Class:
        original = getattr(base, name)

        def replaced(self: Any, *these: Any, **named: Any) -> Any:
            return method(original, self, *these, **named)

        return type("Saboteur", (base,), {name: replaced})

    return make


def both(*saboteurs: Saboteur) -> Saboteur:
    """It does what several do."""

    def make(base: Class) -> Class:
        for saboteur in saboteurs:
            base = saboteur(base)
        return base

    return make


# --- Before a connection ------------------------------------------------------------------------


def negotiates_anyway(original: Any, self: Any, data: bytes, address: Any) -> None:
    at = 6 + data[5]
    answer = aioquic_packet.encode_quic_version_negotiation(
        source_cid=data[6:at],
        destination_cid=data[at + 1 : at + 1 + data[at]],
        supported_versions=[1],
    )
    self._send([(answer, address)], 0)


def negotiates_in_connections(
    original: Any, self: Any, data: bytes, address: Any, codepoint: int = 0
) -> None:
    if data[0] & LONG and not any(data[1:5]):
        driver = self._drivers.get(self._destination(data))
        if driver is not None:
            driver.close(0)
        return
    original(self, data, address, codepoint)


def negotiates_0_rtt(original: Any, self: Any, data: bytes, *rest: Any) -> None:
    if data and data[0] & 0xF0 == 0xD0:
        negotiates_anyway(None, self, data, rest[1])
    else:
        original(self, data, *rest)


def reads_on(original: Any, buf: Buffer, host_cid_length: int | None = None) -> QuicHeader:
    """Read a header whose Length says more than the datagram has."""
    start = buf.tell()
    try:
        return original(buf, host_cid_length=host_cid_length)  # type: ignore[no-any-return]
    except ValueError:
        data = buf.data_slice(start, buf.capacity)
        longer = Buffer(data=data + bytes(16))
        header: QuicHeader = original(longer, host_cid_length=host_cid_length)
        buf.seek(start + longer.tell())
        header.packet_length = len(data)
        return header


def takes_overlong_lengths(base: Class) -> Class:
    """It takes a packet whose Length is beyond the end for one that ends there."""
    for module in (aioquic_connection, coalescing):
        base = wraps(module, "pull_quic_header", reads_on)(base)
    return base


def remembers_the_corrupt(base: Class) -> Class:
    """It has nothing to do with a connection ID whose first packet was corrupt."""
    bad: set[bytes] = set()
    opens = Listener._open

    def open_(self: Listener, data: bytes, header: QuicHeader, *rest: Any) -> None:
        if header.destination_cid not in bad:
            opens(self, data, header, *rest)
            if header.destination_cid not in self._drivers:
                bad.add(header.destination_cid)

    Listener._open = open_  # type: ignore[assignment]
    return base


def retries_corrupt_initials(base: Class) -> Class:
    """It answers an Initial that it cannot decrypt with a Retry."""
    opens = Listener._open

    def open_(self: Listener, data: bytes, header: QuicHeader, address: Any, *rest: Any) -> None:
        opens(self, data, header, address, *rest)
        if header.destination_cid not in self._drivers:
            self._send_retry(header, 1, address, 0.0)

    Listener._open = open_  # type: ignore[assignment]
    return base


def only(original: Any, self: Any, data: bytes, addr: Any, now: float) -> None:
    """Take no Initial that is not the whole datagram."""
    found = coalescing.packet_starts(data, 8) if data and data[0] & 0xF0 == 0xC0 else []
    if not found or found[0][1].packet_length == len(data):
        original(self, data, addr, now)


def only_the_first(original: Any, self: Any, data: bytes, addr: Any, now: float) -> None:
    found = coalescing.packet_starts(data, 8) if data and data[0] & LONG else []
    if len(found) > 1:
        end = found[0][1].packet_length
        data = data[:end] + bytes(len(data) - end)
    original(self, data, addr, now)


def crypto_if(holds: Callable[[int, int], bool]) -> Saboteur:
    """It drops CRYPTO frames unless something holds of offset and length."""

    def handle(original: Any, self: Any, context: Any, frame_type: int, buf: Buffer) -> None:
        start = buf.tell()
        offset, length = buf.pull_uint_var(), buf.pull_uint_var()
        if holds(offset, length):
            buf.seek(start)
            original(self, context, frame_type, buf)
        else:
            buf.pull_bytes(length)

    return overrides("_handle_crypto_frame", handle)


def unpadded(original: Any, self: Any) -> None:
    self._datagram_needs_padding = False
    original(self)
    self._datagram_needs_padding = False


def exchanged(original: Any, **named: Any) -> bytes:
    named["source_cid"], named["destination_cid"] = named["destination_cid"], named["source_cid"]
    return original(**named)  # type: ignore[no-any-return]


def twice(original: Any, self: Any, *these: Any) -> None:
    for _ in range(2):
        original(self, *these)


def with_attribute(name: str, value: Any) -> Saboteur:
    """Its connection has another value of an attribute from the beginning."""

    def init(original: Any, self: Any, **arguments: Any) -> None:
        original(self, **arguments)
        setattr(self, name, value)

    return overrides("__init__", init)


def without_announcing(original: Any, self: Any) -> bytes:
    self.greases_quic_bit = False
    try:
        return original(self)  # type: ignore[no-any-return]
    finally:
        self.greases_quic_bit = True


def trusts_every_address(base: Class) -> Class:
    """It holds every address for validated."""
    original = QuicNetworkPath.__init__

    def init(self: QuicNetworkPath, addr: Any, is_validated: bool = True) -> None:
        original(self, addr, True)

    QuicNetworkPath.__init__ = init  # type: ignore[method-assign]
    return base


# --- Version Negotiation and Retry at a client ----------------------------------------------------


def closes_at_negotiation(original: Any, self: Any, data: bytes, addr: Any, now: float) -> None:
    if data and data[0] & LONG and not any(data[1:5]):
        self.close(error_code=0x11, frame_type=0)
    original(self, data, addr, now)


def ignores_negotiation(original: Any, self: Any, data: bytes, addr: Any, now: float) -> None:
    if not (data and data[0] & LONG and not any(data[1:5])):
        original(self, data, addr, now)


class All(list[int]):
    def __contains__(self, item: object) -> bool:
        return True


class AnyVersion(dict[int, Any]):
    def __missing__(self, key: int) -> Any:
        return self[1]


def any_version(original: Any, self: Any, peer_cid: bytes) -> None:
    original(self, peer_cid)
    self._cryptos_initial = AnyVersion(self._cryptos_initial)
    self._configuration.supported_versions = All(self._configuration.supported_versions)


class Equal:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def takes_every_retry(base: Class) -> Class:
    """It takes a Retry packet whatever it is like, and whenever it comes."""

    def receive(
        original: Any, self: Any, header: Any, packet_without_tag: bytes, now: float
    ) -> None:
        self._peer_cid.cid, self._peer_token = header.source_cid, header.token
        self._retry_source_connection_id = header.source_cid
        self._connect(now=now)

    return overrides("_receive_retry_packet", receive)(base)


def token_once(original: Any, self: Any, now: float) -> Datagrams:
    datagrams = original(self, now)
    if datagrams and self._retry_count:
        self._peer_token = b""
    return datagrams  # type: ignore[no-any-return]


def old_destination(original: Any, self: Any, *these: Any, **named: Any) -> None:
    before = self._peer_cid.cid
    original(self, *these, **named)
    self._peer_cid.cid = before


def counts_anew(original: Any, self: Any, *these: Any, **named: Any) -> None:
    self._packet_number = 0
    original(self, *these, **named)


def other_hello(original: Any, self: Any, *these: Any, **named: Any) -> None:
    original(self, *these, **named)
    stream = self._crypto_streams[INITIAL].sender
    stream._buffer[6:38] = os.urandom(32)


def other_source(original: Any, self: Any, data: bytes, addr: Any, now: float) -> None:
    if data and data[0] & 0xF0 == 0xC0 and self._remote_initial_source_connection_id is not None:
        at = 6 + data[5]
        self._remote_initial_source_connection_id = data[at + 1 : at + 1 + data[at]]
    original(self, data, addr, now)


# --- Paths --------------------------------------------------------------------------------------


def predictable(original: Any, self: Any, **named: Any) -> None:
    with mock.patch("os.urandom", bytes):
        original(self, **named)


def forgets_small(original: Any, self: Any, **named: Any) -> None:
    original(self, **named)
    self._small_challenges.clear()


def goes_home(original: Any, self: Any, data: bytes, addr: Any, now: float) -> None:
    original(self, data, addr, now)
    paths = self._network_paths
    if paths and not self._is_client:
        home = vars(self).setdefault("home", paths[0])
        if paths[0].is_validated and home in paths:
            paths.remove(home)
            paths.insert(0, home)


def never_probing(original: Any, self: Any, *these: Any, **named: Any) -> tuple[bool, bool]:
    wants_ack, _ = original(self, *these, **named)
    return wants_ack, False


def forgets_the_largest(original: Any, self: Any, data: bytes, addr: Any, now: float) -> None:
    space = self._spaces.get(tls.Epoch.ONE_RTT)
    if space is None:
        original(self, data, addr, now)
        return
    largest, space.largest_received_packet = space.largest_received_packet, -1
    original(self, data, addr, now)
    space.largest_received_packet = max(largest, space.largest_received_packet)


def keeps_its_connection_id(base: Class) -> Class:
    """It goes on with its connection ID at a new address of the client's."""
    base = overrides("change_connection_id", lambda *_: None)(base)
    return overrides("_take_unused_connection_id", lambda *_: True)(base)


def without_deadline(original: Any, self: Any, *_: Any) -> None:
    return None


def loses_data(original: Any, self: Any, is_other_host: bool) -> None:
    original(self, is_other_host)
    self._spaces[tls.Epoch.ONE_RTT].sent_packets.clear()


def at_four_paths(original: Any, self: Any, now: float) -> Datagrams:
    return [] if len(self._network_paths) > 4 else original(self, now)


def moves_at_once(original: Any, self: Any) -> None:
    count = len(self._network_paths)
    original(self)
    if len(self._network_paths) > count:
        path = self._network_paths.pop()
        path.is_validated = True
        self._peer_cid = path.peer_cid
        self._network_paths.insert(0, path)
        self.send_ping(uid=0)


def from_anywhere(original: Any, self: Any, data: bytes, addr: Any, now: float) -> None:
    known = [path.addr for path in self._network_paths]
    original(self, data, addr if addr in known or not known else known[0], now)


# --- Resets, keys, the QUIC bit -------------------------------------------------------------------


def closes_for_late(epoch: tls.Epoch) -> Saboteur:
    """It keeps the keys of a level, and closes for a packet that comes after the handshake."""

    def discard(original: Any, self: Any, which: tls.Epoch) -> None:
        if which is not epoch:
            original(self, which)

    def receive(original: Any, self: Any, context: Any, *these: Any, **named: Any) -> Any:
        if context.epoch is epoch and self._handshake_confirmed:
            raise QuicConnectionError(error_code=VIOLATION, frame_type=0, reason_phrase="late")
        return original(self, context, *these, **named)

    return both(overrides("_discard_epoch", discard), overrides("_payload_received", receive))


def all_ids(original: Any, self: Any) -> list[Any]:
    return [*original(self), *self._peer_cid_available]


def greases_always(original: Any, self: Any, *these: Any, **named: Any) -> None:
    original(self, *these, **named)
    self._grease()
    for pair in {*self._cryptos.values(), *self._cryptos_initial.values()}:
        if isinstance(pair.send, GreasingContext):
            pair.send._bits = (1 << 64) - 1  # the bit of so many packets is 0


def drops_without_bit(original: Any, self: Any, data: bytes, addr: Any, now: float) -> None:
    if data and data[0] & 0xC0:
        original(self, data, addr, now)


def other_version(original: Any, self: Any) -> bytes:
    found = parameters.parsed(original(self))
    chosen = (0x0A1A2A3A).to_bytes(4)
    value = dict(found)[parameters.Parameter.VERSION_INFORMATION]
    change = parameters.replaced(parameters.Parameter.VERSION_INFORMATION, chosen + value[4:])
    return parameters.encoded(change(found))


def sends_no_probe(original: Any, self: Any, now: float) -> None:
    if self._handshake_complete or not self._is_client:
        original(self, now)


def closes_not(original: Any, self: Any, context: Any, frame_type: int, buf: Buffer) -> None:
    buf.pull_uint_var()
    buf.pull_uint_var()
    buf.pull_bytes(buf.pull_uint_var())


def with_another_source(original: Any, self: Any, now: float) -> Datagrams:
    """A server acknowledges half a ClientHello from a connection ID that it does not use again."""
    keys = self._cryptos.get(HANDSHAKE)
    if self._is_client or keys is None or keys.send.is_valid():
        return original(self, now)  # type: ignore[no-any-return]
    used, self.host_cid = self.host_cid, os.urandom(8)
    datagrams = original(self, now)
    self.host_cid = used
    return datagrams  # type: ignore[no-any-return]


def answers_small(original: Any, self: Any, size: int, connection_id: bytes) -> bytes:
    token: bytes = self.token(connection_id)
    return b"\x41" + os.urandom(max(size - 17, 4)) + token


def configured(name: str, value: Any) -> Saboteur:
    """It has another value in its configuration."""

    def init(original: Any, self: Any, **arguments: Any) -> None:
        setattr(arguments["configuration"], name, value)
        original(self, **arguments)

    return overrides("__init__", init)


def without_connection_ids(base: Class) -> Class:
    """A client without connection IDs: it issues none, and does not mind that one is retired."""
    base = configured("connection_id_length", 0)(base)
    base = overrides("_replenish_connection_ids", lambda *_: None)(base)
    return overrides(
        "_handle_retire_connection_id_frame", lambda _, __, ___, ____, buf: buf.pull_uint_var()
    )(base)


def resumes_in_version_2(original: Any, self: Any, **arguments: Any) -> None:
    settings = arguments["configuration"]
    if settings.session_ticket is not None:
        settings.supported_versions = [VERSION_2, 1]
        settings.original_version = VERSION_2
    original(self, **arguments)


def migrates_anyway(base: Class) -> Class:
    """A client that moves to another port of its address, whether its server allows that or not."""
    original = Client.__init__

    def init(self: Client, contract: Contract, *rest: Any) -> None:
        original(self, dataclasses.replace(contract, migrate=topology.CLIENT.ipv4), *rest)

    Client.__init__ = init  # type: ignore[method-assign,assignment]
    return type("Moving", (base,), {"allows_migration": True})
