"""What must become of an HTTP/3 message, for hand-built exchanges."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quicmatrix.endpoint.tester import http3
from quicmatrix.runner.trace.model import (
    Ack,
    ConnectionClose,
    Frame,
    Ping,
    ResetStream,
    Side,
    StopSending,
    Stream,
)
from quicmatrix.testcases.conformance.codes import H3_MESSAGE_ERROR
from quicmatrix.testcases.conformance.expectations import ends_without_error
from quicmatrix.testcases.conformance.messages import rejects_message, takes_message
from quicmatrix.testcases.conformance.model import Expectation, Sentence
from quicmatrix.testcases.model import Level, Observation, Requirement, Step
from tests.support.story import (
    Leg,
    Story,
    breaks,
    client,
    doubtful,
    holds,
    record,
    server,
    trace,
    unexercised,
)

SENTENCE = Sentence("a-case", Level.MUST, "RFC 9114, 4.1.2", "A sentence.")
PINGED, ACKED = 8, Ack(8, 0, ((8, 8),))
END_ACKED = Ack(9, 0, ((9, 9),))


def made(expectation: Expectation, at: int = 0) -> Requirement[Observation]:
    return expectation(SENTENCE)[at]


REJECTED, CODED = (made(rejects_message(H3_MESSAGE_ERROR), at) for at in (0, 1))
TAKEN = made(takes_message())
WITHOUT_ERROR = made(ends_without_error())


def data(stream_id: int, content: bytes, *, fin: bool = False) -> Stream:
    return Stream(stream_id, 0, len(content), fin, content)


def seen(tester: Side, *legs: Leg, downloaded: bool = True) -> Observation:
    """An exchange whose first datagram is the stimulus, and a PING number 8 the probe."""
    traffic = trace(*legs)
    marked = [
        replace(
            capture,
            datagrams=tuple(
                replace(one, digest=f"{one.frame_number}") for one in capture.datagrams
            ),
            packets=tuple(
                replace(one, datagram=replace(one.datagram, digest=f"{one.datagram.frame_number}"))
                for one in capture.packets
            ),
        )
        for capture in (traffic.left, traffic.right)
    ]
    steps = (Step(0, "stimulus", datagram="1"), Step(0, "probe", number=PINGED, datagram="2"))
    facts = record(tester=tester)
    facts = facts if downloaded else replace(facts, downloads=())
    return Observation(replace(traffic, left=marked[0], right=marked[1]), facts, steps)


def of_server(*answers: Frame) -> Observation:
    """A request to a server, and what it sends then."""
    stimulus = client.one_rtt(data(0, b"\x01", fin=True))
    ping = client.one_rtt(Ping(), number=PINGED)
    return seen(Side.CLIENT, stimulus, ping, *(server.one_rtt(frame) for frame in answers))


def of_client(*answers: Frame, downloaded: bool = True) -> Observation:
    """An answer to a client, and what it sends then; the end of the answer is packet 9."""
    legs = [server.one_rtt(data(0, b"\x01")), server.one_rtt(Ping(), number=PINGED)]
    legs.append(server.one_rtt(Stream(0, 1, 4, True, b"1234"), number=9))
    legs.extend(client.one_rtt(frame) for frame in answers)
    return seen(Side.SERVER, *legs, downloaded=downloaded)


def failed(exchange: Observation) -> Observation:
    """The client exits with 1."""
    client_side = replace(exchange.record.client, exit_code=1)
    return replace(exchange, record=replace(exchange.record, client=client_side))


def status(code: int) -> Stream:
    return data(0, http3.headers([(b":status", b"%d" % code)]))


DONE = ConnectionClose(0x100, None, "", application=True)
INSTEAD = "instead of refusing the message with H3_MESSAGE_ERROR (0x10e)"

STORIES = (
    holds(REJECTED, "a reset", of_server(ResetStream(0, 0x10E, 0), ACKED)),
    holds(REJECTED, "a connection error", of_server(ConnectionClose(0x10E, None, "", True))),
    holds(REJECTED, "status 400", of_server(ACKED, status(400))),
    holds(REJECTED, "status 500", of_server(ACKED, status(500))),
    holds(REJECTED, "no answer", of_server(ACKED)),
    holds(REJECTED, "reset behind a status", of_server(status(200), StopSending(0, 0x10E))),
    breaks(
        REJECTED,
        "status 200",
        of_server(ACKED, status(200)),
        f"it answers with status 200, {INSTEAD}",
        "right 4",
        "right 1",
        side=Side.SERVER,
    ),
    breaks(
        REJECTED,
        "status 200 of a server that needs no more",
        of_server(StopSending(0, 0x100), status(200)),
        f"it answers with status 200, {INSTEAD}",
        "right 4",
        "right 1",
        side=Side.SERVER,
    ),
    doubtful(REJECTED, "a status that is not read", of_server(data(0, b"\x01\x02\x00\x00")), "sta"),
    holds(REJECTED, "an answer is stopped", of_client(StopSending(0, 0x10E), ACKED, END_ACKED)),
    holds(REJECTED, "no file", of_client(ACKED, END_ACKED, DONE, downloaded=False)),
    holds(REJECTED, "a failure behind the end", failed(of_client(ACKED, END_ACKED, DONE))),
    holds(REJECTED, "a file of before", of_client(ConnectionClose(0x10E, None, "", True))),
    breaks(
        REJECTED,
        "an answer is taken",
        of_client(ACKED, END_ACKED, DONE),
        f"it takes the answer, and stores the file, {INSTEAD}",
        "left 5",
        "left 1",
        side=Side.CLIENT,
    ),
    holds(CODED, "exact", of_server(ResetStream(0, 0x10E, 0))),
    holds(CODED, "and done", of_client(StopSending(0, 0x10E), DONE, downloaded=False)),
    holds(CODED, "generic", of_server(StopSending(0, 0x101))),
    holds(CODED, "4xx", of_server(status(431))),
    unexercised(CODED, "accepted", of_server(ACKED, status(200)), "was not refused"),
    unexercised(
        CODED,
        "nothing left to stop",
        failed(of_client(ACKED, END_ACKED, DONE)),
        "there was nothing left to stop",
    ),
    breaks(
        CODED,
        "another code",
        of_server(ResetStream(0, 0x10C, 0)),
        "RESET_STREAM with 0x10c, instead of an error of the stream with H3_MESSAGE_ERROR (0x10e)",
        "right 3",
        "right 1",
        side=Side.SERVER,
    ),
    breaks(
        CODED,
        "silence",
        of_server(ACKED),
        "it neither accepts the message nor says an error, instead of an error of the stream"
        " with H3_MESSAGE_ERROR (0x10e)",
        "right 3",
        "right 1",
        side=Side.SERVER,
    ),
    holds(TAKEN, "status 200", of_server(ACKED, status(200))),
    holds(TAKEN, "an answer", of_client(ACKED, END_ACKED, DONE)),
    holds(TAKEN, "a client that is done at once", of_client(ACKED, DONE)),
    holds(TAKEN, "a reset request", of_client(ResetStream(0, 0, 0), ACKED, END_ACKED, DONE)),
    breaks(
        TAKEN,
        "status 400",
        of_server(status(400)),
        "it answers with status 400",
        "right 3",
        "right 1",
        side=Side.SERVER,
    ),
    breaks(TAKEN, "no status", of_server(ACKED), "it does not answer", "right 1", side=Side.SERVER),
    breaks(
        TAKEN,
        "a connection error",
        of_client(ConnectionClose(0x10E, None, "no", True)),
        "it closes the connection with 0x10e no",
        "left 4",
        "left 1",
        side=Side.CLIENT,
    ),
    breaks(
        TAKEN,
        "an answer is stopped",
        of_client(StopSending(0, 0x10C), ACKED),
        "STOP_SENDING with 0x10c",
        "left 4",
        "left 1",
        side=Side.CLIENT,
    ),
    breaks(
        TAKEN,
        "the end is not acknowledged",
        of_client(ACKED),
        "it does not take the whole answer",
        "left 1",
        side=Side.CLIENT,
    ),
    breaks(
        TAKEN,
        "no file",
        of_client(ACKED, END_ACKED, DONE, downloaded=False),
        "it does not store the file",
        "left 5",
        "left 1",
        side=Side.CLIENT,
    ),
    holds(WITHOUT_ERROR, "it goes on", of_server(ACKED)),
    holds(WITHOUT_ERROR, "it is done", of_client(DONE)),
    breaks(
        WITHOUT_ERROR,
        "an error",
        of_client(ConnectionClose(0x102, None, "", True)),
        "it closes the connection with 0x102",
        "left 4",
        "left 1",
        side=Side.CLIENT,
    ),
)


@pytest.mark.parametrize("story", STORIES, ids=str)
def test_stories(story: Story) -> None:
    story.check()


def test_skipped_case_is_not_exercised() -> None:
    observed = of_server(ACKED)
    skipped = replace(observed, steps=(Step(0, "skipped", "its table has no room"),))
    for one in (REJECTED, CODED, TAKEN, WITHOUT_ERROR):
        unexercised(one, "skipped", skipped, "its table has no room").check()
