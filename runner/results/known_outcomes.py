"""What is known of implementations, compared with what came out. Pure.

A verdict is what it is, whatever is known: what was announced is shown as such and decides no exit
code. An announced failure that does not happen is reported, so that no entry outlives its reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from quicmatrix.runner.model.implementation import KnownOutcome
from quicmatrix.runner.model.run import JobResult
from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.trace.model import Side


def announced(job: JobResult, known: Iterable[KnownOutcome]) -> tuple[KnownOutcome, ...]:
    """What is known of the participants of an attempt in its test."""
    names = {Side.CLIENT: job.client, Side.SERVER: job.server}
    return tuple(
        one
        for one in known
        if (one.implementation, one.test) == (names[one.role], job.test)
        and one.peer in ("", names[one.role.peer])
    )


def explains(job: JobResult, known: Iterable[KnownOutcome]) -> KnownOutcome | None:
    """The entry that announces how an attempt ended; None if it is not known."""
    found = announced(job, known)
    return next((one for one in found if one.outcome is job.verdict.outcome), None)


def unexpected_passes(
    jobs: Iterable[JobResult], known: Sequence[KnownOutcome]
) -> dict[KnownOutcome, tuple[JobResult, ...]]:
    """The attempts that passed, by the entry that announces otherwise."""
    found: dict[KnownOutcome, list[JobResult]] = {}
    for job in jobs:
        if job.verdict.outcome is Outcome.PASSED:
            for one in announced(job, known):
                found.setdefault(one, []).append(job)
    return {one: tuple(passed) for one, passed in found.items()}


def description(one: KnownOutcome) -> str:
    """Of whom it is known, why, and where that can be read."""
    return f"{cause(one)}, {one.link}"


def cause(one: KnownOutcome) -> str:
    """Of whom it is known, and why: ``known of picoquic as client: makes a new ClientHello``."""
    with_peer = f" with {one.peer}" if one.peer else ""
    return f"known of {one.implementation} as {one.role}{with_peer}: {one.reason}"


def removal(one: KnownOutcome, passed: Sequence[JobResult]) -> str:
    """That a test passed against what is known, and what to do about it."""
    peers = dict.fromkeys(job.server if one.role is Side.CLIENT else job.client for job in passed)
    return (
        f"unexpected pass: {one.test} with {one.implementation} as {one.role}"
        f" (peers: {', '.join(peers)}) is known as {one.outcome}: {one.reason};"
        " remove the entry, or name in it the peer with which it fails"
    )
