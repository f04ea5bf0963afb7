"""The observations of an implementation that fulfils the contract, and ways to change a part."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from quicmatrix.runner.contract_check.cases import TESTCASES
from quicmatrix.runner.contract_check.model import (
    CaseResult,
    EarlyStart,
    EndpointLogs,
    ImageFacts,
    Observations,
    ObservedAttempt,
    UnknownTestcase,
)
from quicmatrix.runner.contract_check.shared_checks import LABELS
from quicmatrix.runner.model.attempt import (
    AttemptRecord,
    Ending,
    EntryKind,
    FileRecord,
    LinkRecord,
    SideRecord,
)
from quicmatrix.runner.model.verdict import Outcome, Verdict
from quicmatrix.runner.plan import select
from quicmatrix.runner.sandbox.model import Exit
from quicmatrix.runner.trace.model import (
    Address,
    Capture,
    Datagram,
    Ecn,
    Packet,
    PacketType,
    Path,
    Side,
    Trace,
)
from quicmatrix.testcases.model import Observation

FILES = (
    FileRecord("alpha", EntryKind.FILE, 1000, "a" * 64),
    FileRecord("beta", EntryKind.FILE, 0, "b" * 64),
)
LOGS = EndpointLogs(
    files=(
        FileRecord("keys.log", EntryKind.FILE, 700, "c" * 64),
        FileRecord("output.log", EntryKind.FILE, 40, "d" * 64),
        FileRecord("qlog/1.sqlog", EntryKind.FILE, 90_000, "e" * 64),
    ),
    secrets=LABELS,
    qlogs=("qlog/1.sqlog",),
    setup_ran=True,
    last_line="all is well",
)
RECORD = AttemptRecord(
    client_name="under_test",
    server_name="reference",
    test="transfer",
    scenario="simple-p2p",
    seed=1,
    repetition=1,
    started_at=0.0,
    duration_s=2.0,
    server_ready=True,
    client=SideRecord(("a",), Ending.EXITED, exit_code=0, duration_s=1.0),
    server=SideRecord(("b",), Ending.STOPPED, exit_code=0, duration_s=1.5),
    link=LinkRecord(),
    www=FILES,
    downloads=FILES,
)
PATH = Path(Address("193.167.0.100", 40000), Address("193.167.100.100", 443))


def packet(type_: PacketType, number: int, **others: Any) -> Packet:
    datagram = Datagram(Side.CLIENT, number + 1, 0.1, Side.CLIENT, PATH, Ecn.NOT_ECT, 1200)
    return Packet(datagram, type_, 1, b"to", b"from", 1200, number=number, **others)


def trace(*packets: Packet) -> Trace:
    return Trace(Capture(Side.CLIENT, (), packets), Capture(Side.SERVER, (), packets))


TRACE = trace(
    packet(PacketType.INITIAL, 0), packet(PacketType.HANDSHAKE, 0), packet(PacketType.ONE_RTT, 0)
)
TRANSFER = next(test for test in select.testcases() if test.name == "transfer")
ATTEMPT = ObservedAttempt(
    TRANSFER, Observation(TRACE, RECORD), Verdict(Outcome.PASSED), LOGS, stop_duration_s=0.1
)
FAILED_ATTEMPT = replace(
    ATTEMPT,
    observation=Observation(
        TRACE, replace(RECORD, client=replace(RECORD.client, exit_code=1), downloads=())
    ),
)
IMAGE = ImageFacts("amd64", "amd64", "linux", ("/run_endpoint.sh",), True, "", 100_000_000)
GOOD = Observations(
    image=IMAGE,
    results={
        **{f"{side}-unknown": UnknownTestcase("", Exit(127), 0.3) for side in Side},
        "client-refused": FAILED_ATTEMPT,
        "client-absent": FAILED_ATTEMPT,
        "client-early": EarlyStart(None, 0, LOGS, TRACE),
        **{
            f"{side}-{test}": ATTEMPT
            for side in Side
            for test in ("transfer", "ipv6", *TESTCASES[side])
        },
    },
)


def with_result(case: str, result: CaseResult) -> Observations:
    """The good observations, with another result of one case."""
    return replace(GOOD, results={**GOOD.results, case: result})


def with_attempt(case: str, **changes: Any) -> Observations:
    """The good observations, with changes to one attempt."""
    return with_result(case, replace(GOOD.attempt(case), **changes))


def with_record(case: str, **changes: Any) -> Observations:
    """The good observations, with changes to the record of one attempt."""
    before = GOOD.attempt(case).observation
    return with_attempt(case, observation=replace(before, record=replace(before.record, **changes)))


def with_trace(case: str, trace: Trace) -> Observations:
    """The good observations, with another trace of one attempt."""
    return with_attempt(case, observation=replace(GOOD.attempt(case).observation, trace=trace))


def with_side(case: str, **changes: Any) -> Observations:
    """The good observations, with changes to the process of the implementation under test."""
    role = case.partition("-")[0]
    before = getattr(GOOD.attempt(case).record, role)
    return with_record(case, **{role: replace(before, **changes)})


def with_logs(case: str, **changes: Any) -> Observations:
    """The good observations, with changes to the endpoint logs of one attempt."""
    return with_attempt(case, logs=replace(GOOD.attempt(case).logs, **changes))
