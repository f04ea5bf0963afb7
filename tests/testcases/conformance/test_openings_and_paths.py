"""What cases of openings, tokens, paths and stateless resets make of small exchanges."""

from __future__ import annotations

import pytest
from aioquic._buffer import Buffer
from aioquic.quic.packet import pull_quic_header

from quicmatrix.runner.model.verdict import Status
from quicmatrix.runner.trace.model import (
    VERSION_2,
    Ack,
    Address,
    ConnectionClose,
    EncryptedExtensions,
    NewToken,
    PacketType,
    PathChallenge,
    PathResponse,
    Ping,
    PreferredAddress,
    Side,
    Stream,
    TransportParameters,
    VersionInformation,
)
from quicmatrix.testcases.conformance.openings import unknown_version
from quicmatrix.testcases.model import Observation
from tests.support.exchanges import exchange, status_of
from tests.support.story import Leg, client, client_2, crypto, server, server_2

HELD, VIOLATED, UNEXERCISED = Status.HELD, Status.VIOLATED, Status.NOT_EXERCISED
UNDETERMINED = Status.UNDETERMINED
ASKED = 0x1A2A3A4A
OTHER = Address("193.167.100.100", 4443)
RIGHT_IDS = {"dcid": b"client", "scid": b"original"}


def ack(*numbers: int) -> Ack:
    return Ack(max(numbers), 0, tuple((number, number) for number in sorted(numbers)[::-1]))


def negotiation(*versions: int, **ids: bytes) -> Leg:
    fields = {"token": b"", "supported_versions": versions, **RIGHT_IDS, **ids}
    return server.retry().but(type=PacketType.VERSION_NEGOTIATION, **fields)


def extensions(**values: object) -> EncryptedExtensions:
    return EncryptedExtensions(transport_parameters=TransportParameters(**values))  # type: ignore[arg-type]


def moved(leg: Leg, port: int = 60000) -> Leg:
    """The same from another port of the client's, as the server sees it."""
    return leg.behind(port)


def short(*frames: object, **fields: object) -> Leg:
    return server.one_rtt(*frames, **fields)  # type: ignore[arg-type]


HELLO = client.initial(crypto())
ANSWER = server.initial(ack(0), crypto())
CLOSE = server.initial(ConnectionClose(0x0A, 0, "", False))
PING = client.one_rtt(Ping())
HANDSHAKE = server.handshake(crypto())
RESET = server.one_rtt().but(type=PacketType.STATELESS_RESET)
DATA = Stream(0, 0, 10, False)
CHALLENGE = PathChallenge(b"12345678")
BEFORE = short(DATA)

OF_SERVERS: tuple[tuple[str, str, Status, Observation], ...] = (
    ("rfc9000/5.2.2/small-datagram-of-unknown-version", "silence", HELD, exchange(HELLO)),
    (
        "rfc9000/5.2.2/small-datagram-of-unknown-version",
        "an answer",
        VIOLATED,
        exchange(HELLO, negotiation(1)),
    ),
    (
        "rfc9000/5.2.2/small-datagram-of-unknown-version",
        "what cannot be decoded",
        VIOLATED,
        exchange(HELLO, server.garbage()),
    ),
    (
        "rfc9000/5.2.2/small-datagram-of-unknown-version",
        "a connection from another port",
        HELD,
        exchange(HELLO, client_2.initial(crypto()), server_2.initial(ack(0), crypto())),
    ),
    ("rfc9000/5.2.2/0-rtt-packet-of-no-connection", "Retry", HELD, exchange(HELLO, server.retry())),
    (
        "rfc9000/5.2.2/0-rtt-packet-of-no-connection",
        "a handshake",
        VIOLATED,
        exchange(HELLO, ANSWER),
    ),
    ("rfc9000/5.2.2/unknown-version", "answered", HELD, exchange(HELLO, negotiation(1))),
    ("rfc9000/5.2.2/unknown-version", "silence", VIOLATED, exchange(HELLO)),
    ("rfc9000/5.2.2/unknown-version", "no version", VIOLATED, exchange(HELLO, negotiation())),
    ("rfc9000/14.1/initial-in-1199-bytes", "silence", HELD, exchange(HELLO)),
    ("rfc9000/14.1/initial-in-1199-bytes", "a close", HELD, exchange(HELLO, CLOSE)),
    ("rfc9000/14.1/initial-in-1199-bytes", "a ServerHello", VIOLATED, exchange(HELLO, ANSWER)),
    (
        "rfc9000/14.1/initial-in-1199-bytes",
        "an ACK alone",
        VIOLATED,
        exchange(HELLO, server.initial(ack(0))),
    ),
    (
        "rfc9000/14.1/initial-in-1199-bytes",
        "unread",
        UNDETERMINED,
        exchange(HELLO, ANSWER.secret()),
    ),
    ("rfc9000/12.2/bytes-behind-an-initial", "no answer", VIOLATED, exchange(HELLO, HELLO, ANSWER)),
    (
        "rfc9000/12.2/bytes-behind-an-initial",
        "an answer",
        HELD,
        exchange(HELLO, ANSWER, PING, short(ack(0)), probes=(3,)),
    ),
    ("rfc9000/14.1/initials-of-a-server", "1,200 bytes", HELD, exchange(HELLO, ANSWER)),
    ("rfc9000/14.1/initials-of-a-server", "less", VIOLATED, exchange(HELLO, ANSWER.sized(1199))),
    (
        "rfc9000/14.1/initials-of-a-server",
        "an ACK in less",
        HELD,
        exchange(HELLO, ANSWER, server.initial(ack(0)).sized(50)),
    ),
    (
        "rfc9000/17.2.1/echoed-connection-ids",
        "echoed",
        HELD,
        exchange(HELLO, negotiation(1)),
    ),
    (
        "rfc9000/17.2.1/echoed-connection-ids",
        "other source",
        VIOLATED,
        exchange(HELLO, negotiation(1, scid=b"server")),
    ),
    (
        "rfc9000/17.2.1/echoed-connection-ids",
        "other destination",
        VIOLATED,
        exchange(HELLO, negotiation(1, dcid=b"")),
    ),
    (
        "rfc9000/17.2.1/two-unknown-versions-in-a-datagram",
        "one answer",
        HELD,
        exchange(HELLO, negotiation(1)),
    ),
    (
        "rfc9000/17.2.1/two-unknown-versions-in-a-datagram",
        "two",
        VIOLATED,
        exchange(HELLO, negotiation(1), negotiation(1)),
    ),
    (
        "rfc8999/6/list-without-the-version-asked-for",
        "listed",
        VIOLATED,
        exchange(HELLO, negotiation(1, ASKED)),
    ),
    (
        "rfc8999/6/list-without-the-version-asked-for",
        "others",
        HELD,
        exchange(HELLO, negotiation(1)),
    ),
    ("rfc9000/17.2.2/initials-of-a-server", "no token", HELD, exchange(HELLO, ANSWER)),
    (
        "rfc9000/17.2.2/initials-of-a-server",
        "a token",
        VIOLATED,
        exchange(HELLO, ANSWER.but(token=b"t")),
    ),
    ("rfc9000/17.2/fixed-bit-of-0", "silence", HELD, exchange(HELLO)),
    ("rfc9000/17.2/fixed-bit-of-0", "an answer", VIOLATED, exchange(HELLO, ANSWER)),
    (
        "rfc9000/17.2/fixed-bit-of-0",
        "announced",
        UNEXERCISED,
        exchange(HELLO, ANSWER, server.handshake(extensions(grease_quic_bit=True))),
    ),
    (
        "rfc9000/17.2.5/retry-is-right",
        "right",
        HELD,
        exchange(HELLO, server.retry()),
    ),
    ("rfc9000/17.2.5/retry-is-right", "no token", VIOLATED, exchange(HELLO, server.retry(b""))),
    (
        "rfc9000/17.2.5/retry-is-right",
        "wrong tag",
        VIOLATED,
        exchange(HELLO, server.retry(retry_integrity_valid=False)),
    ),
    (
        "rfc9000/17.2.5/retry-is-right",
        "for another",
        VIOLATED,
        exchange(HELLO, server.retry(dcid=b"other")),
    ),
    (
        "rfc9000/17.2.5.1/retry-from-a-new-connection-id",
        "the client's own",
        VIOLATED,
        exchange(HELLO, server.retry(scid=b"original")),
    ),
    (
        "rfc9000/17.2.5.1/retry-from-a-new-connection-id",
        "a new one",
        HELD,
        exchange(HELLO, server.retry()),
    ),
    (
        "rfc9000/17.2.5.1/one-retry-for-a-datagram",
        "two",
        VIOLATED,
        exchange(HELLO, server.retry(), server.retry()),
    ),
    (
        "rfc9000/17.2.5.1/one-retry-for-a-datagram",
        "one",
        HELD,
        exchange(HELLO, server.retry()),
    ),
    (
        "rfc9000/17.2.5.1/one-retry-for-a-datagram",
        "more than three times",
        VIOLATED,
        exchange(HELLO.sized(1200), server.retry().sized(3601)),
    ),
    *(
        (
            "rfc9000/7.3/connection-ids-after-retry",
            title,
            status,
            exchange(
                HELLO,
                server.retry(),
                client.initial(crypto(), dcid=b"retry"),
                ANSWER,
                server.handshake(
                    extensions(
                        **{
                            "original_destination_connection_id": b"original",
                            "retry_source_connection_id": b"retry",
                            "initial_source_connection_id": b"server",
                            **changes,
                        }
                    )
                ),
            ),
        )
        for title, status, changes in (
            ("right", HELD, {}),
            ("original", VIOLATED, {"original_destination_connection_id": b"retry"}),
            ("retry", VIOLATED, {"retry_source_connection_id": None}),
            ("initial", VIOLATED, {"initial_source_connection_id": b"retry"}),
        )
    ),
    ("rfc9000/8.1.4/retry-token-from-another-port", "silence", HELD, exchange(HELLO)),
    ("rfc9000/8.1.4/retry-token-from-another-port", "refused", HELD, exchange(HELLO, CLOSE)),
    ("rfc9000/8.1.4/retry-token-from-another-port", "taken", VIOLATED, exchange(HELLO, ANSWER)),
    (
        "rfc9000/8.1.3/tokens-of-two-connections",
        "two tokens",
        HELD,
        exchange(HELLO, short(NewToken(b"1")), server_2.one_rtt(NewToken(b"2"))),
    ),
    (
        "rfc9000/8.1.3/tokens-of-two-connections",
        "one for both",
        VIOLATED,
        exchange(HELLO, short(NewToken(b"1")), server_2.one_rtt(NewToken(b"1"))),
    ),
    (
        "rfc9000/8.1/three-times-with-retransmissions",
        "three times",
        HELD,
        exchange(HELLO, *[HANDSHAKE.sized(1200)] * 3),
    ),
    (
        "rfc9000/8.1/three-times-with-retransmissions",
        "four times",
        VIOLATED,
        exchange(HELLO, *[HANDSHAKE.sized(1200)] * 4),
    ),
    (
        "rfc9000/8.1/three-times-with-retransmissions",
        "one datagram",
        UNEXERCISED,
        exchange(HELLO, HANDSHAKE.sized(1200)),
    ),
    ("rfc9000/10.3.3/short-header-of-43-bytes", "silence", HELD, exchange(PING.sized(43))),
    (
        "rfc9000/10.3.3/short-header-of-43-bytes",
        "42 bytes",
        HELD,
        exchange(PING.sized(43), RESET.sized(42)),
    ),
    (
        "rfc9000/10.3.3/short-header-of-43-bytes",
        "43 bytes",
        VIOLATED,
        exchange(PING.sized(43), RESET.sized(43)),
    ),
    (
        "rfc9000/10.3.3/short-header-of-43-bytes",
        "a long header",
        VIOLATED,
        exchange(PING.sized(43), ANSWER.sized(42)),
    ),
    ("rfc9000/10.3.1/token-in-use", "silence", HELD, exchange(PING)),
    ("rfc9000/10.3.1/token-in-use", "a reset of its own", HELD, exchange(PING, RESET)),
    ("rfc9000/10.3.1/token-in-use", "an ACK", VIOLATED, exchange(PING, short(ack(0)))),
    ("rfc9001/4.9.1/initial-after-the-handshake", "an ACK", VIOLATED, exchange(PING, ANSWER)),
    (
        "rfc9287/3/quic-bit-of-0",
        "acknowledged",
        HELD,
        exchange(PING, short(ack(0))),
    ),
    ("rfc9287/3/quic-bit-of-0", "dropped", VIOLATED, exchange(PING, short(DATA))),
    (
        "rfc9287/3.1/peer-without-the-parameter",
        "bit of 0",
        VIOLATED,
        exchange(HELLO, ANSWER, HANDSHAKE.but(fixed_bit=False)),
    ),
    ("rfc9287/3.1/peer-without-the-parameter", "bit of 1", HELD, exchange(HELLO, ANSWER)),
    *(
        (
            "rfc9368/4/version-after-negotiation",
            title,
            status,
            exchange(HELLO, server.handshake(extensions(version_information=information))),
        )
        for title, status, information in (
            ("none", UNEXERCISED, None),
            ("in use", HELD, VersionInformation(1, (1,))),
            ("another", VIOLATED, VersionInformation(VERSION_2, (1,))),
        )
    ),
    (
        "rfc9369/4.1/retry-in-the-original-version",
        "version 2",
        VIOLATED,
        exchange(HELLO, server.retry(version=VERSION_2)),
    ),
    (
        "rfc9369/4.1/retry-in-the-original-version",
        "version 1",
        HELD,
        exchange(HELLO, server.retry()),
    ),
    # From here on the second datagram, from another port, is the stimulus.
    *(
        (case, title, status, exchange(BEFORE, moved(PING), *legs, stimuli=(2,)))
        for case, title, status, *legs in (
            (
                "rfc9000/9/new-address-is-validated",
                "a challenge",
                HELD,
                moved(short(CHALLENGE)),
            ),
            ("rfc9000/9/new-address-is-validated", "none", VIOLATED, moved(short(ack(0)))),
            (
                "rfc9000/9/new-address-is-validated",
                "not allowed",
                UNEXERCISED,
                server.handshake(extensions(disable_active_migration=True)),
            ),
            (
                "rfc9000/9.3.3/previous-path-is-validated",
                "both challenged",
                HELD,
                moved(short(CHALLENGE)),
                short(PathChallenge(b"87654321")),
            ),
            (
                "rfc9000/9.3.3/previous-path-is-validated",
                "the new one alone",
                VIOLATED,
                moved(short(CHALLENGE)),
            ),
            ("rfc9000/9.3.3/previous-path-is-validated", "not followed", UNEXERCISED, short(DATA)),
            (
                "rfc9000/9.3/probing-packet-moves-nothing",
                "an answer to the probe",
                HELD,
                moved(short(PathResponse(b"12345678"), CHALLENGE)),
                short(ack(0)),
            ),
            (
                "rfc9000/9.3/probing-packet-moves-nothing",
                "data",
                VIOLATED,
                moved(short(DATA)),
            ),
            (
                "rfc9000/9.5/new-connection-id-for-a-new-address",
                "the same",
                VIOLATED,
                moved(short(CHALLENGE)),
            ),
            (
                "rfc9000/9.5/new-connection-id-for-a-new-address",
                "another",
                HELD,
                moved(short(CHALLENGE, dcid=b"another")),
            ),
            (
                "rfc9000/9.3.2/validation-fails",
                "back again",
                HELD,
                moved(short(CHALLENGE)),
                short(DATA),
            ),
            (
                "rfc9000/9.3.2/validation-fails",
                "only when something comes from there",
                VIOLATED,
                moved(short(CHALLENGE)),
                PING,
                short(DATA),
            ),
            (
                "rfc9000/13.3/data-in-flight-to-an-old-address",
                "sent again",
                HELD,
                moved(short(DATA)),
            ),
            (
                "rfc9000/13.3/data-in-flight-to-an-old-address",
                "in part",
                VIOLATED,
                moved(short(Stream(0, 0, 9, False))),
            ),
            (
                "rfc9000/13.3/data-in-flight-to-an-old-address",
                "not followed",
                UNEXERCISED,
                short(ack(0)),
            ),
        )
    ),
    (
        "rfc9000/9.3/reordered-packet-moves-nothing",
        "back to the old address",
        VIOLATED,
        exchange(moved(short(DATA)), PING, short(ack(0)), stimuli=(2,)),
    ),
    (
        "rfc9000/9.3/reordered-packet-moves-nothing",
        "stays",
        HELD,
        exchange(moved(short(DATA)), PING, moved(short(ack(0))), stimuli=(2,)),
    ),
)

PROBED = BEFORE, moved(PING), moved(PING)
OF_MIGRATIONS: tuple[tuple[str, str, Status, Observation], ...] = tuple(
    (
        "rfc9000/9.3/data-goes-to-the-new-address",
        title,
        status,
        exchange(*PROBED, *legs, stimuli=(2,), probes=(3,)),
    )
    for title, status, *legs in (
        ("to the new address", HELD, moved(short(ack(1)))),
        ("to the old address", VIOLATED, short(ack(1))),
        ("dropped", UNEXERCISED),
    )
)

NEGOTIATION = negotiation(ASKED)
RETRY = server.retry()
AGAIN = client.initial(crypto(), dcid=b"retry", token=b"token", number=1)
PREFERRED = server.handshake(
    extensions(
        has_preferred_address=True, preferred_address=PreferredAddress(b"", bytes(16), (OTHER,))
    )
)
OF_CLIENTS: tuple[tuple[str, str, Status, Observation], ...] = tuple(
    (case, title, status, exchange(*legs, stimuli=(2,), probes=probes, tester=Side.SERVER))
    for case, title, status, probes, *legs in (
        ("rfc9000/6.2/no-common-version", "abandoned", HELD, (), HELLO, NEGOTIATION),
        ("rfc9000/6.2/no-common-version", "goes on", VIOLATED, (), HELLO, NEGOTIATION, HELLO),
        (
            "rfc9000/6.2/no-common-version",
            "begins anew",
            HELD,
            (),
            HELLO,
            NEGOTIATION,
            client.initial(crypto(), dcid=b"new"),
        ),
        ("rfc9000/8.1.2/token-is-repeated", "repeated", HELD, (), HELLO, RETRY, AGAIN),
        (
            "rfc9000/8.1.2/token-is-repeated",
            "once",
            VIOLATED,
            (),
            HELLO,
            RETRY,
            AGAIN,
            AGAIN.but(token=b""),
        ),
        ("rfc9000/8.1.2/token-is-repeated", "nothing came", UNDETERMINED, (), HELLO, RETRY),
        ("rfc9000/17.2.5.2/connection-ids-after-retry", "right", HELD, (), HELLO, RETRY, AGAIN),
        (
            "rfc9000/17.2.5.2/connection-ids-after-retry",
            "old destination",
            VIOLATED,
            (),
            HELLO,
            RETRY,
            AGAIN.but(dcid=b"original"),
        ),
        (
            "rfc9000/17.2.5.2/connection-ids-after-retry",
            "new source",
            VIOLATED,
            (),
            HELLO,
            RETRY,
            AGAIN.but(scid=b"new"),
        ),
        ("rfc9000/17.2.5.3/packet-numbers-after-retry", "go on", HELD, (), HELLO, RETRY, AGAIN),
        (
            "rfc9000/17.2.5.3/packet-numbers-after-retry",
            "from 0",
            VIOLATED,
            (),
            HELLO,
            RETRY,
            AGAIN.but(number=0),
        ),
        ("rfc9000/17.2.5.3/client-hello-after-retry", "the same", HELD, (), HELLO, RETRY, AGAIN),
        (
            "rfc9000/17.2.5.3/client-hello-after-retry",
            "another",
            VIOLATED,
            (),
            HELLO,
            RETRY,
            client.initial(crypto("jello"), dcid=b"retry", token=b"token", number=1),
        ),
        (
            "rfc9000/17.2.5.2/wrong-integrity-tag",
            "taken",
            VIOLATED,
            (),
            HELLO,
            RETRY,
            AGAIN,
        ),
        (
            "rfc9000/17.2.5.2/wrong-integrity-tag",
            "to its connection ID",
            VIOLATED,
            (),
            HELLO,
            RETRY,
            AGAIN.but(token=b""),
        ),
        (
            "rfc9000/17.2.5.2/wrong-integrity-tag",
            "ignored",
            HELD,
            (3,),
            HELLO,
            RETRY,
            server.one_rtt(Ping()),
            client.one_rtt(ack(0)),
        ),
        (
            "rfc9000/8.1/deadlock-after-the-server-hello",
            "a probe",
            HELD,
            (),
            HELLO,
            ANSWER,
            client.handshake(Ping()),
        ),
        (
            "rfc9000/8.1/deadlock-after-the-server-hello",
            "an answer to more",
            VIOLATED,
            (),
            HELLO,
            ANSWER,
            HANDSHAKE,
            client.handshake(ack(0)),
        ),
        (
            "rfc9000/8.1.3/token-for-the-next-connection",
            "used",
            HELD,
            (),
            HELLO,
            short(NewToken(b"new")),
            client_2.initial(crypto(), token=b"new"),
        ),
        (
            "rfc9000/8.1.3/token-for-the-next-connection",
            "not used",
            VIOLATED,
            (),
            HELLO,
            short(NewToken(b"new")),
            client_2.initial(crypto()),
        ),
        (
            "rfc9000/9.6.1/preferred-address",
            "taken",
            HELD,
            (),
            HELLO,
            PREFERRED,
            client.one_rtt(CHALLENGE).on(OTHER),
        ),
        ("rfc9000/9.6.1/preferred-address", "ignored", VIOLATED, (), HELLO, PREFERRED, PING),
        (
            "rfc9000/9.6.1/preferred-address-that-does-not-answer",
            "moved",
            VIOLATED,
            (),
            HELLO,
            PREFERRED,
            client.one_rtt(Ping()).on(OTHER),
        ),
        (
            "rfc9000/9.6.1/preferred-address-that-does-not-answer",
            "probed",
            HELD,
            (3,),
            HELLO,
            PREFERRED,
            server.one_rtt(Ping()),
            client.one_rtt(CHALLENGE).on(OTHER),
            client.one_rtt(ack(0)),
        ),
        ("rfc9000/9/disable-active-migration", "stays", HELD, (), HELLO, HANDSHAKE, PING),
        (
            "rfc9287/3.1/resumed-client-without-a-token",
            "bit of 0",
            VIOLATED,
            (),
            HELLO.but(fixed_bit=False),
            ANSWER,
        ),
        ("rfc9287/3.1/resumed-client-without-a-token", "bit of 1", HELD, (), HELLO, ANSWER),
    )
)


@pytest.mark.parametrize(
    ("case", "title", "status", "seen"),
    OF_SERVERS + OF_MIGRATIONS + OF_CLIENTS,
    ids=[f"{case}: {title}" for case, title, _, _ in OF_SERVERS + OF_MIGRATIONS + OF_CLIENTS],
)
def test_a_case_judges(case: str, title: str, status: Status, seen: Observation) -> None:
    assert status_of(case, seen) is status, title


def test_a_client_that_moves_by_itself_is_found() -> None:
    leg = client.one_rtt(Ping())
    moved_client = Leg(
        leg.sender, leg.fields, type(leg.path)(Address("193.167.0.100", 60000), leg.path.server)
    )
    seen = exchange(HELLO, HANDSHAKE, moved_client, stimuli=(2,), tester=Side.SERVER)
    assert status_of("rfc9000/9/disable-active-migration", seen) is VIOLATED


@pytest.mark.parametrize("size", [100, 1200])
def test_a_packet_of_an_unknown_version_is_whole_to_who_reads_on(size: int) -> None:
    """Else a server that drops truncated packets seems to drop small datagrams."""
    datagram = unknown_version(size=size)
    header = pull_quic_header(Buffer(data=datagram), host_cid_length=8)
    assert (len(datagram), header.packet_length) == (size, size)
