from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.runner.network.middlebox.frame import (
    ETHERNET_HEADER,
    TCP,
    UDP,
    Headers,
    destination,
    headers,
    internet_checksum,
    mac_bytes,
    readdressed,
    source,
    udp_payload,
    with_addresses,
    with_checksum,
    with_destination,
    with_source,
)
from quicmatrix.runner.network.topology import CLIENT, SERVER
from tests.support import frames

SERVER4 = ip_address(SERVER.ipv4).packed
SERVER6 = ip_address(SERVER.ipv6).packed

payloads = st.binary(max_size=100)


def test_udp_over_ipv4() -> None:
    assert headers(frames.udp(b"hello")) == Headers(33, SERVER4, UDP, 34)


def test_udp_over_ipv6() -> None:
    frame = frames.udp(b"hello", CLIENT.ipv6, SERVER.ipv6)
    assert headers(frame) == Headers(53, SERVER6, UDP, 54)


def test_ipv4_options_are_skipped() -> None:
    frame = frames.ipv4(bytes(8), options=b"\x01" * 8)
    assert headers(frame) == Headers(36, SERVER4, UDP, 42)


def test_ipv6_extension_headers_are_skipped() -> None:
    hop_by_hop, options = bytes([60, 0, 1, 4, 0, 0, 0, 0]), bytes([17, 1]) + bytes(14)
    found = headers(frames.ipv6(hop_by_hop + options + bytes(8), next_header=0))
    assert found == Headers(72, SERVER6, UDP, 78)


IPV6_DATAGRAM = frames.udp(bytes(range(250)) * 8, CLIENT.ipv6, SERVER.ipv6)
IPV4_DATAGRAM = frames.udp(bytes(range(250)) * 8)


@pytest.mark.parametrize("datagram", [IPV4_DATAGRAM, IPV6_DATAGRAM])
def test_fragments_of_a_datagram(datagram: bytes) -> None:
    found = [headers(frame) for frame in frames.fragments(datagram, 800)]
    parts = [one.fragment for one in found if one and one.fragment and one.protocol == UDP]
    assert [(one.offset, one.more) for one in parts] == [(0, True), (800, True), (1600, False)]
    assert len({one.datagram for one in parts}) == 1
    (other, *_) = frames.fragments(datagram, 800, identification=8)
    another = headers(other)
    assert another is not None
    assert another.fragment is not None
    assert another.fragment.datagram != parts[0].datagram


def test_an_atomic_fragment_is_whole() -> None:
    (frame,) = frames.fragments(frames.udp(b"x", CLIENT.ipv6, SERVER.ipv6))
    found = headers(frame)
    assert found is not None
    assert (found.fragment, found.protocol, udp_payload(found)) == (None, UDP, (70, 71))


@pytest.mark.parametrize("flags_and_offset", [0x2000, 0x0001, 0x0100, 0x2003])
def test_a_fragment_has_its_protocol(flags_and_offset: int) -> None:
    found = headers(frames.ipv4(bytes(8), protocol=6, flags_and_offset=flags_and_offset))
    assert found is not None
    assert found.protocol == TCP
    assert found.fragment is not None


@pytest.mark.parametrize("datagram", [IPV4_DATAGRAM, IPV6_DATAGRAM])
def test_fragments_are_readdressed_as_the_whole_is(datagram: bytes) -> None:
    whole = headers(datagram)
    assert whole is not None
    endpoint = (bytes([7] * len(whole.destination)), 50_001)
    for change in (with_source, with_destination):
        expected = frames.fragments(change(datagram, whole, endpoint), 800)
        first, *others = frames.fragments(datagram, 800)
        found = headers(first)
        assert found is not None
        changed = [change(first, found, endpoint)]
        for other in others:
            found = headers(other)
            assert found is not None
            changed.append(with_addresses(other, found, changed[0]))
        assert changed == expected


def test_a_fragment_without_a_checksum_gets_none() -> None:
    datagram = IPV4_DATAGRAM[:40] + b"\0\0" + IPV4_DATAGRAM[42:]
    first, *_ = frames.fragments(datagram, 800)
    found = headers(first)
    assert found is not None
    assert with_source(first, found, (b"1234", 50_001))[40:42] == b"\0\0"


def test_padding_does_not_count() -> None:
    assert headers(frames.udp(b"x") + bytes(17)) == Headers(29, SERVER4, UDP, 34)


@pytest.mark.parametrize("ether_type", ["0806", "8100", "88cc"])
def test_what_is_not_ip_has_no_headers(ether_type: str) -> None:
    assert headers(frames.ETHERNET + bytes.fromhex(ether_type) + bytes(46)) is None


frame_bytes = st.one_of(
    st.binary(max_size=80),
    payloads.map(frames.udp),
    payloads.map(lambda data: frames.ipv6(data, next_header=0)),
)


@given(frame_bytes, st.data())
def test_truncated_and_changed_frames_never_raise(frame: bytes, data: st.DataObject) -> None:
    cut = frame[: data.draw(st.integers(0, len(frame)))]
    if cut:
        at = data.draw(st.integers(0, len(cut) - 1))
        cut = cut[:at] + data.draw(st.binary(min_size=1, max_size=1)) + cut[at + 1 :]
    found = headers(cut)
    if found is not None:
        end = ETHERNET_HEADER + found.ip_length
        assert end <= len(cut)
        begins = found.protocol == UDP and not (found.fragment and found.fragment.offset)
        assert found.transport_at + (8 if begins else 0) <= end
        assert headers(with_checksum(cut, found)) is not None


@given(payloads)
def test_the_checksum_is_that_of_rfc_1071(data: bytes) -> None:
    assert internet_checksum(data) == ~frames.ones_complement_sum(data) & 0xFFFF


def test_rfc_1071_example() -> None:
    assert internet_checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2


@given(payloads, st.booleans(), st.integers(0, 0xFFFF))
def test_a_udp_checksum_is_filled_in(payload: bytes, is_ipv6: bool, wrong: int) -> None:
    frame = (
        frames.udp(payload, CLIENT.ipv6, SERVER.ipv6) if is_ipv6 else frames.udp(payload)
    ) + bytes(3)
    found = headers(frame)
    assert found is not None
    at = found.transport_at + 6
    broken = frame[:at] + wrong.to_bytes(2) + frame[at + 2 :]
    assert with_checksum(broken, found) == frame


def test_a_udp_checksum_is_never_zero() -> None:
    # This payload makes the sum come out as zero, which would mean that there is no checksum.
    base = frames.udp(b"\0\0")
    payload = base[40:42]
    frame = frames.udp(payload)
    assert frame[40:42] == b"\xff\xff"
    found = headers(frame)
    assert found is not None
    assert with_checksum(frame[:40] + b"\0\0" + frame[42:], found) == frame


def test_a_tcp_checksum_is_filled_in() -> None:
    segment = bytes(range(16)) + b"\xaa\xbb" + bytes(2)
    frame = frames.ipv4(segment, protocol=TCP)
    found = headers(frame)
    assert found is not None
    filled = with_checksum(frame, found)
    pseudo_header = frame[26:34] + bytes([0, TCP]) + len(segment).to_bytes(2)
    assert frames.ones_complement_sum(pseudo_header + filled[34:]) == 0xFFFF


@pytest.mark.parametrize("protocol", [1, 58])
def test_other_protocols_are_left_alone(protocol: int) -> None:
    frame = frames.ipv4(bytes(40), protocol=protocol)
    found = headers(frame)
    assert found is not None
    assert with_checksum(frame, found) == frame


def test_readdressing_changes_nothing_but_the_addresses() -> None:
    frame = frames.udp(b"hello")
    assert readdressed(frame, b"to-mac" + b"my-mac") == b"to-macmy-mac" + frame[12:]


def test_mac_addresses() -> None:
    assert mac_bytes("02:51:00:00:64:02") == bytes.fromhex("025100006402")
    for wrong in ("", "02:51", "02:51:00:00:64:0g", "02:51:00:00:64:02:03"):
        with pytest.raises(ValueError, match=r"not a MAC address|hexadecimal"):
            mac_bytes(wrong)


FAMILIES = pytest.mark.parametrize(
    ("client", "server", "other"),
    [
        (CLIENT.ipv4, SERVER.ipv4, "193.167.0.7"),
        (CLIENT.ipv6, SERVER.ipv6, "fd00:cafe:cafe::7"),
    ],
)


@FAMILIES
def test_where_a_datagram_comes_from_and_goes_to(client: str, server: str, other: str) -> None:
    frame = frames.udp(b"hello", client, server, (50_000, 443)) + bytes(3)
    found = headers(frame)
    assert found is not None
    assert source(frame, found) == (ip_address(client).packed, 50_000)
    assert destination(frame, found) == (ip_address(server).packed, 443)
    start, end = udp_payload(found)
    assert frame[start:end] == b"hello"


@FAMILIES
@given(payload=payloads, port=st.integers(0, 0xFFFF))
def test_a_changed_address_gives_the_frame_that_would_have_been_sent_from_there(
    client: str, server: str, other: str, payload: bytes, port: int
) -> None:
    frame, endpoint = frames.udp(payload, client, server), (ip_address(other).packed, port)
    found = headers(frame)
    assert found is not None
    assert with_source(frame, found, endpoint) == frames.udp(payload, other, server, (port, 443))
    moved = with_destination(frame, found, endpoint)
    assert moved == frames.udp(payload, client, other, (50_000, port))


def test_the_checksum_of_an_ipv4_header_covers_its_options() -> None:
    frame = frames.ipv4(frames.udp(b"")[34:], options=b"\x01" * 8)
    found = headers(frame)
    assert found is not None
    moved = with_source(frame, found, (ip_address("193.167.0.7").packed, 9))
    assert frames.ones_complement_sum(moved[14:42]) == 0xFFFF
    assert moved[26:30] == ip_address("193.167.0.7").packed
