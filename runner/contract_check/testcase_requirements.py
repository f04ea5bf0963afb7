"""The implementation does what TESTCASE says: one requirement for each test case that shows it.

It is judged as a run judges the test case: a Retry for ``retry``, nothing but ChaCha20 offered for
``chacha20``, version 2 for ``v2``, and so on. An RFC's MUST that was broken on the way is no breach
of the contract, but is said. It is not exercised
if the implementation exits with 127, as the contract asks of one that does not support a test case.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from quicmatrix.runner.contract_check.model import ContractRequirement, Observations
from quicmatrix.runner.contract_check.shared_checks import is_unsupported
from quicmatrix.runner.model.verdict import Outcome, Verdict
from quicmatrix.runner.results import formatting
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import (
    Finding,
    Held,
    Inconclusive,
    Level,
    NotExercised,
    Requirement,
    Violation,
)

EFFECTS = {
    "chacha20": "the client offers TLS_CHACHA20_POLY1305_SHA256 and nothing else",
    "retry": "the server sends a Retry, and the client comes back with its token",
    "resumption": "a second connection resumes the session of the first",
    "zerortt": "a second connection has its requests in 0-RTT packets",
    "http3": "files are transferred over HTTP/3",
    "keyupdate": "both sides update their keys",
    "v2": "the connection moves on from QUIC version 1 to version 2",
    "multiconnect": "each file has a connection of its own",
}
"""What each test case makes visible on the wire."""


def testcase_requirements(role: Side, testcases: Iterable[str]) -> tuple[ContractRequirement, ...]:
    """The requirements on one role."""
    return tuple(
        ContractRequirement(
            Requirement(
                name=f"{role}_implements_{testcase}",
                level=Level.TEST,
                citation="interop suite",
                text=f"The {role} does what TESTCASE={testcase} says: {EFFECTS[testcase]}.",
                compat=True,
                check=partial(_check, role, f"{role}-{testcase}"),
            ),
            role,
            hint=f"do what {testcase} asks, or exit with 127 when TESTCASE is {testcase}",
            cases=(f"{role}-{testcase}",),
        )
        for testcase in testcases
    )


def _check(role: Side, case: str, seen: Observations) -> Iterator[Finding]:
    attempt = seen.attempt(case)
    verdict = attempt.verdict
    if is_unsupported(attempt.record.side(role)):
        yield NotExercised("it exits with 127: it does not support this test case")
        return
    if not attempt.record.server_ready and role is Side.CLIENT:
        raise Inconclusive("the peer's server did not get ready")
    match verdict.outcome:
        case Outcome.PASSED:
            yield Held(message="files and packets are as required")
        case Outcome.NONCONFORMANT:
            yield Held(message=f"it works, but is nonconformant: {_reason(verdict)}")
        case Outcome.ERROR | Outcome.INCONCLUSIVE | Outcome.UNSUPPORTED:
            raise Inconclusive(verdict.reason)
        case _:
            yield Violation(_reason(verdict), side=role)


def _reason(verdict: Verdict) -> str:
    """Why a verdict is what it is, and the first packet that shows it."""
    evidence = [
        one
        for result in verdict.violated
        for violation in result.violations
        for one in violation.evidence
    ]
    place = f" ({formatting.place(evidence[0])})" if evidence else ""
    return verdict.reason + place
