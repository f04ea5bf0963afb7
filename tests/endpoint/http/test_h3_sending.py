"""What each side of HTTP/3 sends unasked, and what a cancelled request leaves (RFC 9114; 9204)."""

from __future__ import annotations

from pathlib import Path

import pytest
from aioquic import tls
from aioquic._buffer import Buffer
from aioquic.buffer import encode_uint_var
from aioquic.h3.connection import Setting
from aioquic.h3.events import HeadersReceived
from aioquic.tls import Epoch

from tests.support.h3_wire import (
    ANSWER,
    CONTROL,
    DECODER,
    ENCODER,
    GET,
    OK,
    OWN,
    begun,
    data,
    frame,
    reset,
)
from tests.support.injection import confirmed_pair
from tests.support.quic_pair import Pair, client_configuration, server_configuration

ROLES = pytest.mark.parametrize("role", ["server", "client"])
MAX_STREAMS_UNI = 0x09
CODES = [0x100, 0x10C, 0x21 + 0x1F * 5, 0x0BAD, (1 << 62) - 1]


def test_three_unidirectional_streams_at_least_are_allowed(certs: Path) -> None:
    """RFC 9114, 6.2."""
    pair = confirmed_pair(certs)
    for connection in (pair.client, pair.server):
        most = connection.peer_integer(MAX_STREAMS_UNI)
        assert most is not None
        assert most >= 3


@ROLES
def test_settings_go_out_first_and_wait_for_nothing(role: str) -> None:
    """RFC 9114, 6.2.1 and 7.2.4.2; all but what opens the QPACK streams."""
    wire, _ = begun(role, after_settings=False)
    control, encoder, decoder = OWN[role]
    assert wire.sent[control].startswith(b"\x00\x04")
    assert (wire.sent[encoder], wire.sent[decoder]) == (b"\x02", b"\x03")


@ROLES
@pytest.mark.parametrize("capacity", [0, 4096])
def test_without_capacity_nothing_goes_into_the_dynamic_table(role: str, capacity: int) -> None:
    """RFC 9204, 2.1.1 and 3.2.3; no instruction, no reference to it."""
    wire, h3 = begun(role, after_settings=False)
    settings = encode_uint_var(Setting.QPACK_MAX_TABLE_CAPACITY) + encode_uint_var(capacity)
    h3.handle_event(data(CONTROL[role], b"\x00", frame(4, settings)))
    for stream in (4, 8, 12):
        h3.send_headers(stream, [OK, (b"x-long", b"value" * 20), (b"cookie", b"chocolate")])
    _, encoder, _ = OWN[role]
    assert (wire.sent[encoder] == b"\x02") is (capacity == 0)
    if not capacity:
        _, section = _frame(wire.sent[12])
        assert section.startswith(b"\x00\x00"), "Required Insert Count and Base"


def _frame(sent: bytes) -> tuple[int, bytes]:
    buf = Buffer(data=sent)
    return buf.pull_uint_var(), buf.pull_bytes(buf.pull_uint_var())


@ROLES
def test_qpack_streams_may_be_opened_without_need(role: str) -> None:
    """RFC 9204, 4.2."""
    wire, h3 = begun(role)
    h3.handle_event(data(ENCODER[role], b"\x02"))
    h3.handle_event(data(DECODER[role], b"\x03"))
    assert wire.closed is None


@ROLES
@pytest.mark.parametrize("code", CODES, ids=hex)
def test_whatever_the_code_of_a_reset_the_connection_goes_on(role: str, code: int) -> None:
    """RFC 9114, 4.1.1 and 8: an unknown code is like H3_NO_ERROR."""
    wire, h3 = begun(role)
    opener = GET if role == "server" else ANSWER
    h3.handle_event(data(0, opener, frame(0, b"some")))
    h3.handle_event(reset(0, code))
    assert wire.closed is None
    if role == "client":
        h3.send_headers(4, [(b":method", b"GET")], end_stream=True)
    events = h3.handle_event(data(4, opener, end=True))
    assert [type(event) for event in events] == [HeadersReceived]


@pytest.mark.parametrize("name", ["server4", "193.167.100.100"])
def test_a_client_names_the_server_unless_it_is_an_address(certs: Path, name: str) -> None:
    """RFC 9114, 3.2; RFC 6066, 3."""
    pair = Pair(client_configuration(certs, server_name=name), server_configuration(certs))
    pair.connect()
    hello = pair.client._crypto_streams[Epoch.INITIAL].sender._buffer
    sent = tls.pull_client_hello(Buffer(data=bytes(hello))).server_name
    assert sent == (name if name == "server4" else None)
