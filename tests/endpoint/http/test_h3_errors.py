"""What each side of HTTP/3 does about a peer that breaks its rules (RFC 9114 and RFC 9204).

Each case has a second test with aioquic's connection as it is. When that one fails, aioquic has
changed, and perhaps something of ours can go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from aioquic.buffer import encode_uint_var
from aioquic.h3.connection import ErrorCode, H3Connection
from aioquic.quic.events import QuicEvent, StreamDataReceived

from quicmatrix.endpoint.http.h3_connection import (
    MOST_BLOCKED_BYTES,
    MOST_SECTION_BYTES,
    MOST_SETTINGS_BYTES,
    Http3,
)
from tests.support.h3_wire import (
    ANSWER,
    AUTHORITY,
    BLOCKED,
    CONTROL,
    DECODER,
    DYNAMIC_TABLE,
    ENCODER,
    GET,
    GREASE,
    HOST,
    INSERT,
    METHOD,
    OK,
    OWN,
    PATH,
    SCHEME,
    SETTINGS,
    TRAILERS,
    Wire,
    begun,
    data,
    fields,
    frame,
    reset,
    stop,
)

E = ErrorCode
SE = "stream error"
Outcome = int | tuple[str, int] | type[Exception] | None
"""The code of CONNECTION_CLOSE, of a stream error, what is raised, or nothing at all."""


@dataclass(frozen=True, slots=True)
class Case:
    """Events at one side, and what it does about them."""

    name: str
    role: str
    events: tuple[QuicEvent, ...]
    outcome: Outcome
    plainly: Outcome
    """What aioquic does."""
    after_settings: bool = True
    """Whether the peer has sent its SETTINGS before."""

    def __str__(self) -> str:
        return f"{self.role}: {self.name}"


def server(name: str, outcome: Outcome, plainly: Outcome, *events: QuicEvent) -> Case:
    return Case(name, "server", events, outcome, plainly)


def client(name: str, outcome: Outcome, plainly: Outcome, *events: QuicEvent) -> Case:
    return Case(name, "client", events, outcome, plainly)


def request(name: str, plainly: Outcome, *lines: tuple[bytes, bytes]) -> Case:
    """A malformed request."""
    return server(name, (SE, E.H3_MESSAGE_ERROR), plainly, data(0, fields(*lines), end=True))


def control(role: str, *frames: bytes, end: bool = False) -> StreamDataReceived:
    """More on the control stream, after its SETTINGS."""
    return data(CONTROL[role], *frames, end=end)


UNEXPECTED, FRAME, ID = E.H3_FRAME_UNEXPECTED, E.H3_FRAME_ERROR, E.H3_ID_ERROR
CLOSED, CREATION, MESSAGE = (
    E.H3_CLOSED_CRITICAL_STREAM,
    E.H3_STREAM_CREATION_ERROR,
    E.H3_MESSAGE_ERROR,
)
ACCEPTED = None


def in_role(role: str) -> list[Case]:
    """What holds for both sides."""
    make = server if role == "server" else client
    opener = GET if role == "server" else ANSWER
    first, second, third = OWN[role]
    malformed = (SE, int(MESSAGE))
    cases = [
        make("DATA first", UNEXPECTED, UNEXPECTED, data(0, frame(0, b"x"))),
        make("HEADERS after trailers", UNEXPECTED, UNEXPECTED, data(0, opener, TRAILERS, TRAILERS)),
        make("DATA after trailers", UNEXPECTED, UNEXPECTED, data(0, opener, TRAILERS, frame(0))),
        *(
            make(f"frame {kind:#x} on a request", UNEXPECTED, UNEXPECTED, data(0, frame(kind)))
            for kind in (3, 4, 7, 0xD, 2, 6, 8, 9)
        ),
        *(
            make(f"PRIORITY_UPDATE {kind:#x} on a request", UNEXPECTED, ACCEPTED, update)
            for kind in (0xF0700, 0xF0701)
            for update in (data(0, opener, frame(kind, b"\x00u=1")),)
        ),
        *(
            make(f"frame {kind:#x} on control", UNEXPECTED, UNEXPECTED, control(role, frame(kind)))
            for kind in (0, 1, 5, 2, 6, 8, 9)
        ),
        make("grease on a request", ACCEPTED, ACCEPTED, data(0, GREASE, opener, GREASE, end=True)),
        make("grease on control", ACCEPTED, ACCEPTED, control(role, GREASE, GREASE[:3])),
        make("settings twice", UNEXPECTED, UNEXPECTED, control(role, frame(4))),
        make("a cut GOAWAY", FRAME, ACCEPTED, control(role, frame(7, b"\x40"))),
        make("a GOAWAY with more", FRAME, ACCEPTED, control(role, frame(7, b"\x00\x00"))),
        make("huge GOAWAY", E.H3_EXCESSIVE_LOAD, ACCEPTED, control(role, b"\x07\xbf\xff\xff\xff")),
        make(
            "a GOAWAY of 2^30 bytes",  # h3spec takes this code only
            E.H3_EXCESSIVE_LOAD,
            ACCEPTED,
            control(role, b"\x07\xc0\0\0\0\x40\0\0\0"),
        ),
        make("an empty GOAWAY", FRAME, ACCEPTED, control(role, frame(7))),
        make("a GOAWAY", ACCEPTED, ACCEPTED, control(role, frame(7, b"\x08"), frame(7, b"\x04"))),
        make("a later GOAWAY", ID, ACCEPTED, control(role, frame(7, b"\x04"), frame(7, b"\x08"))),
        make("CANCEL_PUSH", ID, ACCEPTED, control(role, frame(3, b"\x00"))),
        make("a cut CANCEL_PUSH", FRAME, ACCEPTED, control(role, frame(3))),
        make("a second control stream", CREATION, CREATION, data(first ^ 1 | 16, SETTINGS)),
        make(
            "a second encoder stream", CREATION, CREATION,
            data(ENCODER[role], b"\x02\x20"), data(ENCODER[role] + 16, b"\x02\x20"),
        ),
        make(
            "a second decoder stream", CREATION, CREATION,
            data(DECODER[role], b"\x03\x44"), data(DECODER[role] + 16, b"\x03\x44"),
        ),
        make("the end of control", CLOSED, CLOSED, control(role, end=True)),
        make("a reset of control", CLOSED, CLOSED, reset(CONTROL[role])),
        make("the end of the encoder", CLOSED, ACCEPTED, data(ENCODER[role], b"\x02", end=True)),
        make(
            "the later end of the decoder", CLOSED, ACCEPTED,
            data(DECODER[role], b"\x03"), data(DECODER[role], end=True),
        ),
        make(
            "a reset of the encoder", CLOSED, CLOSED,
            data(ENCODER[role], b"\x02"), reset(ENCODER[role]),
        ),
        *(make(f"our stream {each} stopped", CLOSED, CLOSED, stop(each)) for each in OWN[role]),
        make("an unknown stream", ACCEPTED, ACCEPTED, data(ENCODER[role], b"\x21abc", end=True)),
        make(
            "a stream without a type", ACCEPTED, ACCEPTED,
            data(ENCODER[role], b"\x40"), reset(ENCODER[role]),
        ),
        make("the end within a frame", FRAME, FRAME, data(0, opener, b"\x00\x09abc", end=True)),
        make("the end within HEADERS", FRAME, FRAME, data(0, opener[:-1], end=True)),
        make("the end within a type", FRAME, FRAME, data(0, opener, b"\x40", end=True)),
        make(
            "HEADERS that never end", E.H3_EXCESSIVE_LOAD, ACCEPTED,
            data(0, b"\x01" + encode_uint_var(MOST_SECTION_BYTES + 1)),
        ),
        make(
            "a frame of WebTransport", UNEXPECTED, ACCEPTED, data(0, b"\x40\x41\x01x\x00\x01y"),
        ),
        # QPACK
        make(
            "static index 99", 0x200, 0x200, data(0, frame(1, b"\x00\x00\xff\x24"))
        ),
        make("a dynamic index without table", 0x200, 0x200, data(0, frame(1, b"\x00\x00\x80"))),
        make("an evicted entry", 0x200, 0x200, data(0, frame(1, b"\xff\xff\xff\xff\xff\xff\x00"))),
        make(
            "a negative base", 0x200, 0x200,
            data(ENCODER[role], b"\x02", INSERT), data(0, frame(1, b"\x02\x85\x80")),
        ),
        make(
            "a negative base without table", 0x200, ACCEPTED,
            data(0, frame(1, (b"\x00\x80" + (ANSWER if role == "client" else GET)[4:]))),
        ),
        make("an entry without capacity", 0x201, ACCEPTED, data(ENCODER[role], b"\x02\x41a\x01b")),
        make("a huge number", 0x200, 0x200, data(0, frame(1, b"\x00\x00\xff" + b"\xff" * 11))),
        make("a cut field section", 0x200, 0x200, data(0, frame(1, b"\x00"))),
        make("too large a table", 0x201, 0x201, data(ENCODER[role], b"\x02\x3f\xe2\x1f")),
        make(
            "a reference to nothing", 0x201, 0x201,
            data(ENCODER[role], b"\x02", DYNAMIC_TABLE, b"\x85\x01x"),
        ),
        make("an increment of 0", 0x202, 0x202, data(DECODER[role], b"\x03\x00")),
        make("an increment beyond", 0x202, 0x202, data(DECODER[role], b"\x03\x05")),
        make("an unknown section", 0x202, 0x202, data(DECODER[role], b"\x03\x84")),
        make(
            "more blocked streams than allowed", 0x200, 0x200,
            *(data(each, BLOCKED) for each in range(0, 4 * 17, 4)),
        ),
        make("a table with an entry twice", ACCEPTED, ACCEPTED,
             data(ENCODER[role], b"\x02", INSERT, b"\x00\x41a\x01b")),
        make("a blocked stream", ACCEPTED, ACCEPTED, data(0, BLOCKED)),
        make(
            "a blocked stream that goes on", E.H3_EXCESSIVE_LOAD, ACCEPTED,
            data(0, BLOCKED), data(0, bytes(MOST_BLOCKED_BYTES)), data(0, b"x"),
        ),
        # Malformed messages
        make(
            "an uppercase name", malformed, MESSAGE, data(0, opener, fields((b"ETag", b"x")))
        ),
        make("a pseudo-field in trailers", malformed, MESSAGE, data(0, opener, fields(OK))),
        make("a name with a space", malformed, MESSAGE, data(0, opener, fields((b"a b", b"x")))),
        make("a name with a bracket", malformed, ACCEPTED, data(0, opener, fields((b"a(", b"x")))),
        make("no name", 0x200, 0x200, data(0, opener, frame(1, b"\x00\x00\x20\x01x"))),
        make("a line end", malformed, MESSAGE, data(0, opener, fields((b"a", b"x\r\nb: y")))),
        make("a bell", malformed, ACCEPTED, data(0, opener, fields((b"a", b"x\x07y")))),
        make(
            "many small fields", malformed, ACCEPTED,
            data(0, opener, fields(*[(b"cookie", b"")] * 500)),
        ),
    ]  # fmt: skip
    assert (first, second, third) == OWN[role]
    return cases


def settings_in_role(role: str) -> list[Case]:
    """The first frame on the control stream."""

    def first(name: str, outcome: Outcome, plainly: Outcome, sent: bytes) -> Case:
        events = (data(CONTROL[role], b"\x00", sent),)
        return Case(f"first {name}", role, events, outcome, plainly, after_settings=False)

    wrong, missing = E.H3_SETTINGS_ERROR, E.H3_MISSING_SETTINGS
    return [
        first("GOAWAY", missing, missing, frame(7, b"\x00")),
        first("grease", missing, missing, GREASE),
        *(
            first(f"setting {each:#x} of HTTP/2", wrong, wrong, frame(4, bytes([each, 1])))
            for each in (2, 3, 4, 5)
        ),
        first("a setting twice", wrong, wrong, frame(4, b"\x06\x01\x06\x01")),
        first("an unknown setting", ACCEPTED, ACCEPTED, frame(4, b"\x40\x99\x05")),
        first("a setting without value", FRAME, FRAME, frame(4, b"\x06")),
        first("a cut value", FRAME, FRAME, frame(4, b"\x06\x40")),
        first("a setting that is no flag", wrong, wrong, frame(4, b"\x33\x02")),
        first("H3_DATAGRAM without its parameter", ACCEPTED, wrong, frame(4, b"\x33\x01")),
        first(
            "SETTINGS without end", E.H3_EXCESSIVE_LOAD, ACCEPTED,
            b"\x04" + encode_uint_var(MOST_SETTINGS_BYTES + 1),
        ),
        first("nothing", ACCEPTED, ACCEPTED, b""),
    ]  # fmt: skip


CASES = [
    *in_role("server"),
    *in_role("client"),
    # Control stream of a client
    *(each for role in ("server", "client") for each in settings_in_role(role)),
    server("MAX_PUSH_ID", ACCEPTED, ACCEPTED, control("server", frame(0xD, b"\x05"))),
    server(
        "a lower MAX_PUSH_ID", ID, ID,
        control("server", frame(0xD, b"\x05"), frame(0xD, b"\x04")),
    ),
    server("a cut MAX_PUSH_ID", FRAME, FRAME, control("server", frame(0xD, b"\x40"))),
    server("a push stream", CREATION, CREATION, data(6, b"\x01\x00")),
    server("PUSH_PROMISE", UNEXPECTED, UNEXPECTED, data(0, frame(5, b"\x00"))),
    client("MAX_PUSH_ID", UNEXPECTED, UNEXPECTED, control("client", frame(0xD, b"\x00"))),
    client("a push stream", ID, ACCEPTED, data(7, b"\x01\x00")),
    client("PUSH_PROMISE", ID, 0x200, data(0, frame(5, b"\x00"))),
    client("a stream of a server", CREATION, ACCEPTED, data(1, ANSWER)),
    *(
        client(f"PRIORITY_UPDATE {kind:#x}", UNEXPECTED, ACCEPTED, control("client", update))
        for kind in (0xF0700, 0xF0701)
        for update in (frame(kind, b"\x00u=1"),)
    ),
    *(
        server(f"PRIORITY_UPDATE {name}", outcome, ACCEPTED, control("server", update))
        for name, outcome, update in (
            ("for a request", ACCEPTED, frame(0xF0700, b"\x00u=1")),
            ("for the last request", ACCEPTED, frame(0xF0700, b"\x41\x8cu=1")),
            ("without a value", ACCEPTED, frame(0xF0700, b"\x04")),
            ("for a request that may not be", ID, frame(0xF0700, b"\x41\x90u=1")),
            ("for a stream of the server", ID, frame(0xF0700, b"\x01u=1")),
            ("for a push", ID, frame(0xF0701, b"\x00u=1")),
            ("that is cut", FRAME, frame(0xF0700, b"\x40")),
            ("that is empty", FRAME, frame(0xF0700)),
            ("that is huge", E.H3_EXCESSIVE_LOAD, frame(0xF0700, bytes(MOST_SETTINGS_BYTES + 1))),
        )
    ),
    client("a GOAWAY for no request", ID, ACCEPTED, control("client", frame(7, b"\x03"))),
    # Requests
    server("no request at all", (SE, E.H3_REQUEST_INCOMPLETE), (SE, E.H3_REQUEST_INCOMPLETE),
           data(0, end=True)),
    server("Host alone", ACCEPTED, MESSAGE, data(0, fields(METHOD, SCHEME, PATH, HOST))),
    server("both", ACCEPTED, ACCEPTED, data(0, fields(METHOD, SCHEME, PATH, AUTHORITY, HOST))),
    server("te: trailers", ACCEPTED, ACCEPTED,
           data(0, fields(METHOD, SCHEME, AUTHORITY, PATH, (b"te", b"trailers")))),
    server("OPTIONS *", ACCEPTED, ACCEPTED,
           data(0, fields((b":method", b"OPTIONS"), SCHEME, AUTHORITY, (b":path", b"*")))),
    server("CONNECT", ACCEPTED, ACCEPTED, data(0, fields((b":method", b"CONNECT"), AUTHORITY))),
    request("no authority", MESSAGE, METHOD, SCHEME, PATH),
    request("an empty authority", MESSAGE, METHOD, SCHEME, PATH, (b":authority", b"")),
    request("another Host", ACCEPTED, METHOD, SCHEME, PATH, AUTHORITY, (b"host", b"server6")),
    request("two Hosts", MESSAGE, METHOD, SCHEME, PATH, HOST, HOST),
    request("a user", ACCEPTED, METHOD, SCHEME, PATH, (b":authority", b"me@server4")),
    request("no :method", MESSAGE, SCHEME, AUTHORITY, PATH),
    request("two :methods", MESSAGE, METHOD, METHOD, SCHEME, AUTHORITY, PATH),
    request("a :method of two words", ACCEPTED, (b":method", b"GET x"), SCHEME, AUTHORITY, PATH),
    request("no :scheme", ACCEPTED, METHOD, AUTHORITY, PATH),
    request("no :path", MESSAGE, METHOD, SCHEME, AUTHORITY),
    request("an empty :path", MESSAGE, METHOD, SCHEME, AUTHORITY, (b":path", b"")),
    request("a :path without slash", ACCEPTED, METHOD, SCHEME, AUTHORITY, (b":path", b"x")),
    request("an unknown pseudo-field", MESSAGE, METHOD, SCHEME, AUTHORITY, PATH, (b":foo", b"x")),
    request("a :status", MESSAGE, METHOD, SCHEME, AUTHORITY, PATH, OK),
    request("a :protocol", ACCEPTED, METHOD, SCHEME, AUTHORITY, PATH, (b":protocol", b"x")),
    request("a late :path", MESSAGE, METHOD, SCHEME, AUTHORITY, (b"a", b"x"), PATH),
    *(
        request(f"{name.decode()}: {value.decode()}", MESSAGE,
                METHOD, SCHEME, AUTHORITY, PATH, (name, value))
        for name, value in (
            (b"connection", b"close"), (b"keep-alive", b"5"), (b"proxy-connection", b"close"),
            (b"transfer-encoding", b"chunked"), (b"upgrade", b"h2c"), (b"te", b"gzip"),
            (b"content-length", b"3"), (b"content-length", b"-1"),
        )
    ),
    request("a content-length of +0", ACCEPTED,
            METHOD, SCHEME, AUTHORITY, PATH, (b"content-length", b"+0")),
    request("two content-lengths", ACCEPTED,
            METHOD, SCHEME, AUTHORITY, PATH, (b"content-length", b"5"), (b"content-length", b"0")),
    request("CONNECT with a :path", ACCEPTED, (b":method", b"CONNECT"), AUTHORITY, PATH),
    request("CONNECT with a :scheme", MESSAGE, (b":method", b"CONNECT"), AUTHORITY, SCHEME),
    server("more content than it says", (SE, MESSAGE), MESSAGE,
           data(0, fields(METHOD, SCHEME, AUTHORITY, PATH, (b"content-length", b"1")),
                frame(0, b"two"), end=True)),
    # Answers
    client("103 first", ACCEPTED, ACCEPTED,
           data(0, fields((b":status", b"103")), fields((b":status", b"103")), ANSWER, end=True)),
    client("103 at the end", (SE, MESSAGE), MESSAGE,
           data(0, fields((b":status", b"103")), end=True)),
    client("no :status", (SE, MESSAGE), MESSAGE, data(0, fields((b"etag", b"x")))),
    client("a :status of a word", (SE, MESSAGE), MESSAGE, data(0, fields((b":status", b"abc")))),
    client("a :path", (SE, MESSAGE), MESSAGE, data(0, fields(OK, PATH))),
    client("less content than it says", (SE, MESSAGE), MESSAGE,
           data(0, fields(OK, (b"content-length", b"9")), frame(0, b"two"), end=True)),
    client("a cancelled answer", ACCEPTED, ACCEPTED, data(0, ANSWER), reset(0, 0xBAD)),
]  # fmt: skip


def side(case: Case, kind: type[H3Connection]) -> tuple[Wire, H3Connection]:
    return begun(case.role, kind, after_settings=case.after_settings)


def outcome(wire: Wire, h3: H3Connection, events: Iterable[QuicEvent]) -> Outcome:
    try:
        for event in events:
            h3.handle_event(event)
    except Exception as error:  # noqa: BLE001 - that is the outcome
        return type(error)
    if wire.closed is not None:
        return wire.closed
    return (SE, wire.resets[0]) if 0 in wire.resets else None


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_the_peer_does_has_its_outcome(case: Case) -> None:
    assert outcome(*side(case, Http3), case.events) == case.outcome


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_byte_at_a_time_it_has_the_same_outcome(case: Case) -> None:
    if sum(len(each.data) for each in case.events if isinstance(each, StreamDataReceived)) > 5000:
        return
    pieces: list[QuicEvent] = []
    for event in case.events:
        if isinstance(event, StreamDataReceived) and event.data:
            pieces += [data(event.stream_id, bytes([byte])) for byte in event.data[:-1]]
            pieces.append(data(event.stream_id, event.data[-1:], end=event.end_stream))
        else:
            pieces.append(event)
    assert outcome(*side(case, Http3), pieces) == case.outcome


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_aioquic_alone_does(case: Case) -> None:
    assert outcome(*side(case, H3Connection), case.events) == case.plainly
