"""TESTCASE is obeyed: one rule for each test case that shows it on the wire.

Whether it is, is judged by the requirements that quic-interop-runner has for the test case: a Retry
for ``retry``, nothing but ChaCha20 offered for ``chacha20``, version 2 for ``v2``, and so on. An
implementation that does not do a test case says so, with 127, and keeps the rule by that.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from quicmatrix.runner.contract_check.model import (
    Broken,
    Conversation,
    Importance,
    Inapplicable,
    Observations,
    Rule,
    Unseen,
)
from quicmatrix.runner.execute.contract import NOT_SUPPORTED
from quicmatrix.runner.model.attempt import Ending, SideRecord
from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.results import formatting
from quicmatrix.runner.trace.model import Side

SHOWS = {
    "chacha20": "the client offers TLS_CHACHA20_POLY1305_SHA256 and nothing else",
    "retry": "the server sends a Retry, and the client comes back with its token",
    "resumption": "a second connection resumes the session of the first",
    "zerortt": "a second connection has its requests in 0-RTT packets",
    "http3": "files are transferred over HTTP/3",
    "keyupdate": "both sides update their keys",
    "v2": "the connection moves on from QUIC version 1 to version 2",
    "multiconnect": "each file has a connection of its own",
}
"""By what one can tell that a test case was obeyed."""


def obedience(role: Side, testcases: Iterable[str]) -> tuple[Rule, ...]:
    """The rules for one role."""
    return tuple(
        Rule(
            name=f"{role}_obeys_{testcase}",
            role=role,
            importance=Importance.REQUIRED,
            text=f"The {role} obeys TESTCASE={testcase}: {SHOWS[testcase]}.",
            hint=f"do what {testcase} asks, or exit with 127 when TESTCASE is {testcase}",
            trials=(f"{role}-{testcase}",),
            check=partial(_obeys, role, f"{role}-{testcase}"),
        )
        for testcase in testcases
    )


def side(conversation: Conversation, role: Side) -> SideRecord:
    """How the process of a side went."""
    record = conversation.record
    return record.client if role is Side.CLIENT else record.server


def refuses(conversation: Conversation, role: Side) -> bool:
    """Whether a side says that it does not do the test case."""
    its = side(conversation, role)
    return its.ending is Ending.EXITED and its.exit_code == NOT_SUPPORTED


def _obeys(role: Side, trial: str, seen: Observations) -> str:
    conversation = seen.conversation(trial)
    verdict = conversation.verdict
    if refuses(conversation, role):
        raise Inapplicable("it exits with 127: it does not do this test case")
    if not conversation.record.server_ready and role is Side.CLIENT:
        raise Unseen("the peer's server did not get ready")
    match verdict.outcome:
        case Outcome.PASSED:
            return "files and packets are as they must be"
        case Outcome.ERROR | Outcome.INCONCLUSIVE | Outcome.UNSUPPORTED:
            raise Unseen(verdict.reason)
        case _:
            raise Broken(_reason(conversation))


def _reason(conversation: Conversation) -> str:
    """Why a verdict is what it is, and where that can be seen."""
    verdict = conversation.verdict
    evidence = [one for violation in verdict.violations for one in violation.evidence]
    where = f" ({formatting.place(evidence[0])})" if evidence else ""
    return verdict.reason + where
