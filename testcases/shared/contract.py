"""What the endpoint contract asks in every test case: exit codes, files, logs (docs/contract.md).

These are requirements on what the runner recorded of processes and files, not on packets; but for
the one of packets that no scenario can do without.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence

from quicmatrix.runner.model.attempt import AttemptRecord, Ending, FileRecord, SideRecord
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Finding, Held, Level, Observation, Violation, requirement
from quicmatrix.testcases.shared.fragmentation import datagrams_are_not_fragmented


@requirement(Level.TEST, "interop suite", compat=True)
def unknown_testcase_exits_with_127(seen: Observation) -> Iterator[Finding]:
    """An endpoint exits with 127 when it is asked for a TESTCASE that does not exist."""
    # Each is asked before a run, and started only if both have exited with 127.
    for side in Side:
        process = seen.record.side(side)
        if process.unknown_testcase:
            yield Violation(process.unknown_testcase, side=side)
        elif _started(process):
            yield Held()


@requirement(Level.TEST, "interop suite", compat=True)
def server_answers_the_readiness_probe(seen: Observation) -> Iterator[Finding]:
    """The server answers a packet of an unknown version with a Version Negotiation packet."""
    if _started(seen.record.server):
        if seen.record.server_ready:
            yield Held()
        else:
            yield Violation("it answered no Version Negotiation probe", side=Side.SERVER)


@requirement(Level.TEST, "interop suite", compat=True)
def client_finishes_in_time(seen: Observation) -> Iterator[Finding]:
    """The client is done within the time that the test case gives it."""
    client = seen.record.client
    if client.ending is Ending.OUT_OF_TIME:
        yield Violation(f"it was not done after {client.duration_s:.0f} s", side=Side.CLIENT)
    elif _started(client):
        yield Held(message=f"done after {client.duration_s:.1f} s")


@requirement(Level.TEST, "interop suite", compat=True)
def client_exits_with_0(seen: Observation) -> Iterator[Finding]:
    """The client exits with 0 when it has done what was asked of it."""
    client = seen.record.client
    if client.ending is not Ending.EXITED:
        return
    if client.exit_code == 0:
        yield Held(message="it exited with 0")
    else:
        yield Violation(_end(client), side=Side.CLIENT)


@requirement(Level.TEST, "interop suite", compat=True)
def files_arrive(seen: Observation) -> Iterator[Finding]:
    """The client downloads exactly the files that were requested, byte for byte."""
    if not _started(seen.record.client):
        return
    differences = [Violation(message) for message in _differences(seen.record)]
    yield from differences or (Held(message=f"{len(seen.record.www)} files"),)


@requirement(Level.TEST, "interop suite")
def server_runs_until_it_is_stopped(seen: Observation) -> Iterator[Finding]:
    """The server runs until it is stopped."""
    server = seen.record.server
    if not _started(server):
        return
    by_us = server.signal in (None, signal.SIGTERM, signal.SIGKILL)
    if server.ending is not Ending.EXITED and by_us:
        yield Held()
    else:
        yield Violation(_end(server), side=Side.SERVER)


@requirement(Level.SHOULD, "interop suite")
def server_stops_on_sigterm(seen: Observation) -> Iterator[Finding]:
    """The server stops when it is sent SIGTERM."""
    if seen.record.server.ending is Ending.STOPPED:
        yield Held()
    elif seen.record.server.ending is Ending.KILLED:
        yield Violation("it had to be killed", side=Side.SERVER)


@requirement(Level.TEST, "interop suite")
def endpoints_keep_to_their_log_limit(seen: Observation) -> Iterator[Finding]:
    """An endpoint writes no more to stdout and stderr than its log may hold."""
    for side in Side:
        process = seen.record.side(side)
        if process.ending is Ending.LOG_OVERFLOW:
            yield Violation("it flooded its log and was stopped", side=side)
        elif _started(process):
            yield Held()


@requirement(Level.TEST, "interop suite")
def endpoints_keep_to_their_memory_limit(seen: Observation) -> Iterator[Finding]:
    """An endpoint uses no more memory than it may."""
    for side in Side:
        process = seen.record.side(side)
        if process.out_of_memory:
            yield Violation("it used more memory than it may", side=side)
        elif _started(process):
            yield Held()


@requirement(Level.TEST, "interop suite")
def endpoints_keep_to_their_other_limits(seen: Observation) -> Iterator[Finding]:
    """An endpoint starts no more processes and fills its folders no further than it may."""
    for side in Side:
        process = seen.record.side(side)
        if process.exceeded:
            yield Violation(f"it reached a limit: {', '.join(process.exceeded)}", side=side)
        elif _started(process):
            yield Held()


ATTEMPT_IS_MADE = (
    unknown_testcase_exits_with_127,
    server_answers_the_readiness_probe,
    endpoints_keep_to_their_log_limit,
    endpoints_keep_to_their_memory_limit,
    endpoints_keep_to_their_other_limits,
    server_runs_until_it_is_stopped,
    server_stops_on_sigterm,
    datagrams_are_not_fragmented,
)
"""What comes first in every test case: without it nothing else says anything."""
CLIENT_IS_DONE = (files_arrive, client_finishes_in_time, client_exits_with_0)
"""What comes last in every test case: it is what follows from all else."""
ENDPOINT_CONTRACT = (*ATTEMPT_IS_MADE, *CLIENT_IS_DONE)


def is_done(record: AttemptRecord) -> bool:
    """Whether the client ended by itself and says that it has done what was asked of it."""
    return record.client.ending is Ending.EXITED and record.client.exit_code == 0


def nothing_was_sent(seen: Observation) -> bool:
    """Whether no side sent anything, for certain: the captures and the link agree on that."""
    link, captures = seen.record.link, (seen.trace.left, seen.trace.right)
    counted = link.forwarded_to_client or link.forwarded_to_server or link.dropped
    damaged = link.incomplete or any(one.damage or one.datagrams for one in captures)
    return _started(seen.record.client) and not counted and not damaged


def _started(process: SideRecord) -> bool:
    return process.ending is not Ending.NOT_STARTED


def _end(process: SideRecord) -> str:
    """How a process ended, in words."""
    if process.signal is None:
        return f"it exited with {process.exit_code}"
    try:
        return f"it was ended by {signal.Signals(process.signal).name}"
    except ValueError:
        return f"it was ended by signal {process.signal}"


def _differences(record: AttemptRecord) -> Iterator[str]:
    wanted = {entry.name: entry for entry in record.www}
    found = {entry.name: entry for entry in record.downloads}
    missing = [name for name in wanted if name not in found]
    extra = [name for name in found if name not in wanted]
    if missing:
        yield f"{len(missing)} of {len(wanted)} files are missing: {_listing(missing)}"
    if extra:
        yield f"{len(extra)} that nobody asked for: {_listing(extra)}"
    if not record.downloads_complete:
        yield "/downloads holds more than can be looked at"
    for name, file in wanted.items():
        if name in found:
            yield from _difference(file, found[name])


def _difference(wanted: FileRecord, found: FileRecord) -> Iterator[str]:
    name = _listing([wanted.name])
    if found.kind != wanted.kind:
        yield f"{name} is no file, but: {found.kind}"
    elif found.size != wanted.size:
        yield f"{name} has {found.size} bytes instead of {wanted.size}{_first_difference(found)}"
    elif found.sha256 != wanted.sha256:
        yield f"{name} has the right size but other bytes{_first_difference(found)}"


def _first_difference(found: FileRecord) -> str:
    if found.difference is None:
        return ""
    place = found.difference
    return (
        f": at offset {place.offset} is {place.found or 'the end'}"
        f" instead of {place.expected or 'the end'}"
    )


def _listing(names: Sequence[str], most: int = 3, width: int = 40) -> str:
    shown = [name if len(name) <= width else f"{name[:width]}..." for name in names[:most]]
    return ", ".join(shown) + (", ..." if len(names) > most else "")
