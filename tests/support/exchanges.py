"""Tiny hand-built exchanges of a tester with a server under test, unless the client is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from quicmatrix.runner.judge.evaluate import evaluate
from quicmatrix.runner.model.verdict import RequirementResult, Status
from quicmatrix.runner.trace.model import (
    Ack,
    Capture,
    ConnectionClose,
    EcnCounts,
    Side,
    Stream,
    Trace,
)
from quicmatrix.testcases.conformance import cases
from quicmatrix.testcases.model import Observation, Step
from tests.support.story import Leg, record, server, trace

VIOLATION = 0x0A

_BY_ID = {case.id: case for case in cases()}


def exchange(
    *legs: Leg,
    stimuli: Sequence[int] = (1,),
    probes: Sequence[int] = (),
    other_steps: Mapping[str, int] | None = None,
    tester: Side = Side.CLIENT,
    **changes: Any,
) -> Observation:
    """What was observed.

    Args:
        legs: The traffic.
        stimuli: The places of the tester's datagrams that are the stimulus, from 1.
        probes: The same of PINGs that are sent to see whether it goes on.
        other_steps: The place of a datagram that is some other kind of step, by the kind.
        tester: Its role.
        changes: Of the record.
    """
    seen = trace(*legs)
    seen = Trace(_digested(seen.left), _digested(seen.right))
    steps = []
    others = [(kind, (place,)) for kind, place in (other_steps or {}).items()]
    for kind, places in (("stimulus", stimuli), ("probe", probes), *others):
        for place in places:
            packets = [
                one for one in seen.near(tester.peer).packets if one.datagram.frame_number == place
            ]
            number = packets[0].number if packets else None
            packet = str(packets[0].type) if packets else ""
            steps.append(Step(0.0, kind, "", str(place), packet, number))
    return Observation(seen, record(tester=tester, **changes), tuple(steps))


def ack(*numbers: int, ecn: EcnCounts | None = None) -> Ack:
    """An ACK frame of these numbers, each in a range of its own."""
    ranges = tuple((number, number) for number in sorted(numbers, reverse=True))
    return Ack(max(numbers), 0, ranges, ecn)


def close(code: int = VIOLATION, *, application: bool = False) -> Leg:
    """The server closes."""
    return server.one_rtt(ConnectionClose(code, None if application else 0, "", application))


def stream(stream_id: int, offset: int = 0, length: int = 10, *, fin: bool = False) -> Stream:
    """A STREAM frame."""
    return Stream(stream_id, offset, length, fin)


def _digested(capture: Capture) -> Capture:
    """The same; a datagram's place is its digest."""
    named = {one: replace(one, digest=str(one.frame_number)) for one in capture.datagrams}
    return replace(
        capture,
        datagrams=tuple(named.values()),
        packets=tuple(replace(one, datagram=named[one.datagram]) for one in capture.packets),
    )


def result_of(case: str, seen: Observation) -> RequirementResult:
    """What a case's own requirement makes of it."""
    return evaluate(_BY_ID[case].requirements[0], seen)


def status_of(case: str, seen: Observation) -> Status:
    """Whether a case's own requirement holds."""
    return result_of(case, seen).status
