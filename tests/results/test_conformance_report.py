from __future__ import annotations

from quicmatrix.runner.model.verdict import Outcome, Status
from quicmatrix.runner.results.conformance import CaseOutcome
from quicmatrix.runner.results.conformance_report import conformance_report
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Level
from tests.support.conformance_run import (
    CONTROL,
    HELD,
    MUST,
    STIMULUS,
    WITH_COMPLIANCE,
    conformance_run,
    job,
    violated,
)

REPORT = conformance_report(WITH_COMPLIANCE)
ROWS = {row.id: row for section in REPORT.sections for row in section.rows}


def test_sections_are_in_the_order_of_the_rfcs_controls_first() -> None:
    assert [section.citation for section in REPORT.sections] == [
        "control",
        "RFC 9000, 4.5",
        "RFC 9000, 5.1",
        "RFC 9000, 8.2.2",
        "RFC 9000, 12.3",
        "RFC 9000, 19.8",
        "RFC 9114, 7",
    ]


def test_implementations_stand_beside_each_other() -> None:
    assert [(it.implementation, it.role) for it in REPORT.columns] == [
        ("a", Side.SERVER),
        ("a", Side.CLIENT),
    ]
    server, client = ROWS[MUST.name].cells
    assert server is not None
    assert client is not None
    assert (server.outcome, client.outcome) == ("violated MUST", "undetermined")
    assert ROWS["rfc9000/5.1/short-id"].cells[1] is None


def test_a_violation_has_what_was_sent_expected_and_observed() -> None:
    cell = ROWS[MUST.name].cells[0]
    assert cell is not None
    assert cell.stimulus == (STIMULUS,)
    assert cell.grade == "went on"
    (expected,) = cell.violated
    assert expected.text == MUST.summary
    (observed,) = expected.observed
    assert observed.text == "it goes on, and acknowledges a PING that was sent afterwards"
    assert [one.frame_number for one in observed.stimulus] == [9]
    assert [one.frame_number for one in observed.packets] == [12]


def test_levels_are_counted_apart_and_controls_are_not() -> None:
    server, client = REPORT.columns
    assert server.counts == {
        Level.MUST: {
            CaseOutcome.HELD: 1,
            CaseOutcome.NOT_APPLICABLE: 1,
            CaseOutcome.VIOLATED_MUST: 2,
            CaseOutcome.CRASHED: 1,
        },
        Level.SHOULD: {CaseOutcome.VIOLATED_SHOULD: 1},
    }
    assert client.counts == {Level.MUST: {CaseOutcome.UNDETERMINED: 1}}


def test_what_needs_no_stimulus_is_counted_by_attempts() -> None:
    row = ROWS["rfc9000/8.2.2/response-size"]
    cell, other = row.cells
    assert not row.prompted
    assert other is None
    assert cell is not None
    assert cell.outcome is CaseOutcome.VIOLATED_MUST
    assert cell.times == {Status.VIOLATED: 2, Status.HELD: 1}
    assert cell.folder == "a_tester/control/transfer"
    assert cell.violated[0].observed[0].packets[0].frame_number == 81


def test_repetitions_that_differ_are_flaky() -> None:
    report = conformance_report(
        conformance_run(
            job(CONTROL, HELD),
            job(MUST, HELD, repetition=1),
            job(MUST, violated(MUST, Outcome.NONCONFORMANT), repetition=2),
        )
    )
    (_, section) = report.sections
    cell = section.rows[0].cells[0]
    assert cell is not None
    assert cell.flaky
    assert cell.outcomes == ("held", "violated MUST")
