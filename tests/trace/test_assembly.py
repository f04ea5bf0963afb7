from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.runner.trace.assembly import Assembly, TooManyPacketsError
from quicmatrix.runner.trace.model import (
    VERSION_1,
    Address,
    Capture,
    Crypto,
    Ecn,
    Fate,
    OtherTlsMessage,
    PacketType,
    Path,
    Ping,
    Side,
    UnknownFrame,
)
from quicmatrix.runner.trace.tap_records import UnexpectedRecordError, parse_record

CLIENT, SERVER = "193.167.0.100", "193.167.100.100"
ODCID = "8394c8f03e515708"
RETRY = "ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba"
INITIAL = f"c00000000108{ODCID}000000"


def datagram(
    number: int = 1, time: float = 0.0, source: str = CLIENT, destination: str = SERVER, **more: str
) -> str:
    ports = ("50000", "443") if source < destination else ("443", "50000")
    columns = {
        "ecn": "0",
        "length": "1208",
        "cut_off": "0",
        "fragments": "1",
        "comment": "",
        "payload": "",
        **more,
    }
    ends = (source, ports[0], destination, ports[1])
    return "\t".join(["D", str(number), f"{time:.9f}", *ends, *columns.values()])


def packet(data: str = "40", plaintext: str = "01", *, connection: int | str = 0) -> str:
    number, key_phase = ("0", "") if plaintext != "-" else ("", "")
    columns = ("30", connection, 0, number, key_phase, 20, data, plaintext)
    return "\t".join(["P", *map(str, columns)])


def assemble(*lines: str, max_packets: int = 100) -> Capture:
    assembly = Assembly(Side.CLIENT, max_packets, {})
    for line in lines:
        assembly.add(parse_record(line))
    return assembly.capture()


def test_a_datagram_s_digest() -> None:
    """It is of the payload, where tshark's script was asked for that."""
    with_payload, without = assemble(datagram(1, payload="616263"), datagram(2)).datagrams
    assert (with_payload.digest, without.digest) == ("ba7816bf8f01cfea", "")


def test_a_datagram() -> None:
    fields = {"ecn": "3", "length": "108", "comment": "#1 dropped: queue full"}
    (found,) = assemble(datagram(4, 2.5, SERVER, CLIENT, **fields)).datagrams
    assert (found.capture, found.frame_number, found.sender) == (Side.CLIENT, 4, Side.SERVER)
    assert found.path == Path(Address(CLIENT, 50000), Address(SERVER, 443))
    assert (found.ecn, found.size, found.fate) == (Ecn.CE, 100, Fate(1, "queue full"))


@pytest.mark.parametrize("comment", ["", "%231 passed", "delivered after 1.0 ms"])
def test_a_datagram_whose_comment_states_no_fate(comment: str) -> None:
    (found,) = assemble(datagram(comment=comment)).datagrams
    assert found.fate is None


def test_time_begins_with_the_first_datagram_between_the_two() -> None:
    other = datagram(1, 1.0, "193.167.0.2", "193.167.0.100")
    capture = assemble(other, datagram(2, 3.0), datagram(3, 3.030000001, SERVER, CLIENT))
    assert [each.time for each in capture.datagrams] == [0.0, 0.030000001]


@pytest.mark.parametrize(
    ("source", "destination"),
    [
        ("193.167.0.100", "193.167.0.2"),
        ("193.167.100.100", "10.0.0.1"),
        ("fd00:cafe:cafe::100", "fd00:cafe:cafe:1::100"),
    ],
)
def test_what_is_not_between_the_two_is_left_out(source: str, destination: str) -> None:
    capture = assemble(datagram(1, 0, source, destination), packet())
    assert (capture.datagrams, capture.packets) == ((), ())


def test_ipv6_in_canonical_form() -> None:
    line = datagram(1, 0, "fd00:cafe:cafe:0:0:0:0:64", "fd00:cafe:cafe:100::100")
    (found,) = assemble(line).datagrams
    assert found.sender is Side.CLIENT
    assert found.path.client.host == "fd00:cafe:cafe::64"


def test_coalesced_packets_stay_apart() -> None:
    handshake = "e000000001000000"
    capture = assemble(datagram(), packet(INITIAL, "0100"), packet(handshake, "0101"), packet())
    types = [each.type for each in capture.packets]
    assert types == [PacketType.INITIAL, PacketType.HANDSHAKE, PacketType.ONE_RTT]
    assert [each.frames for each in capture.packets] == [(Ping(),), (Ping(), Ping()), (Ping(),)]
    assert capture.packets[0].padding == 1
    assert {id(each.datagram) for each in capture.packets} == {id(capture.datagrams[0])}


def test_a_packet_that_cannot_be_decrypted() -> None:
    (found,) = assemble(datagram(), packet(INITIAL + "00" * 40, "-")).packets
    assert not found.decrypted
    assert (found.number, found.frames, found.payload_size) == (None, (), 20)
    assert found.dcid.hex() == ODCID


def test_tls_messages_over_two_packets() -> None:
    first, second = "0600080b000008aaaaaaaa", "060804aaaaaaaa"
    capture = assemble(datagram(), packet(INITIAL, first), packet(INITIAL, second))
    assert capture.packets[0].frames == (Crypto(0, 8, b"\x0b\0\0\x08\xaa\xaa\xaa\xaa"),)
    assert [each.tls for each in capture.packets] == [(), (OtherTlsMessage(11),)]


def test_connections_do_not_share_a_crypto_stream() -> None:
    first = packet(INITIAL, "0600080b000008aaaaaaaa", connection=0)
    other = packet(INITIAL.replace(ODCID, "0" * 16), "060804aaaaaaaa", connection=1)
    capture = assemble(datagram(), first, other)
    assert [each.connection for each in capture.packets] == [0, 1]
    assert capture.packets[1].tls == ()


def test_a_frame_that_hides_the_rest_of_a_packet_is_named() -> None:
    (found,) = assemble(datagram(), packet(plaintext="2199")).packets
    assert found.frames == (UnknownFrame(0x21),)
    assert "0x21" in found.unread


def test_a_retry_is_checked_against_the_initial_it_answers() -> None:
    retry = packet(RETRY, "-", connection="")
    first, answer = datagram(1), datagram(2, 0.03, SERVER, CLIENT)
    valid = assemble(first, packet(INITIAL), answer, retry).packets[1]
    assert (valid.type, valid.token, valid.version) == (PacketType.RETRY, b"token", VERSION_1)
    assert valid.retry_integrity_valid is True
    assert valid.decrypted
    other = packet(INITIAL.replace(ODCID, "0" * 16))
    assert assemble(first, other, answer, retry).packets[1].retry_integrity_valid is False
    assert assemble(answer, retry).packets[0].retry_integrity_valid is None


def test_version_negotiation() -> None:
    line = packet("80000000000000" + "6b3343cf00000001", "-")
    (found,) = assemble(datagram(1, 0, SERVER, CLIENT), line).packets
    assert found.type is PacketType.VERSION_NEGOTIATION
    assert found.supported_versions == (0x6B3343CF, 1)
    assert found.retry_integrity_valid is None


def test_padding_behind_the_last_packet_is_no_packet() -> None:
    assert len(assemble(datagram(), packet(), "R\t" + "00" * 40).packets) == 1


def test_too_many_packets() -> None:
    assembly = Assembly(Side.SERVER, 2, {})
    for line in (datagram(), packet(), packet()):
        assembly.add(parse_record(line))
    with pytest.raises(TooManyPacketsError, match="more than 2 packets"):
        assembly.add(parse_record(packet()))
    assert len(assembly.capture().packets) == 2


def test_a_datagram_that_was_cut_off_is_damage() -> None:
    capture = assemble(datagram(5, cut_off="100"))
    assert capture.damage == "frame 5 was not captured whole"


def test_a_failure_of_the_script_is_damage() -> None:
    assert assemble("X\t3\tbad argument").damage == "frame 3: bad argument"


def test_the_last_line_counts_the_datagrams() -> None:
    assembly = Assembly(Side.CLIENT, 1, {})
    assembly.add(parse_record(datagram()))
    with pytest.raises(UnexpectedRecordError):
        assembly.add(parse_record("E\t2"))
    assert not assembly.complete
    assembly.add(parse_record("E\t1"))
    assert assembly.complete


def test_an_address_that_is_none() -> None:
    with pytest.raises(UnexpectedRecordError):
        assemble(datagram(1, 0, "localhost", SERVER))


LINES = [
    datagram(),
    packet(INITIAL, "060004aabbccdd"),
    packet(RETRY, "-"),
    packet(),
    "R\tc0",
    "E\t1",
]


@given(st.lists(st.sampled_from(LINES), max_size=20), st.data())
def test_damaged_lines_raise_the_named_errors_only(lines: list[str], data: st.DataObject) -> None:
    assembly = Assembly(Side.CLIENT, 5, {})
    for line in lines:
        position = data.draw(st.integers(0, len(line) - 1))
        character = data.draw(st.sampled_from("0123456789abcdef\t-."))
        try:
            assembly.add(parse_record(line[:position] + character + line[position + 1 :]))
        except (UnexpectedRecordError, TooManyPacketsError):
            continue
    assert len(assembly.capture().packets) <= 5
