"""Handshakes as quic-interop-runner counts them, and where that differs from ours."""

from __future__ import annotations

from quicmatrix.runner.judge.judge import Policy, judge
from quicmatrix.runner.model.verdict import Outcome, Verdict
from quicmatrix.runner.trace.model import Trace
from quicmatrix.testcases.model import Observation, TestCase
from quicmatrix.testcases.shared.handshakes import one_handshake, two_handshakes
from tests.support.story import client, client_2, record, server, server_2, trace

BOTH = TestCase("case", "X", "It works.", "c", "s", (one_handshake,))
ANSWERED_TWICE = trace(
    client.initial(token=b"damaged", connection=None).secret(),
    server.retry(),
    client.initial(token=b"new token"),
    server.initial(),
    client.initial(token=b"token", dcid=b"retry"),
    server.initial(scid=b"again"),
)


def judged(seen: Trace, case: TestCase = BOTH, *, compat: bool = True) -> Verdict:
    return judge(Observation(seen, record()), case, Policy(compat=compat))


def test_its_count_decides_under_compat_alone_and_says_why_it_differs() -> None:
    verdict = judged(ANSWERED_TWICE)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.reason == (
        "the server: 2 Source Connection IDs instead of 1, "
        "1 of them for a connection that the server had answered already"
    )
    assert judged(ANSWERED_TWICE, compat=False).outcome is Outcome.PASSED


def test_otherwise_both_counts_are_the_same() -> None:
    first, second = (client.initial(), server.initial()), (client_2.initial(), server_2.initial())
    two = TestCase("case", "X", "It works.", "c", "s", (two_handshakes,))
    for seen, case, outcome in (
        (trace(*first), BOTH, Outcome.PASSED),
        (trace(*first, *second), two, Outcome.PASSED),
        (trace(*first, *second), BOTH, Outcome.FAILED),
        (trace(*first), two, Outcome.FAILED),
        (trace(client.initial()), BOTH, Outcome.FAILED),
        (trace(*first, right_damage="cut off"), BOTH, Outcome.INCONCLUSIVE),
    ):
        assert [judged(seen, case, compat=compat).outcome for compat in (False, True)] == [
            outcome
        ] * 2
