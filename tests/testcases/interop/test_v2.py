from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import (
    VERSION_1,
    VERSION_2,
    Ack,
    ClientHello,
    EncryptedExtensions,
    Side,
    TransportParameters,
    VersionInformation,
)
from quicmatrix.testcases.interop.v2 import (
    client_lists_its_chosen_version,
    client_offers_version_2,
    client_starts_in_version_1,
    each_side_chooses_the_version_in_use,
    each_side_sends_version_information,
    handshake_packets_are_version_2,
    server_answers_in_version_2,
    server_sends_crypto_in_one_version,
)
from tests.support.story import (
    Leg,
    Story,
    breaks,
    client,
    crypto,
    doubtful,
    holds,
    server,
    together,
    trace,
)

BOTH = (VERSION_2, VERSION_1)


def parameters(chosen: int | None, *available: int) -> TransportParameters:
    information = None if chosen is None else VersionInformation(chosen, available)
    return TransportParameters(version_information=information)


def hello(chosen: int | None, *available: int, version: int = VERSION_1) -> Leg:
    message = ClientHello((), transport_parameters=parameters(chosen, *available))
    return client.initial(crypto(), message, version=version)


def extensions(chosen: int | None, *available: int, version: int = VERSION_2) -> Leg:
    message = EncryptedExtensions(transport_parameters=parameters(chosen, *available))
    return server.handshake(crypto(), message, version=version)


HELLO = hello(VERSION_1, *BOTH)
EARLY_ACK = server.initial(Ack(0, 0, ((0, 0),)))
"""Sent in version 1, before the server knows all of a ClientHello in two packets."""
ANSWER = server.initial(crypto(), version=VERSION_2)
EXTENSIONS = extensions(VERSION_2, *BOTH)
FINISHED = client.handshake(crypto(), version=VERSION_2)
USUAL = trace(HELLO, EARLY_ACK, together(ANSWER, EXTENSIONS), FINISHED)
LATER = client.initial(version=VERSION_2).secret()
STAYS = trace(HELLO, server.initial(crypto()), extensions(VERSION_1, version=VERSION_1))
CUT = trace(client.garbage(), server.garbage())

ALL = (
    client_starts_in_version_1,
    server_answers_in_version_2,
    handshake_packets_are_version_2,
    server_sends_crypto_in_one_version,
    each_side_sends_version_information,
    client_offers_version_2,
    client_lists_its_chosen_version,
    each_side_chooses_the_version_in_use,
)

STORIES = (
    *(
        holds(one, "a later Initial is secret", trace(HELLO, ANSWER, LATER, EXTENSIONS, FINISHED))
        for one in ALL
    ),
    *(holds(one, "as usual", USUAL) for one in ALL),
    *(doubtful(one, "nothing is understood", CUT, "could not be decoded as QUIC") for one in ALL),
    holds(
        client_starts_in_version_1,
        "and moves on",
        trace(HELLO, ANSWER, client.initial(version=VERSION_2)),
    ),
    breaks(
        client_starts_in_version_1,
        "it starts in version 2",
        trace(hello(VERSION_2, VERSION_2, version=VERSION_2)),
        "its Initial packets are of version 0x6b3343cf",
        "left 1",
        side=Side.CLIENT,
    ),
    breaks(
        client_starts_in_version_1,
        "it does not start",
        trace(ANSWER),
        "it sends no Initial packet",
        side=Side.CLIENT,
    ),
    breaks(
        server_answers_in_version_2,
        "it stays with version 1",
        STAYS,
        "its Initial packets are of version 0x00000001",
        "right 2",
        side=Side.SERVER,
    ),
    breaks(
        handshake_packets_are_version_2,
        "the client goes back",
        trace(HELLO, ANSWER, EXTENSIONS, FINISHED, client.handshake()),
        "the version is 0x00000001",
        "left 5",
        side=Side.CLIENT,
    ),
    breaks(
        handshake_packets_are_version_2,
        "the client never gets there",
        trace(HELLO, ANSWER, EXTENSIONS),
        "the client sends no Handshake packet",
        side=Side.CLIENT,
    ),
    holds(server_sends_crypto_in_one_version, "version 1", STAYS),
    breaks(
        server_sends_crypto_in_one_version,
        "it moves on too late",
        trace(HELLO, server.initial(crypto()), EXTENSIONS),
        "the version is 0x6b3343cf, and was 0x00000001",
        "right 3",
        "right 2",
        side=Side.SERVER,
    ),
    doubtful(
        server_sends_crypto_in_one_version,
        "there are no keys",
        trace(HELLO, ANSWER, EXTENSIONS.secret()),
        "could not be decrypted",
    ),
    breaks(
        each_side_sends_version_information,
        "the client does not",
        trace(hello(None), ANSWER, EXTENSIONS),
        "the client sends none",
        "left 1",
        side=Side.CLIENT,
    ),
    breaks(
        each_side_sends_version_information,
        "the server does not",
        trace(HELLO, ANSWER, extensions(None)),
        "the server sends none",
        "right 3",
        side=Side.SERVER,
    ),
    breaks(
        each_side_sends_version_information,
        "the handshake ends before",
        trace(HELLO, ANSWER),
        "the server sends no transport parameters",
        side=Side.SERVER,
    ),
    breaks(
        each_side_sends_version_information,
        "the client does not, whatever the server hides",
        trace(hello(None), ANSWER, EXTENSIONS.secret()),
        "the client sends none",
        "left 1",
        side=Side.CLIENT,
    ),
    doubtful(
        each_side_sends_version_information,
        "there are no keys",
        trace(HELLO, ANSWER, EXTENSIONS.secret()),
        "could not be decrypted",
    ),
    breaks(
        client_offers_version_2,
        "it lists version 1",
        trace(hello(VERSION_1, VERSION_1)),
        "it lists 0x00000001",
        "left 1",
        side=Side.CLIENT,
    ),
    breaks(
        client_offers_version_2,
        "it lists nothing",
        trace(hello(None)),
        "it lists none",
        "left 1",
        side=Side.CLIENT,
    ),
    breaks(
        client_lists_its_chosen_version,
        "it lists version 2 only",
        trace(hello(VERSION_1, VERSION_2)),
        "0x00000001 is not among them",
        "left 1",
        side=Side.CLIENT,
    ),
    holds(
        each_side_chooses_the_version_in_use,
        "a ClientHello that is repeated in version 2",
        trace(HELLO, ANSWER, hello(VERSION_1, *BOTH, version=VERSION_2), EXTENSIONS),
    ),
    breaks(
        each_side_chooses_the_version_in_use,
        "the client's is not its first Initial's",
        trace(hello(VERSION_2, *BOTH), ANSWER, EXTENSIONS),
        "the client's Chosen Version is 0x6b3343cf where 0x00000001 is in use",
        "left 1",
        side=Side.CLIENT,
    ),
    breaks(
        each_side_chooses_the_version_in_use,
        "the server's is not the negotiated one",
        trace(HELLO, ANSWER, extensions(VERSION_1, *BOTH)),
        "the server's Chosen Version is 0x00000001 where 0x6b3343cf is in use",
        "right 3",
        side=Side.SERVER,
    ),
    doubtful(
        each_side_chooses_the_version_in_use,
        "there are no keys",
        trace(HELLO, ANSWER, EXTENSIONS.secret()),
        "could not be decrypted",
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
