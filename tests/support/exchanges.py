"""Tiny hand-built exchanges of a tester with a server under test, unless the client is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from quicmatrix.runner.judge.evaluate import evaluate
from quicmatrix.runner.model.verdict import Status
from quicmatrix.runner.trace.model import Capture, Side, Trace
from quicmatrix.testcases.conformance import cases
from quicmatrix.testcases.model import Observation, Step
from tests.support.story import Leg, record, trace

_BY_ID = {case.id: case for case in cases()}


def exchange(
    *legs: Leg,
    stimuli: Sequence[int] = (1,),
    probes: Sequence[int] = (),
    tester: Side = Side.CLIENT,
    **changes: Any,
) -> Observation:
    """What was observed.

    Args:
        legs: The traffic.
        stimuli: The places of the tester's datagrams that are the stimulus, from 1.
        probes: The same of PINGs that are sent to see whether it goes on.
        tester: Its role.
        changes: Of the record.
    """
    seen = trace(*legs)
    seen = Trace(_digested(seen.left), _digested(seen.right))
    steps = []
    for kind, places in (("stimulus", stimuli), ("probe", probes)):
        for place in places:
            packets = [
                one for one in seen.near(tester.peer).packets if one.datagram.frame_number == place
            ]
            number = packets[0].number if packets else None
            packet = str(packets[0].type) if packets else ""
            steps.append(Step(0.0, kind, "", str(place), packet, number))
    return Observation(seen, record(tester=tester, **changes), tuple(steps))


def _digested(capture: Capture) -> Capture:
    """The same; a datagram's place is its digest."""
    named = {one: replace(one, digest=str(one.frame_number)) for one in capture.datagrams}
    return replace(
        capture,
        datagrams=tuple(named.values()),
        packets=tuple(replace(one, datagram=named[one.datagram]) for one in capture.packets),
    )


def status_of(case: str, seen: Observation) -> Status:
    """What a case's own requirement makes of it."""
    return evaluate(_BY_ID[case].requirements[0], seen).status
