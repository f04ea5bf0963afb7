from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from quicmatrix.runner.model.verdict import (
    ComplianceResult,
    Outcome,
    RecordedViolation,
    Status,
    Verdict,
)
from quicmatrix.runner.results.compliance import compliance_counts
from quicmatrix.runner.results.run_files import MOST_STEPS, stimulus
from quicmatrix.runner.results.sections import section_order
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Level, Step
from tests.support.golden_run import HANDSHAKE, PASSED, RETRY, job

NUMBERS = ComplianceResult(
    "rfc9000/12.3/packet-numbers",
    Side.SERVER,
    Level.MUST,
    "RFC 9000, 12.3",
    "Packet numbers increase.",
    Status.HELD,
)
FINAL = replace(NUMBERS, id="rfc9000/4.5/final-size", citation="RFC 9000, 4.5")
FIRST = RecordedViolation("7 again", Side.SERVER)


def broken(message: str) -> ComplianceResult:
    seen = (RecordedViolation(message, Side.SERVER), RecordedViolation("more"))
    return replace(NUMBERS, status=Status.VIOLATED, violations=seen)


def test_attempts_are_counted_by_implementation_role_and_requirement() -> None:
    one, two = job("a", "b", HANDSHAKE, PASSED), job("a", "b", RETRY, PASSED)
    other = job("b", "b", RETRY, PASSED)
    lost = replace(NUMBERS, status=Status.UNDETERMINED, reason="no keys")
    of_client = replace(FINAL, role=Side.CLIENT)
    counts = compliance_counts(
        (
            (one, (NUMBERS, FINAL, of_client)),
            (two, (broken("7 again"),)),
            (other, (broken("8 again"), of_client)),
            (other, (lost,)),
        )
    )
    assert [(it.implementation, it.role, it.id) for it in counts] == [
        ("a", Side.CLIENT, FINAL.id),
        ("b", Side.CLIENT, FINAL.id),
        ("b", Side.SERVER, FINAL.id),
        ("b", Side.SERVER, NUMBERS.id),
    ]
    numbers = counts[-1]
    assert (numbers.held, numbers.violated, numbers.undetermined) == (1, 2, 1)
    assert numbers.violation == FIRST
    assert (numbers.folder, numbers.command) == (two.folder, two.command)
    assert numbers.reason == "no keys"
    assert [it.status for it in counts] == [Status.HELD] * 3 + [Status.VIOLATED]


def test_a_violation_without_a_record_is_counted_like_any_other() -> None:
    bare = replace(NUMBERS, status=Status.VIOLATED)
    one = job("a", "b", HANDSHAKE, PASSED)
    (count,) = compliance_counts(((one, (bare,)), (one, (bare,))))
    assert (count.violated, count.violation) == (2, None)


def test_undetermined_is_worse_than_held() -> None:
    one = job("a", "b", HANDSHAKE, Verdict(Outcome.FAILED))
    lost = replace(NUMBERS, status=Status.UNDETERMINED)
    (count,) = compliance_counts(((one, (NUMBERS,)), (one, (lost,))))
    assert count.status is Status.UNDETERMINED


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("rfc9000/4.5/x", "rfc9000/4.10/x"),
        ("rfc9000/4/x", "rfc9000/4.1/a"),
        ("rfc9000/19.8/x", "rfc9001/4/x"),
        ("control/z", "rfc8999/5.1/x"),
        ("rfc9001/A.1/x", "rfc9001/1/x"),
        ("odd", "rfc9000/1/x"),
    ],
)
def test_sections_are_sorted_as_numbers(first: str, second: str) -> None:
    assert section_order(first) < section_order(second)


def test_the_stimulus_is_read_from_the_tester_s_log(tmp_path: Path) -> None:
    steps = [Step(1.0, "sent", "a request")]
    steps += [Step(2.0, "stimulus", "33 bytes", "ab", "1-RTT", n) for n in range(9)]
    log = tmp_path / "client" / "tester.jsonl"
    log.parent.mkdir()
    log.write_bytes(b"\n".join(map(msgspec.json.encode, steps)))
    assert stimulus(tmp_path, Side.CLIENT) == tuple(steps[1 : 1 + MOST_STEPS])
    assert stimulus(tmp_path, Side.SERVER) == ()
    assert stimulus(tmp_path, None) == ()
