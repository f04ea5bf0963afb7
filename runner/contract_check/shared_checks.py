"""Checks that both roles share, each on the implementation under test in one role."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from quicmatrix.runner.contract_check.model import ObservedAttempt, UnknownTestcase
from quicmatrix.runner.execute.contract import NOT_SUPPORTED
from quicmatrix.runner.model.attempt import Ending, SideRecord
from quicmatrix.runner.trace.model import PacketType, Side
from quicmatrix.testcases.model import Finding, Held, Inconclusive, Violation

LABELS = (
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_TRAFFIC_SECRET_0",
    "SERVER_TRAFFIC_SECRET_0",
)
"""The secrets that decrypt a connection without 0-RTT."""
LOG_BYTES = 16_000_000
_PROTECTED = (PacketType.HANDSHAKE, PacketType.ONE_RTT)
_WIDTH = 40


def exits_with_127(seen: UnknownTestcase, role: Side) -> Iterator[Finding]:
    """It exits with 127 for a TESTCASE that does not exist."""
    if seen.problem:
        yield Violation(seen.problem, side=role)
    else:
        yield Held(message=f"exit code 127 after {seen.duration_s:.1f} s")


def every_test_requires(seen: ObservedAttempt, *names: str) -> Iterator[Finding]:
    """The findings of requirements that every test case has, e.g. ``files_arrive``.

    Args:
        seen: The attempt.
        names: The requirements, by name.
    """
    requirements = {one.name: one for one in seen.test.requirements}
    for name in names:
        for finding in requirements[name](seen.observation):
            if isinstance(finding, Violation) and not finding.evidence:
                yield Violation(with_last_line(finding.message, seen), side=finding.side)
            else:
                yield finding


def key_log_decrypts_all(seen: ObservedAttempt, role: Side) -> Iterator[Finding]:
    """Its key log decrypts all packets of the capture on its side; the peer wrote none."""
    labels = Counter(seen.logs.secrets)
    capture = seen.observation.trace.near(role)
    if capture.damage:
        raise Inconclusive(f"the capture: {capture.damage}")
    packets = [packet for packet in capture.packets if packet.type in _PROTECTED]
    if not packets:
        raise Inconclusive("there was no protected packet")
    unread = [packet for packet in packets if not packet.decrypted]
    missing = [label for label in LABELS if label not in labels]
    if not labels:
        exists = any(file.name == "keys.log" for file in seen.logs.files)
        text = "keys.log has no line in NSS key log format" if exists else "there is no keys.log"
        yield Violation(text, side=role)
    elif missing:
        yield Violation(f"keys.log has no {listing(missing, most=4)}", side=role)
    elif unread:
        read = len(packets) - len(unread)
        yield Violation(
            f"keys.log decrypts {read} of {len(packets)} packets", *unread[:3], side=role
        )
    else:
        yield Held(message=f"{labels.total()} secrets, {len(packets)} packets decrypted")


def writes_qlog(seen: ObservedAttempt, role: Side) -> Iterator[Finding]:
    """There is a file in QLOGDIR that begins as a qlog does."""
    if seen.logs.qlogs:
        names = (name.rpartition("/")[2] for name in seen.logs.qlogs)
        yield Held(message=listing(names))
        return
    others = [file.name for file in seen.logs.files if file.name.startswith("qlog/")]
    text = f"no file in QLOGDIR begins as a qlog does: {listing(others)}"
    yield Violation(text if others else "QLOGDIR is empty", side=role)


def modifies_nothing(seen: ObservedAttempt, role: Side) -> Iterator[Finding]:
    """/www and /certs are as they were."""
    if seen.modified_files:
        yield Violation(f"modified: {listing(seen.modified_files)}", side=role)
    else:
        yield Held(message="nothing was modified")


def logs_are_small(seen: ObservedAttempt, role: Side) -> Iterator[Finding]:
    """All files in /logs together are at most :data:`LOG_BYTES` large."""
    files = seen.logs.files
    total = sum(file.size for file in files)
    text = f"{total / 1e6:.2f} MB in {len(files)} files"
    if total > LOG_BYTES:
        largest = max(files, key=lambda file: file.size)
        yield Violation(f"{text}, most of it in {listing([largest.name])}", side=role)
    else:
        yield Held(message=text)


def is_unsupported(its: SideRecord) -> bool:
    """Whether a side's process exited with 127: it does not support the test case."""
    return its.ending is Ending.EXITED and its.exit_code == NOT_SUPPORTED


def describe_end(its: SideRecord) -> str:
    """How a side's process ended, as the predicate of a sentence."""
    match its.ending:
        case Ending.OUT_OF_TIME:
            return f"still ran after {its.duration_s:.0f} s, and was stopped"
        case Ending.LOG_OVERFLOW:
            return "wrote more to its output than its log may hold, and was stopped"
        case Ending.NOT_STARTED:
            return "was not started"
    if its.signal is not None:
        return f"was ended by signal {its.signal}"
    return f"exited with {its.exit_code}"


def with_last_line(text: str, seen: ObservedAttempt) -> str:
    """A text, and the last line that the implementation under test wrote."""
    last_line = seen.logs.last_line
    return f"{text}; its last output: {last_line}" if last_line else text


def listing(names: Iterable[str], most: int = 3) -> str:
    """The first names of many, each of bounded length."""
    first = list(islice(names, most + 1))
    shown = [name if len(name) <= _WIDTH else f"{name[:_WIDTH]}..." for name in first[:most]]
    return ", ".join(shown) + (", ..." if len(first) > most else "")
