from __future__ import annotations

from typing import Any

import pytest

from quicmatrix.runner.trace.model import (
    ClientHello,
    EncryptedExtensions,
    NewSessionTicket,
    OtherTlsMessage,
    Side,
    TransportParameters,
)
from quicmatrix.testcases.unprompted.tls import (
    ALPN,
    CERTIFICATE_REQUEST,
    QUIC_TRANSPORT_PARAMETERS,
    client_names_the_server,
    client_offers_an_application_protocol,
    client_offers_no_old_tls,
    client_sends_no_parameters_of_servers,
    client_sends_no_session_id,
    original_destination_is_authenticated,
    parameters_are_in_their_ranges,
    remembered_limits_are_not_reduced,
    retry_source_is_authenticated,
    server_requests_no_late_certificate,
    source_connection_id_is_authenticated,
    three_unidirectional_streams_are_permitted,
    tickets_allow_all_early_data_or_none,
    transport_parameters_are_sent,
)
from tests.support.story import (
    Leg,
    Story,
    breaks,
    client,
    doubtful,
    holds,
    server,
    server_2,
    trace,
    unexercised,
)

S, C = Side.SERVER, Side.CLIENT
BOTH = (ALPN, QUIC_TRANSPORT_PARAMETERS)


def hello(**fields: Any) -> Leg:
    return client.initial(ClientHello((0x1301,), **{"extensions": BOTH, **fields}))


def offers(**parameters: Any) -> Leg:
    return hello(transport_parameters=TransportParameters(**parameters))


def answers(sender: Any = server, *, accepts: bool = False, alpn: str = "h3", **given: Any) -> Leg:
    """EncryptedExtensions with these transport parameters."""
    message = EncryptedExtensions(alpn, accepts, TransportParameters(**given), BOTH)
    leg: Leg = sender.handshake(message)
    return leg


STORIES = (
    holds(
        client_offers_no_old_tls,
        "1.3, beside what is reserved",
        trace(hello(supported_versions=(0x2A2A, 0x0304, 0x7F1C))),
    ),
    breaks(
        client_offers_no_old_tls,
        "1.2 too",
        trace(hello(supported_versions=(0x0304, 0x0303))),
        "it offers 0x0303",
        "left 1",
        side=C,
    ),
    breaks(
        client_offers_no_old_tls,
        "none",
        trace(hello()),
        "it offers no version",
        "left 1",
        side=C,
    ),
    holds(client_sends_no_session_id, "none", trace(hello())),
    breaks(
        client_sends_no_session_id,
        "one",
        trace(hello(legacy_session_id=bytes(32))),
        "it has 32 bytes",
        "left 1",
        side=C,
    ),
    holds(client_offers_an_application_protocol, "it does", trace(hello())),
    breaks(
        client_offers_an_application_protocol,
        "it does not",
        trace(hello(extensions=(QUIC_TRANSPORT_PARAMETERS,))),
        "it has no extension 16",
        "left 1",
        side=C,
    ),
    holds(transport_parameters_are_sent, "by both", trace(hello(), answers())),
    breaks(
        transport_parameters_are_sent,
        "not by the server",
        trace(hello(), server.handshake(EncryptedExtensions("h3", extensions=(ALPN,)))),
        "it has no extension 57",
        "right 2",
        side=S,
    ),
    holds(
        source_connection_id_is_authenticated,
        "of both",
        trace(
            offers(initial_source_connection_id=b"client"),
            server.initial(),
            answers(initial_source_connection_id=b"server"),
        ),
    ),
    breaks(
        source_connection_id_is_authenticated,
        "of another packet",
        trace(hello(transport_parameters=TransportParameters(initial_source_connection_id=b"x"))),
        "it is 78",
        "left 1",
        side=C,
    ),
    breaks(
        source_connection_id_is_authenticated,
        "of none",
        trace(server.initial(), answers()),
        "it is not there",
        "right 2",
        side=S,
    ),
    holds(
        original_destination_is_authenticated,
        "it is",
        trace(client.initial(), answers(original_destination_connection_id=b"original")),
    ),
    breaks(
        original_destination_is_authenticated,
        "another one",
        trace(client.initial(), answers(original_destination_connection_id=b"x")),
        "it is 78",
        "right 2",
        side=S,
    ),
    breaks(
        original_destination_is_authenticated,
        "none",
        trace(client.initial(), answers()),
        "it is not there",
        "right 2",
        side=S,
    ),
    doubtful(
        original_destination_is_authenticated,
        "a Retry may be missing",
        trace(
            client.initial(), answers(original_destination_connection_id=b"x"), left_damage="cut"
        ),
        "cut",
    ),
    holds(
        retry_source_is_authenticated,
        "after a Retry",
        trace(client.initial(), server.retry(), answers(retry_source_connection_id=b"retry")),
    ),
    holds(retry_source_is_authenticated, "without one", trace(client.initial(), answers())),
    breaks(
        retry_source_is_authenticated,
        "though there was no Retry",
        trace(client.initial(), answers(retry_source_connection_id=b"retry")),
        "it is 7265747279, and no Retry had that",
        "right 2",
        side=S,
    ),
    holds(
        parameters_are_in_their_ranges,
        "at their limits",
        trace(
            offers(max_udp_payload_size=1200, ack_delay_exponent=20, max_ack_delay=16383),
            answers(active_connection_id_limit=2, initial_max_streams_bidi=1 << 60),
        ),
    ),
    breaks(
        parameters_are_in_their_ranges,
        "below and above",
        trace(offers(max_udp_payload_size=1199, ack_delay_exponent=21)),
        "max_udp_payload_size is 1199, ack_delay_exponent is 21",
        "left 1",
        side=C,
    ),
    breaks(
        parameters_are_in_their_ranges,
        "one is there twice",
        trace(offers(repeated=(4,))),
        "0x4 is there twice",
        "left 1",
        side=C,
    ),
    holds(
        client_sends_no_parameters_of_servers,
        "they are the server's",
        trace(offers(), answers(stateless_reset_token=bytes(16))),
    ),
    breaks(
        client_sends_no_parameters_of_servers,
        "a token and an address",
        trace(offers(stateless_reset_token=bytes(16), has_preferred_address=True)),
        "it has stateless_reset_token, preferred_address",
        "left 1",
        side=C,
    ),
    holds(
        tickets_allow_all_early_data_or_none,
        "both",
        trace(server.one_rtt(NewSessionTicket(0xFFFFFFFF), NewSessionTicket())),
    ),
    breaks(
        tickets_allow_all_early_data_or_none,
        "some",
        trace(server.one_rtt(NewSessionTicket(0x4000))),
        "it is 0x4000",
        "right 1",
        side=S,
    ),
    holds(
        server_requests_no_late_certificate,
        "one in the handshake",
        trace(
            server.handshake(OtherTlsMessage(CERTIFICATE_REQUEST)),
            server.one_rtt(NewSessionTicket()),
        ),
    ),
    breaks(
        server_requests_no_late_certificate,
        "one afterwards",
        trace(server.one_rtt(OtherTlsMessage(CERTIFICATE_REQUEST))),
        "it has a CertificateRequest",
        "right 1",
        side=S,
    ),
    holds(
        remembered_limits_are_not_reduced,
        "they grow",
        trace(answers(initial_max_data=1), answers(server_2, accepts=True, initial_max_data=2)),
    ),
    breaks(
        remembered_limits_are_not_reduced,
        "one is lower, and one left out",
        trace(
            answers(initial_max_data=2, active_connection_id_limit=8),
            answers(server_2, accepts=True, initial_max_data=1),
        ),
        "it lowers active_connection_id_limit from 8 to 0, initial_max_data from 2 to 1",
        "right 2",
        side=S,
    ),
    unexercised(
        remembered_limits_are_not_reduced,
        "0-RTT is rejected",
        trace(answers(initial_max_data=2), answers(server_2, initial_max_data=1)),
    ),
    holds(client_names_the_server, "it does", trace(hello(alpn=("h3",), server_name="server4"))),
    breaks(
        client_names_the_server,
        "it does not",
        trace(hello(alpn=("h3",))),
        "it has none",
        "left 1",
        side=C,
    ),
    unexercised(client_names_the_server, "it is not HTTP/3", trace(hello(alpn=("hq-interop",)))),
    holds(
        three_unidirectional_streams_are_permitted,
        "by both",
        trace(
            hello(
                alpn=("h3",), transport_parameters=TransportParameters(initial_max_streams_uni=3)
            ),
            answers(initial_max_streams_uni=100),
        ),
    ),
    breaks(
        three_unidirectional_streams_are_permitted,
        "the server permits two",
        trace(hello(), answers(initial_max_streams_uni=2)),
        "initial_max_streams_uni is 2",
        "right 2",
        side=S,
    ),
    unexercised(
        three_unidirectional_streams_are_permitted,
        "it is not HTTP/3",
        trace(hello(alpn=("hq-interop",)), answers(alpn="hq-interop")),
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
