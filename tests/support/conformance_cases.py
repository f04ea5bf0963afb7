"""Made-up conformance cases, for tests of what selects and runs them."""

from __future__ import annotations

from quicmatrix.endpoint.tester.tester import Tester
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.conformance.model import BOTH, TRANSFER, Case, Flow
from quicmatrix.testcases.model import Level, Observation, Requirement

RETRY = Flow("retry", "retry")


async def _nothing(_: Tester) -> None:
    """No stimulus."""


def made_up(
    name: str,
    level: Level = Level.MUST,
    roles: frozenset[Side] = BOTH,
    flow: Flow = TRANSFER,
) -> Case:
    """A case whose requirement finds nothing."""
    citation = name.replace("rfc", "RFC ").rpartition("/")[0].replace("/", ", ")
    text = f"What {name} says is so."
    its: Requirement[Observation] = Requirement(
        name, level, citation, text, False, lambda _: iter(())
    )
    return Case(name, level, citation, text, roles, flow, _nothing, (its,), ("F-1",))


CASES = (
    made_up("control/retry", Level.TEST, flow=RETRY),
    made_up("control/transfer", Level.TEST),
    made_up("rfc9000/4.5/final-size", Level.SHOULD),
    made_up("rfc9000/10.3/short-reset", roles=frozenset({Side.CLIENT})),
    made_up("rfc9000/19.8/stream-fin", roles=frozenset({Side.SERVER})),
    made_up("rfc9000/19.8/stream-offset"),
    made_up("rfc9000/19.10/stream-data", Level.MAY),
    made_up("rfc9000/A.1/stream-number"),
    made_up("rfc9001/5/retry-tag", flow=RETRY),
)
"""In the order of their ids."""
