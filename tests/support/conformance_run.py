"""Made-up conformance runs, for tests of what shows them."""

from __future__ import annotations

from dataclasses import replace

from quicmatrix.runner.model.run import ComplianceCount, JobResult, RunResult, TestInfo
from quicmatrix.runner.model.verdict import (
    Outcome,
    RecordedViolation,
    RequirementResult,
    Status,
    Verdict,
)
from quicmatrix.runner.trace.model import VERSION_1, Side
from quicmatrix.testcases.model import Evidence, Level, Step

SCENARIO = "simple-p2p --delay=1ms"
CONTROL = TestInfo(
    "control/transfer",
    "",
    "A file is transferred.",
    SCENARIO,
    level=Level.TEST,
    citation="control",
    control="control/transfer",
)
HTTP3 = replace(CONTROL, name="control/http3", control="control/http3")
MUST, SHOULD, OTHER = (
    TestInfo(
        f"rfc9000/{section}/{name}",
        "",
        f"An endpoint refuses a {name}.",
        SCENARIO,
        level=level,
        citation=f"RFC 9000, {section}",
        control="control/transfer",
        rows=("F-1",),
    )
    for section, name, level in (
        ("4.5", "changed-final-size", Level.MUST),
        ("5.1", "short-id", Level.SHOULD),
        ("19.8", "long-stream", Level.MUST),
    )
)
H3 = replace(MUST, name="rfc9114/7/no-settings", control="control/http3", citation="RFC 9114, 7")
TESTS = (HTTP3, CONTROL, MUST, SHOULD, OTHER, H3)
HELD = Verdict(Outcome.PASSED, version=VERSION_1)


STIMULUS = Step(1.5, "stimulus", "33 bytes", "7908c1b3c201cf6d", "1-RTT", 6)


def violated(test: TestInfo, outcome: Outcome, answer: str = "went on") -> Verdict:
    """A verdict whose case's own requirement is violated."""
    assert test.level is not None
    message = "it goes on, and acknowledges a PING that was sent afterwards"
    evidence = (
        Evidence(Side.SERVER, 12, 0.034, "1-RTT", 4),
        Evidence(Side.SERVER, 9, 0.030),
    )
    result = RequirementResult(
        test.name,
        test.level,
        test.citation,
        test.summary,
        False,
        Status.VIOLATED,
        violations=(RecordedViolation(message, Side.SERVER, evidence),),
        answer=answer,
    )
    reason = "" if outcome is Outcome.PASSED else f"the server: {message}"
    return Verdict(outcome, reason, (result,), VERSION_1)


def left_out(control: str, outcome: Outcome = Outcome.INCONCLUSIVE) -> Verdict:
    """Of a case that was not started."""
    return Verdict(outcome, f"its control {control} failed: no PING is acknowledged")


def job(
    test: TestInfo, verdict: Verdict, role: Side = Side.SERVER, repetition: int = 1
) -> JobResult:
    """Of implementation a."""
    client, server = ("tester", "a") if role is Side.SERVER else ("a", "tester")
    return JobResult(
        client=client,
        server=server,
        test=test.name,
        repetition=repetition,
        seed=6 + repetition,
        verdict=verdict,
        started_at=1.0,
        duration_s=0.2,
        folder=f"{server}_{client}/{test.name}",
        command=f"quicmatrix conform a --role {role} -t {test.name} --seed 7",
        tester=role.peer,
        stimulus=() if test.control == test.name else (STIMULUS,),
    )


def conformance_run(*jobs: JobResult) -> RunResult:
    """A run of these, in both roles."""
    return RunResult(
        run_id="20261130T194500Z-0001",
        started_at=1.0,
        ended_at=9.0,
        folder="runs/x",
        clients=("tester", "a"),
        servers=("tester", "a"),
        urls={},
        tests=TESTS,
        seed=7,
        planned=len(jobs),
        jobs=jobs,
        command_line="quicmatrix conform a",
    )


KEPT = ComplianceCount(
    implementation="a",
    role=Side.SERVER,
    id="rfc9000/12.3/packet-numbers",
    level=Level.MUST,
    citation="RFC 9000, 12.3",
    text="Packet numbers increase.",
    held=2,
)
BROKEN = replace(
    KEPT,
    id="rfc9000/8.2.2/response-size",
    citation="RFC 9000, 8.2.2",
    text="Datagrams with PATH_RESPONSE have 1200 bytes.",
    held=1,
    violated=2,
    violation=RecordedViolation(
        "the datagram has 43 bytes", Side.SERVER, (Evidence(Side.SERVER, 81, 1.03, "1-RTT", 70),)
    ),
    folder="a_tester/control/transfer",
    command="quicmatrix conform a --role server -t control/transfer --seed 7",
)

GOLDEN = conformance_run(
    job(CONTROL, HELD),
    job(HTTP3, Verdict(Outcome.UNSUPPORTED, "the server exited with 127: no TESTCASE http3")),
    job(MUST, violated(MUST, Outcome.NONCONFORMANT)),
    job(SHOULD, violated(SHOULD, Outcome.PASSED)),
    job(OTHER, Verdict(Outcome.CRASHED, "the server was ended by SIGSEGV")),
    job(H3, left_out("control/http3", Outcome.UNSUPPORTED)),
    job(CONTROL, Verdict(Outcome.FAILED, "the client: no PING is acknowledged"), Side.CLIENT),
    job(MUST, left_out("control/transfer"), Side.CLIENT),
)
"""A server with one row of each kind, and a client whose control failed."""
WITH_COMPLIANCE = replace(GOLDEN, compliance=(KEPT, BROKEN))
"""The same, and what the server's control showed without a stimulus."""
