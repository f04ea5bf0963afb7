"""Whatever a peer sends, a check finds violations, finds none, or cannot tell: it never breaks."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from quicmatrix.runner.judge.evaluate import evaluate
from quicmatrix.runner.model.verdict import Status
from quicmatrix.runner.trace.model import (
    CERTIFICATE,
    Ack,
    Address,
    ClientHello,
    ConnectionClose,
    Crypto,
    Ecn,
    EcnCounts,
    EncryptedExtensions,
    Frame,
    HandshakeDone,
    MaxData,
    MaxStreams,
    NewConnectionId,
    NewToken,
    OtherTlsMessage,
    PacketType,
    PathChallenge,
    PathResponse,
    Ping,
    ServerHello,
    Stream,
    TlsMessage,
    Trace,
    UnknownFrame,
)
from quicmatrix.testcases.interop import TESTCASES
from quicmatrix.testcases.measurements import TESTCASES as MEASUREMENTS
from tests.support.story import (
    Leg,
    client,
    client_2,
    crypto,
    observation,
    server,
    server_2,
    together,
    trace,
)

CONTENTS: tuple[Frame | TlsMessage, ...] = (
    Ack(0, 0, ((0, 0),)),
    Ack(1 << 61, 0, ((1, 1 << 61), (0, 0)), EcnCounts(1, 0, 7)),
    ConnectionClose(0, None, "", application=True),
    Crypto(1 << 40, 10),
    HandshakeDone(),
    MaxData(0),
    MaxStreams(1 << 60, bidirectional=True),
    NewConnectionId(1, 0, b"next", b""),
    NewToken(b"token"),
    PathChallenge(b"12345678"),
    PathResponse(b"12345678"),
    Ping(),
    Stream(0, 1 << 61, 1 << 14, fin=True),
    Stream(3, 0, 0, fin=False, data=b"\x00"),
    UnknownFrame(0x42),
    crypto(),
    ClientHello((0x1303,)),
    ServerHello(0x1301, selects_psk=True),
    EncryptedExtensions("h3"),
    OtherTlsMessage(CERTIFICATE),
)
FATES = (
    "",
    "#1 dropped: blackhole",
    "#2 delivered after 15.1 ms",
    "#3 delivered after 15.1 ms, byte 4 changed from 0x00 to 0x01",
)
FIELDS = {
    "type": st.sampled_from(PacketType),
    "connection": st.sampled_from((None, 0, 1)),
    "dcid": st.sampled_from((b"", b"8 octets", b"client")),
    "scid": st.sampled_from((None, b"", b"8 octets", b"another")),
    "version": st.sampled_from((None, 0, 1, 0x6B3343CF, 0x1A2A3A4A)),
    "token": st.sampled_from((b"", b"token")),
    "unread": st.sampled_from(("", "no such frame")),
    "number": st.sampled_from((None, 0, 7)),
    "key_phase": st.sampled_from((None, 0, 1)),
    "key_generation": st.sampled_from((None, 0, 3)),
    "keys_cid": st.sampled_from((None, b"", b"8 octets")),
    "unassociated": st.booleans(),
    "supported_versions": st.sampled_from(((), (1,))),
}


@st.composite
def packets(draw: st.DrawFn) -> Leg:
    sender = draw(st.sampled_from((client, server, client_2, server_2)))
    kind = draw(st.sampled_from(("initial", "zero_rtt", "handshake", "one_rtt", "retry")))
    contents = draw(st.lists(st.sampled_from(CONTENTS), max_size=3))
    leg: Leg = sender.retry() if kind == "retry" else getattr(sender, kind)(*contents)
    return leg.but(**draw(st.fixed_dictionaries({}, optional=FIELDS)))


@st.composite
def datagrams(draw: st.DrawFn) -> Leg:
    leg = draw(packets())
    if draw(st.booleans()):
        leg = together(leg, leg)
    leg = leg.sized(draw(st.sampled_from((0, 40, 1200)))).marked(draw(st.sampled_from(Ecn)))
    leg = leg.told(draw(st.sampled_from(FATES))).after(draw(st.floats(0, 3)))
    if draw(st.booleans()):
        leg = leg.behind(draw(st.sampled_from((1, 2))), draw(st.sampled_from(("::1", "10.0.0.1"))))
    if draw(st.booleans()):
        leg = leg.on(Address("::2", 443))
    odd = draw(st.sampled_from(("", "", "lost", "secret", "garbage")))
    if odd == "lost":
        return leg.lost()
    if odd == "secret":
        return leg.secret()
    return leg if not odd else client.garbage()


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    damage = draw(st.sampled_from(("", "", "", "cut off")))
    return trace(*draw(st.lists(datagrams(), max_size=12)), right_damage=damage)


@settings(max_examples=150)
@given(seen=traces())
def test_no_requirement_stumbles(seen: Trace) -> None:
    for case in (*TESTCASES, *MEASUREMENTS):
        for requirement in case.requirements:
            result = evaluate(requirement, observation(seen))
            assert all(one.message for one in result.violations)
            assert (result.status is Status.VIOLATED) == bool(result.violations)
            assert (result.status is Status.UNDETERMINED) <= bool(result.reason)
