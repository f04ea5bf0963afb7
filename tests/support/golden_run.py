"""A golden run, for the tests of the console, the command line and the reports.

Every outcome there is, a flaky test, a SHOULD that did not decide, an early stop, and names and
messages as a hostile endpoint would make them.
"""

from __future__ import annotations

from dataclasses import fields, replace

from quicmatrix.runner.model.implementation import KnownOutcome
from quicmatrix.runner.model.job import Job
from quicmatrix.runner.model.run import JobResult, RunInfo, RunResult, TestInfo
from quicmatrix.runner.model.verdict import (
    Outcome,
    RecordedViolation,
    RequirementResult,
    Status,
    Verdict,
)
from quicmatrix.runner.results.run_files import Plan
from quicmatrix.runner.trace.model import VERSION_1, VERSION_2, Side
from quicmatrix.testcases.model import Evidence, Level

START = 1795454103.0  # 2026-11-23 17:15:03 UTC

HOSTILE = (
    "<script>alert(1)</script> \x1b[2J\x1b]0;owned\x07 [bold red]x[/] "
    "|`*_[x](javascript:alert(1))`| & ]]> \u202e\n# x"
)

TESTS = (
    TestInfo(
        "handshake",
        "H",
        "The client completes a handshake and fetches a small file.",
        "simple-p2p --delay=15ms --bandwidth=10Mbps --queue=25",
    ),
    TestInfo(
        "retry",
        "S",
        "The server sends a Retry and the client completes the handshake with its token.",
        "simple-p2p --delay=15ms --bandwidth=10Mbps --queue=25",
    ),
    TestInfo(
        "handshakeloss",
        "L1",
        "Fifty connections complete although 30 % of the datagrams are lost.",
        "drop-rate --delay=15ms --bandwidth=10Mbps --queue=25 --rate_to_client=30"
        " --rate_to_server=30 --burst_to_client=3 --burst_to_server=3",
    ),
    TestInfo(
        "v2",
        "V2",
        "Client and server move from version 1 to version 2.",
        "simple-p2p --delay=15ms --bandwidth=10Mbps --queue=25",
    ),
    TestInfo(
        "rebind-port",
        "BP",
        "The client's port changes during a transfer, and the connection survives it.",
        "rebind --delay=15ms --bandwidth=10Mbps --queue=25 --first-rebind=1s --rebind-freq=5s",
    ),
)


def violated(
    name: str, level: Level, citation: str, text: str, *violations: RecordedViolation
) -> RequirementResult:
    """A requirement that was violated."""
    return RequirementResult(
        name, level, citation, text, False, Status.VIOLATED, violations=violations
    )


TOKEN_LOST = violated(
    "client_repeats_the_token",
    Level.MUST,
    "RFC 9000, 8.1.2",
    "The client repeats the Retry's token in all Initial packets it sends afterwards.",
    RecordedViolation(
        "the token is not the Retry's",
        Side.CLIENT,
        (
            Evidence(Side.CLIENT, 3, 0.031250, "Initial", 1),
            Evidence(Side.CLIENT, 5, 0.062500, "Initial", 2),
            Evidence(Side.SERVER, 4, 0.046875, "Initial", 1),
        ),
    ),
)
WRONG_FILE = violated(
    "files_are_downloaded",
    Level.TEST,
    "interop suite",
    "The client downloads all files that it requests.",
    RecordedViolation("/downloads lacks pqmzrtuxwv", Side.CLIENT),
)
SMALL_ACK = violated(
    "ack_frequency",
    Level.SHOULD,
    "RFC 9000, 13.2.1",
    "An endpoint sends an ACK frame for every other ack-eliciting packet.",
    RecordedViolation(
        "11 ack-eliciting packets went unacknowledged",
        Side.SERVER,
        (Evidence(Side.SERVER, 40, 0.412, "1-RTT", 31),),
    ),
)
SMALL_PATH_RESPONSE = violated(
    "path_response_is_expanded",
    Level.MUST,
    "RFC 9000, 8.2.2",
    "An endpoint expands datagrams that contain a PATH_RESPONSE frame to at least 1200 bytes.",
    RecordedViolation(
        "the datagram has 43 bytes",
        Side.SERVER,
        (
            Evidence(Side.SERVER, 812, 1.031, "1-RTT", 702),
            Evidence(Side.CLIENT, 809, 1.046, "1-RTT", 702),
        ),
    ),
)
HELD = RequirementResult(
    "handshake_completes",
    Level.TEST,
    "RFC 9001, 4.1.1",
    "The handshake completes at both endpoints.",
    True,
    Status.HELD,
    times_held=2,
    evidence=(
        Evidence(Side.CLIENT, 4, 0.035, "Handshake", 1),
        Evidence(Side.SERVER, 5, 0.051, "1-RTT", 0),
    ),
)
NOT_EXERCISED = RequirementResult(
    "no_data_after_reset",
    Level.MUST,
    "RFC 9000, 3.3",
    "An endpoint sends no STREAM frame on a stream after its RESET_STREAM frame.",
    False,
    Status.NOT_EXERCISED,
    "there is no RESET_STREAM frame",
)
UNDETERMINED = RequirementResult(
    "key_update_is_acknowledged",
    Level.MUST,
    "RFC 9001, 6.1",
    "An endpoint does not initiate another key update before the first is acknowledged.",
    False,
    Status.UNDETERMINED,
    "packet 31 of the client cannot be decrypted",
    times_held=1,
    evidence=(Evidence(Side.CLIENT, 9, 0.1, "1-RTT", 6),),
)


def job(
    client: str,
    server: str,
    test: TestInfo,
    verdict: Verdict,
    *,
    repetition: int = 0,
    duration_s: float = 1.25,
    folder: str | None = None,
) -> JobResult:
    """A result; a repetition of 0 means the only one."""
    place = f"{server}_{client}/{test.name}" + (f"/{repetition}" if repetition else "")
    return JobResult(
        client=client,
        server=server,
        test=test.name,
        repetition=repetition or 1,
        seed=41 + (repetition or 1),
        verdict=verdict,
        started_at=START + 1,
        duration_s=duration_s,
        folder=place if folder is None else folder,
        command=f"quicmatrix run -c {client} -s {server} -t {test.name} --seed 42",
    )


PASSED = Verdict(Outcome.PASSED, version=VERSION_1)
HANDSHAKE, RETRY, LOSS, V2, REBIND = TESTS


def golden_run() -> RunResult:
    """Two by two implementations, five tests, every outcome."""
    failed = Verdict(
        Outcome.FAILED,
        "client_repeats_the_token: the token is not the Retry's",
        (SMALL_ACK, HELD, TOKEN_LOST, UNDETERMINED, NOT_EXERCISED),
        VERSION_1,
    )
    loss = (
        PASSED,
        Verdict(Outcome.TIMEOUT, "the client was not done after 300 s", (), VERSION_1),
        PASSED,
    )
    jobs = (
        job(
            "reference",
            "reference",
            HANDSHAKE,
            Verdict(Outcome.PASSED, "", (HELD, SMALL_ACK, NOT_EXERCISED), VERSION_1),
        ),
        job("reference", "reference", RETRY, PASSED),
        job("reference", "reference", V2, Verdict(Outcome.PASSED, version=VERSION_2)),
        *(
            job("reference", "reference", LOSS, verdict, repetition=number, duration_s=300.0)
            for number, verdict in enumerate(loss, start=1)
        ),
        job("reference", "ngtcp2", HANDSHAKE, PASSED),
        job("reference", "ngtcp2", RETRY, failed),
        job(
            "reference",
            "ngtcp2",
            LOSS,
            Verdict(Outcome.CRASHED, "the server was ended by SIGSEGV after 0.8 s"),
        ),
        job(
            "reference",
            "ngtcp2",
            V2,
            Verdict(Outcome.UNSUPPORTED, "the server exited with 127"),
        ),
        job(
            "reference",
            "ngtcp2",
            REBIND,
            Verdict(
                Outcome.NONCONFORMANT,
                "path_response_is_expanded: the datagram has 43 bytes",
                (HELD, SMALL_PATH_RESPONSE),
                VERSION_1,
            ),
        ),
        job(
            "ngtcp2",
            "reference",
            HANDSHAKE,
            Verdict(Outcome.INCONCLUSIVE, "the client wrote no keys"),
        ),
        job(
            "ngtcp2",
            "reference",
            RETRY,
            Verdict(Outcome.ERROR, "no namespace could be made: disk full"),
            folder="",
        ),
        job(
            "ngtcp2",
            "reference",
            LOSS,
            Verdict(Outcome.FAILED, HOSTILE, (WRONG_FILE,), 0xFF00001D),
        ),
    )
    return RunResult(
        run_id="20261123T171503Z-4f2a",
        started_at=START,
        ended_at=START + 754.4,
        folder="runs/20261123T171503Z",
        clients=("reference", "ngtcp2"),
        servers=("reference", "ngtcp2"),
        urls={"reference": "https://example.org/quicmatrix", "ngtcp2": "javascript:alert(1)"},
        tests=TESTS,
        seed=42,
        planned=19,
        jobs=jobs,
        command_line="quicmatrix run -c reference,ngtcp2 -s reference,ngtcp2 --seed 42",
        tools={"quicmatrix": "0.1.0", "tshark": "4.0.17", "Python": "3.11.2"},
    )


KNOWN_FAILURE = KnownOutcome(
    implementation="a",
    role=Side.CLIENT,
    test="handshake",
    outcome=Outcome.FAILED,
    reason="has no API for it",
    link="https://example.org/25",
)
"""For the smallest run."""


def one_job_run(verdict: Verdict) -> RunResult:
    """The smallest run: client a, server b, one attempt."""
    return RunResult(
        run_id="r",
        started_at=0.0,
        ended_at=1.0,
        folder="runs/r",
        clients=("a",),
        servers=("b",),
        urls={},
        tests=(HANDSHAKE,),
        seed=1,
        planned=1,
        jobs=(job("a", "b", HANDSHAKE, verdict),),
    )


def jobs_of(result: RunResult) -> tuple[Job, ...]:
    """What had been planned for the results of a run."""
    return tuple(
        replace(
            Job.of(one.client, one.server, one.test, one.seed),
            repetition=one.repetition,
            attempt=one.attempt,
        )
        for one in result.jobs
    )


def plan_of(result: RunResult) -> Plan:
    """The plan of a run."""
    info = {one.name: getattr(result, one.name) for one in fields(RunInfo)}
    return Plan(RunInfo(**info), jobs_of(result))
