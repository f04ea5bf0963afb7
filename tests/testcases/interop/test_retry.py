from __future__ import annotations

from typing import Any

import pytest

from quicmatrix.runner.trace.model import Crypto, Side
from quicmatrix.testcases.interop.retry import (
    client_derives_its_keys_from_the_retrys_connection_id,
    client_does_not_reset_the_packet_number,
    client_keeps_its_connection_id,
    client_repeats_the_token,
    client_sends_a_retry_token,
    client_sends_the_same_client_hello,
    client_uses_the_retrys_connection_id,
    retry_integrity_tag_is_right,
    server_chooses_a_new_connection_id,
    server_derives_its_keys_from_the_retrys_connection_id,
    server_sends_a_retry_with_a_token,
    server_sends_one_retry_for_one_datagram,
)
from tests.support.story import (
    Leg,
    Story,
    breaks,
    client,
    client_2,
    crypto,
    doubtful,
    holds,
    server,
    server_2,
    trace,
)

HELLO = client.initial(crypto("hello"), keys_cid=b"original")
RETRY = server.retry(token=b"t", scid=b"retry")


def again(*frames: Crypto, **fields: Any) -> Leg:
    """The client's Initial after the Retry."""
    return client.initial(
        *(frames or (crypto("hello"),)),
        **{"token": b"t", "dcid": b"retry", "keys_cid": b"retry", **fields},
    )


ANSWER = server.initial(keys_cid=b"retry")
DONE = again(crypto("", offset=5), dcid=b"server")
USUAL = trace(HELLO, RETRY, again(), ANSWER, DONE)
LATE = trace(HELLO, HELLO, RETRY, HELLO, again(), ANSWER, DONE)
"""An Initial without the token leaves while the Retry arrives."""
NO_RETRY = trace(HELLO, ANSWER)
CUT = trace(HELLO, RETRY, again(), left_damage="cut off", right_damage="cut off")

ALL = (
    server_sends_a_retry_with_a_token,
    client_sends_a_retry_token,
    client_does_not_reset_the_packet_number,
    client_repeats_the_token,
    client_uses_the_retrys_connection_id,
    client_keeps_its_connection_id,
    client_sends_the_same_client_hello,
    client_derives_its_keys_from_the_retrys_connection_id,
    server_derives_its_keys_from_the_retrys_connection_id,
    server_chooses_a_new_connection_id,
    server_sends_one_retry_for_one_datagram,
    retry_integrity_tag_is_right,
)

STORIES = (
    *(holds(one, "as usual", USUAL) for one in ALL),
    *(holds(one, "the Retry arrives late", LATE) for one in ALL),
    *(doubtful(one, "the captures are cut off", CUT, "cut off") for one in ALL[2:]),
    breaks(
        server_sends_a_retry_with_a_token,
        "there is no Retry",
        NO_RETRY,
        "the server sends no Retry packet",
        side=Side.SERVER,
    ),
    breaks(
        server_sends_a_retry_with_a_token,
        "one of two has no token",
        trace(HELLO, HELLO, RETRY, server.retry(token=b"")),
        "the Retry packet has no token",
        "right 4",
        side=Side.SERVER,
    ),
    doubtful(
        server_sends_a_retry_with_a_token,
        "the capture is cut off before one",
        trace(HELLO, right_damage="cut off"),
        "cut off",
    ),
    breaks(
        client_sends_a_retry_token,
        "it makes one up",
        trace(HELLO, RETRY, again(token=b"mine")),
        "no Initial packet of the client carries the token of a Retry: "
        "at offset 0 of 1 bytes is 0x6d instead of 0x74",
        "left 2",
        side=Side.CLIENT,
    ),
    breaks(
        client_sends_a_retry_token,
        "it alters the last byte",
        trace(HELLO, server.retry(token=b"token"), again(token=b"tokeN")),
        "no Initial packet of the client carries the token of a Retry: "
        "at offset 4 of 5 bytes is 0x4e instead of 0x6e",
        "left 2",
        side=Side.CLIENT,
    ),
    breaks(
        client_sends_a_retry_token,
        "an empty token is none",
        trace(HELLO, server.retry(token=b""), HELLO),
        "no Initial packet of the client carries the token of a Retry",
        "left 2",
        side=Side.SERVER,
    ),
    doubtful(
        client_sends_a_retry_token,
        "the capture is cut off before it",
        trace(HELLO, RETRY, left_damage="cut off"),
        "cut off",
    ),
    holds(
        client_does_not_reset_the_packet_number,
        "each connection counts for itself",
        trace(HELLO, HELLO, RETRY, again(), client_2.initial(number=0)),
    ),
    breaks(
        client_does_not_reset_the_packet_number,
        "it starts from 0 again",
        trace(HELLO, HELLO, RETRY, again(number=0), again(), again(number=7)),
        "packet number 0 follows 1",
        "left 4",
        "left 2",
        side=Side.CLIENT,
        violations=2,
    ),
    doubtful(
        client_does_not_reset_the_packet_number,
        "a packet number is not known",
        trace(HELLO, RETRY, again().secret()),
        "could not be decrypted",
    ),
    holds(
        client_repeats_the_token,
        "it goes by the second of two Retry packets",
        trace(HELLO, HELLO, server.retry(token=b"1"), RETRY, again(), again()),
    ),
    breaks(
        client_repeats_the_token,
        "it forgets it",
        trace(HELLO, RETRY, again(), ANSWER, DONE.but(token=b"")),
        "the token is not the Retry's: at offset 0 of 1 bytes is nothing instead of 0x74",
        "left 5",
        "left 2",
        side=Side.CLIENT,
    ),
    breaks(
        client_repeats_the_token,
        "it takes another Retry's for later packets",
        trace(HELLO, HELLO, RETRY, server.retry(token=b"2"), again(), again(token=b"2")),
        "the token is not the Retry's: at offset 0 of 1 bytes is 0x32 instead of 0x74",
        "left 6",
        "left 3",
        side=Side.CLIENT,
    ),
    holds(
        client_uses_the_retrys_connection_id,
        "until the server chooses another, which may take effect later",
        trace(HELLO, RETRY, again(), ANSWER, again(), DONE),
    ),
    breaks(
        client_uses_the_retrys_connection_id,
        "it keeps the old one",
        trace(HELLO, RETRY, again(dcid=b"original"), ANSWER, DONE),
        "the Destination Connection ID is 6f726967696e616c",
        "left 3",
        "left 2",
        side=Side.CLIENT,
    ),
    breaks(
        client_uses_the_retrys_connection_id,
        "it knows the server's choice before it arrives",
        trace(HELLO, RETRY, ANSWER.lost(), DONE, ANSWER),
        "the Destination Connection ID is 736572766572",
        "left 3",
        "left 2",
        side=Side.CLIENT,
    ),
    breaks(
        client_uses_the_retrys_connection_id,
        "it sends to none",
        trace(HELLO, RETRY, again(dcid=b"")),
        "the Destination Connection ID is empty",
        "left 3",
        "left 2",
        side=Side.CLIENT,
    ),
    breaks(
        client_keeps_its_connection_id,
        "it chooses another one",
        trace(HELLO, RETRY, again(scid=b"fresh")),
        "the Source Connection ID is another one",
        "left 3",
        "left 2",
        side=Side.CLIENT,
    ),
    holds(
        client_sends_the_same_client_hello,
        "in other pieces",
        trace(
            client.initial(crypto("hel")),
            client.initial(crypto("lo", offset=3)),
            RETRY,
            again(crypto("lo", offset=3), crypto("he")),
            again(crypto("llo", offset=2)),
        ),
    ),
    breaks(
        client_sends_the_same_client_hello,
        "it has another random",
        trace(HELLO, RETRY, again(crypto("he")), again(crypto("LLO", offset=2))),
        "the ClientHello has changed: at offset 2 is 0x4c instead of 0x6c",
        "left 4",
        "left 1",
        side=Side.CLIENT,
    ),
    doubtful(
        client_sends_the_same_client_hello,
        "it cannot be read",
        trace(HELLO, RETRY, again().secret()),
        "could not be decrypted",
    ),
    doubtful(
        client_sends_the_same_client_hello,
        "its bytes were not kept",
        trace(HELLO, RETRY, again(Crypto(0, 5))),
        "the CRYPTO data of Initial 1 (frame 3 left) was not kept",
    ),
    breaks(
        server_chooses_a_new_connection_id,
        "it takes the client's",
        trace(HELLO, server.retry(scid=b"original"), again()),
        "both connection IDs are the same",
        "right 2",
        "right 1",
        side=Side.SERVER,
    ),
    holds(
        server_sends_one_retry_for_one_datagram,
        "one for each of two",
        trace(HELLO, RETRY, client_2.initial(), server_2.retry(), HELLO, RETRY),
    ),
    breaks(
        server_sends_one_retry_for_one_datagram,
        "two for the only one that arrives",
        trace(HELLO.lost(), HELLO, RETRY, RETRY, HELLO),
        "it is Retry number 2 after 1 datagrams",
        "right 3",
        side=Side.SERVER,
    ),
    breaks(
        retry_integrity_tag_is_right,
        "it is not",
        trace(HELLO, server.retry(retry_integrity_valid=False)),
        "the Retry Integrity Tag is wrong",
        "right 2",
        side=Side.SERVER,
    ),
    doubtful(
        retry_integrity_tag_is_right,
        "it could not be checked",
        trace(HELLO, server.retry(retry_integrity_valid=None)),
        "the integrity tag of Retry (frame 2 right) could not be checked",
    ),
    breaks(
        client_derives_its_keys_from_the_retrys_connection_id,
        "it keeps the first ones",
        trace(HELLO, RETRY, again(keys_cid=b"original"), again()),
        f"its keys derive from {b'original'.hex()}",
        "left 3",
        "left 2",
        side=Side.CLIENT,
    ),
    breaks(
        server_derives_its_keys_from_the_retrys_connection_id,
        "it keeps the first ones",
        trace(HELLO, RETRY, again(), server.initial(keys_cid=b"original")),
        f"its keys derive from {b'original'.hex()}",
        "right 4",
        "right 2",
        side=Side.SERVER,
    ),
    doubtful(
        client_derives_its_keys_from_the_retrys_connection_id,
        "no known keys decrypt it",
        trace(HELLO, RETRY, again().secret()),
        "could not be decrypted",
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_requirements(story: Story) -> None:
    story.check()
