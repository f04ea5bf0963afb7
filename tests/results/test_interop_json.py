"""result.json: what is written is read back, and is what quic-interop-runner's readers expect."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.implementation import Image
from quicmatrix.runner.model.measurement import Sample
from quicmatrix.runner.model.run import JobResult, RunResult, TestInfo
from quicmatrix.runner.model.verdict import (
    Outcome,
    RecordedViolation,
    RequirementResult,
    Status,
    Verdict,
)
from quicmatrix.runner.results.matrix import settled
from quicmatrix.runner.results.run_files import RESULT_FILE, load, write_result
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Evidence, Level

RESULT_OF_ONE = RequirementResult(
    "client_repeats_the_token",
    Level.MUST,
    "RFC 9000, 8.1.2",
    "The client repeats the token.",
    compat=True,
    status=Status.VIOLATED,
    violations=(
        RecordedViolation(
            "it is another", Side.CLIENT, (Evidence(Side.SERVER, 4, 0.25, "Initial", 1),)
        ),
    ),
)
JOB = JobResult(
    client="a",
    server="b",
    test="retry",
    repetition=1,
    seed=7,
    verdict=Verdict(Outcome.FAILED, "the client: it is another", (RESULT_OF_ONE,), 1),
    started_at=10.0,
    duration_s=1.5,
    folder="b_a/retry",
    command="quicmatrix run",
)
RESULT = RunResult(
    run_id="r",
    started_at=1.0,
    ended_at=2.0,
    folder="runs/x",
    clients=("a",),
    servers=("b", "c"),
    urls={"a": "https://example.org"},
    tests=(TestInfo("retry", "S", "It retries.", "simple-p2p", overridden=("timeout=9s",)),),
    seed=7,
    planned=2,
    jobs=(JOB,),
    tools={"tshark": "4.0.17"},
    images={"a": Image("me/a:1", "sha256:01", "amd64", ("me/a@sha256:23",))},
)


def attempts(*outcomes: Outcome) -> tuple[JobResult, ...]:
    return tuple(
        replace(JOB, repetition=number, verdict=Verdict(outcome))
        for number, outcome in enumerate(outcomes, 1)
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    write_result(RESULT, tmp_path / RESULT_FILE)
    assert load(tmp_path) == RESULT
    assert load(tmp_path / "result.json") == RESULT


def test_quic_interop_runners_keys(tmp_path: Path) -> None:
    write_result(RESULT, tmp_path / RESULT_FILE)
    document = json.loads((tmp_path / "result.json").read_text())
    assert document["results"] == [
        [{"abbr": "S", "name": "retry", "result": "failed"}],
        [{"abbr": "S", "name": "retry", "result": None}],
    ]
    assert document["tests"]["S"]["name"] == "retry"
    assert document["quic_version"] == "0x1"
    assert len(document["measurements"]) == 2


@pytest.mark.parametrize(
    ("outcomes", "word"),
    [
        ([Outcome.PASSED], "succeeded"),
        ([Outcome.NONCONFORMANT], "succeeded"),
        ([Outcome.UNSUPPORTED], "unsupported"),
        ([Outcome.TIMEOUT], "failed"),
        ([Outcome.CRASHED], "failed"),
        ([Outcome.INCONCLUSIVE], None),
        ([Outcome.ERROR], None),
        ([Outcome.PASSED, Outcome.FAILED], "failed"),
        ([Outcome.PASSED, Outcome.ERROR], None),
    ],
)
def test_the_worst_repetition_is_what_is_exported(
    tmp_path: Path, outcomes: list[Outcome], word: str | None
) -> None:
    write_result(replace(RESULT, jobs=attempts(*outcomes)), tmp_path / RESULT_FILE)
    document = json.loads((tmp_path / "result.json").read_text())
    assert document["results"][0][0]["result"] == word


def test_a_damaged_result_is_named(tmp_path: Path) -> None:
    write_result(RESULT, tmp_path / RESULT_FILE)
    path = tmp_path / "result.json"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"result\.json"):
        load(path)


def test_a_result_of_another_format_is_refused(tmp_path: Path) -> None:
    write_result(RESULT, tmp_path / RESULT_FILE)
    path = tmp_path / "result.json"
    path.write_text(path.read_text().replace('"jobs_format": 2', '"jobs_format": 99'))
    with pytest.raises(UserError, match="99"):
        load(path)


def test_no_result_at_all(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        load(tmp_path)


GOODPUT = TestInfo("goodput", "G", "It is fast.", "simple-p2p", is_measurement=True)


def measured(*samples: Sample | None) -> RunResult:
    """A run with a measurement of these samples; where there is none, the repetition failed."""
    jobs = tuple(
        replace(
            JOB,
            test="goodput",
            repetition=number,
            verdict=Verdict(Outcome.PASSED if sample else Outcome.FAILED),
            sample=sample,
        )
        for number, sample in enumerate(samples, 1)
    )
    return replace(RESULT, tests=(*RESULT.tests, GOODPUT), jobs=jobs)


def measurement(tmp_path: Path, result: RunResult) -> dict[str, object]:
    write_result(result, tmp_path / RESULT_FILE)
    assert load(tmp_path) == result
    document = json.loads((tmp_path / "result.json").read_text())
    assert [entry["abbr"] for entry in document["results"][0]] == ["S"]
    ((entry,), _) = document["measurements"]
    assert isinstance(entry, dict)
    return entry


def test_a_measurement_in_quic_interop_runner_s_words_and_ours(tmp_path: Path) -> None:
    samples = (Sample(9000.5, 0.5), Sample(9200.5, 0.6, "machine too busy"))
    entry = measurement(tmp_path, measured(*samples))
    quic_interop_runners = {key: entry[key] for key in ("abbr", "name", "result", "details")}
    assert quic_interop_runners == {
        "abbr": "G",
        "name": "goodput",
        "result": "succeeded",
        "details": "9100 (± 141) kbps",
    }
    assert entry["samples_kbps"] == [9000.5, 9200.5]
    assert entry["mean_kbps"] == 9100.5
    assert entry["deviation_kbps"] == 141.421
    assert entry["confidence_95_kbps"] == [9000.5, 9200.5]
    assert entry["tcp_share"] == 0.55
    assert entry["doubts"] == ["machine too busy"]


def test_a_failed_repetition_makes_no_sample_and_fails_the_measurement(tmp_path: Path) -> None:
    entry = measurement(tmp_path, measured(Sample(9000), None))
    assert entry["result"] == "failed"
    assert entry["samples_kbps"] == [9000]
    assert measurement(tmp_path, measured(None))["details"] == ""


def test_the_last_attempt_at_a_job_is_what_is_exported(tmp_path: Path) -> None:
    failed, passed = attempts(Outcome.FAILED, Outcome.PASSED)
    jobs = (failed, replace(passed, repetition=1, attempt=2))
    assert settled(jobs) == jobs[1:]
    write_result(replace(RESULT, jobs=jobs), tmp_path / RESULT_FILE)
    document = json.loads((tmp_path / "result.json").read_text())
    assert document["results"][0][0]["result"] == "succeeded"
    assert [job["attempt"] for job in document["jobs"]] == [1, 2]


def test_two_tests_with_one_letter_have_two_keys(tmp_path: Path) -> None:
    twin = TestInfo("retry-twice", "S", "It retries twice.", "simple-p2p")
    other = replace(JOB, test="retry-twice", verdict=Verdict(Outcome.PASSED))
    result = replace(RESULT, tests=(*RESULT.tests, twin), jobs=(JOB, other))
    write_result(result, tmp_path / RESULT_FILE)
    document = json.loads((tmp_path / RESULT_FILE).read_text())
    assert [(one["abbr"], one["result"]) for one in document["results"][0]] == [
        ("S", "failed"),
        ("retry-twice", "succeeded"),
    ]
    assert load(tmp_path) == result


def exported(tmp_path: Path, result: RunResult, **results: Outcome) -> dict[str, str | None]:
    """The words on each pair, ``ab`` being client a and server b."""
    jobs = tuple(
        replace(JOB, client=pair[0], server=pair[1], verdict=Verdict(outcome))
        for pair, outcome in results.items()
    )
    write_result(replace(result, jobs=jobs), tmp_path / RESULT_FILE)
    rows = iter(json.loads((tmp_path / RESULT_FILE).read_text())["results"])
    return {
        client + server: next(rows)[0]["result"]
        for client in result.clients
        for server in result.servers
    }


def test_under_compat_what_fails_with_every_peer_is_unsupported(tmp_path: Path) -> None:
    failed, passed, unsupported = Outcome.FAILED, Outcome.PASSED, Outcome.UNSUPPORTED
    square = replace(RESULT, clients=("a", "b"), servers=("a", "b"), compat=True)
    seen = {"aa": failed, "ab": unsupported, "ba": passed, "bb": failed}
    words = exported(tmp_path, square, **seen)
    # It is unsupported by client a; server b then has no peer with which it works either.
    assert words == {
        "aa": "unsupported",
        "ab": "unsupported",
        "ba": "succeeded",
        "bb": "unsupported",
    }
    assert exported(tmp_path, replace(square, compat=False), **seen)["aa"] == "failed"
    seen |= {"ab": Outcome.INCONCLUSIVE}
    assert exported(tmp_path, square, **seen)["aa"] == "failed"


def test_a_client_alone_is_not_called_unsupporting(tmp_path: Path) -> None:
    alone = replace(RESULT, clients=("a",), servers=("b", "c"), compat=True)
    words = exported(tmp_path, alone, ab=Outcome.FAILED, ac=Outcome.FAILED)
    assert words == {"ab": "failed", "ac": "failed"}


def test_a_measurement_that_cannot_be_told_has_no_entry(tmp_path: Path) -> None:
    result = measured(Sample(9000))
    (job,) = result.jobs
    unknown = replace(job, verdict=Verdict(Outcome.INCONCLUSIVE), sample=None)
    write_result(replace(result, jobs=(unknown,)), tmp_path / RESULT_FILE)
    assert json.loads((tmp_path / RESULT_FILE).read_text())["measurements"] == [[], []]


def test_one_sample_has_no_deviation(tmp_path: Path) -> None:
    entry = measurement(tmp_path, measured(Sample(9000)))
    assert (entry["details"], entry["deviation_kbps"]) == ("9000 kbps", None)
