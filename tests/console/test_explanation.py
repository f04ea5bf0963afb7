from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from rich.text import Text

from quicmatrix.runner.console.explanation import (
    LOG_LINES,
    explanation,
    frames_shown,
    log_end,
    steps_of_tester,
)
from quicmatrix.runner.model.attempt import AttemptRecord, Ending, LinkRecord, SideRecord
from quicmatrix.runner.model.measurement import Sample
from quicmatrix.runner.model.run import JobResult
from quicmatrix.runner.model.verdict import Outcome, RequirementResult, Verdict
from quicmatrix.runner.results.matrix import Cell, matrix
from quicmatrix.runner.trace.model import Capture, Side, Trace
from quicmatrix.testcases.model import Evidence, Step
from tests.support.golden_run import (
    HELD,
    LOSS,
    NOT_EXERCISED,
    PASSED,
    TOKEN_LOST,
    UNDETERMINED,
    job,
)
from tests.support.transfers import transfer

TRACE = transfer(20, 0.01)
RECORD = AttemptRecord(
    client_name="a",
    server_name="b",
    test="handshakeloss",
    scenario="drop-rate --x",
    seed=7,
    repetition=1,
    started_at=0.0,
    duration_s=1.0,
    server_ready=True,
    client=SideRecord(ending=Ending.EXITED, exit_code=1, duration_s=2.5),
    server=SideRecord(ending=Ending.KILLED, signal=9, duration_s=3.0),
    link=LinkRecord(forwarded_to_client=5, forwarded_to_server=4, dropped=3),
)
(VIOLATION,) = TOKEN_LOST.violations


def violating(*evidence: Evidence) -> RequirementResult:
    return replace(TOKEN_LOST, violations=(replace(VIOLATION, evidence=evidence),))


VIOLATED = violating(Evidence(Side.CLIENT, 5, 0.05, "1-RTT", 4))


def cell_of(*jobs: JobResult) -> Cell:
    ((cell,),) = matrix(jobs, [LOSS]).values()
    return cell


def plain(lines: Iterable[Text]) -> str:
    return "\n".join(line.plain for line in lines)


def explained(*requirements: RequirementResult, trace: Trace = TRACE, dissected: str = "") -> str:
    verdict = Verdict(Outcome.FAILED, "the client: \x1b[31mno", requirements)
    one = job("a", "b", LOSS, verdict)
    dissections = {(Side.CLIENT, 5): dissected} if dissected else {}
    return plain(explanation(one, cell_of(one), RECORD, trace, dissections))


def test_verdict_requirement_citation_and_the_packets_around_the_violation() -> None:
    text = explained(VIOLATED)
    assert text.startswith("✕ failed  client a, server b: handshakeloss\n  the client: \\x1b[31mno")
    assert "MUST  The client repeats the Retry's token" in text
    assert "[RFC 9000, 8.1.2]" in text
    assert "the check is client_repeats_the_token" in text
    assert "by the client: the token is not the Retry's" in text
    around = [line for line in text.splitlines() if "client ← server  1-RTT" in line]
    assert [line.split("1-RTT ")[1] for line in around] == list("1234567")
    assert [line.startswith("▶") for line in around] == [number == 4 for number in range(1, 8)]
    assert text.count("#5 delivered after 15.0 ms") == 1


def test_every_requirement_is_listed_before_the_packets() -> None:
    text = explained(HELD, NOT_EXERCISED, UNDETERMINED, VIOLATED)
    listing = text.split("\n\n")[1]
    assert listing.splitlines() == [
        "requirements  1 violated, 1 undetermined, 1 not exercised, 1 held",
        (
            f"  ✕ violated       MUST  {VIOLATED.text} [RFC 9000, 8.1.2]"
            "  once, first: the token is not the Retry's"
        ),
        (
            f"  ≈ undetermined   MUST  {UNDETERMINED.text} [RFC 9001, 6.1]"
            "  packet 31 of the client cannot be decrypted"
        ),
        (
            f"  - not exercised  MUST  {NOT_EXERCISED.text} [RFC 9000, 3.3]"
            "  there is no RESET_STREAM frame"
        ),
        (
            f"  ✓ held           TEST  {HELD.text} [RFC 9001, 4.1.1]"
            "  2 times, first in left capture, frame 4, 0.035 s: Handshake 1"
        ),
    ]


def test_an_undetermined_requirement_has_its_reason_and_the_packets_that_kept_it() -> None:
    text = explained(UNDETERMINED)
    _, shown = text.split("the check is key_update_is_acknowledged")
    assert "undetermined: packet 31 of the client cannot be decrypted" in shown
    assert "▶      9     1.0950 s  client ← server  1-RTT 8" in shown
    assert "packets that keep the requirement" not in explained(replace(UNDETERMINED, evidence=()))


def test_the_packet_that_cannot_be_told_is_shown() -> None:
    reason = "the connection of 1-RTT 4 (frame 5 left) is not known"
    one = replace(UNDETERMINED, reason=reason, evidence=())
    text = explained(one)
    _, shown = text.split("what cannot be told, and the packets around it:")
    assert "▶      5 " in shown.split("events")[0]
    shown_frames = frames_shown(job("a", "b", LOSS, Verdict(Outcome.INCONCLUSIVE, "", (one,))))
    assert shown_frames == {Side.CLIENT: {5}, Side.SERVER: set()}


def test_processes_link_and_what_happened() -> None:
    text = explained()
    assert "client  exited with 1 after 2.5 s" in text
    assert "server  killed, signal 9 after 3.0 s" in text
    assert "drop-rate --x, seed 7: 4 packets to the server, 5 to the client, 3 dropped" in text
    assert "nothing: no QUIC packet is in the capture" in explained(
        trace=Trace(Capture(Side.CLIENT), Capture(Side.SERVER))
    )


def test_a_full_dissection_if_there_is_one() -> None:
    text = explained(VIOLATED, dissected="Layer QUIC\n\tToken: \x1b[2J\n")
    assert "    Layer QUIC\n      Token: \\x1b[2J" in text


def test_only_what_is_shown_is_dissected() -> None:
    many = violating(*(Evidence(Side.SERVER, n, 0.0) for n in range(100, 0, -1)))
    requirements = (VIOLATED, many, HELD, UNDETERMINED)
    shown = frames_shown(job("a", "b", LOSS, Verdict(Outcome.FAILED, "", requirements)))
    assert shown == {Side.CLIENT: {5, 9}, Side.SERVER: {1, 2, 3, 4, 5}}


def test_a_flaky_and_measured_attempt_says_so() -> None:
    failed = job("a", "b", LOSS, Verdict(Outcome.FAILED, "why"))
    sample = Sample(9104.4, 0.5, "machine too busy: p99 lateness 4.0 ms")
    passed = replace(job("a", "b", LOSS, PASSED), attempt=2, sample=sample)
    text = plain(explanation(passed, cell_of(failed, passed), RECORD, TRACE, {}))
    assert text.startswith("✓ passed  client a, server b: handshakeloss, attempt 2")
    assert "flaky: 1 of 2 passed" in text
    assert "9104 kbps, TCP took 50 % of the link" in text
    assert "unreliable: machine too busy: p99 lateness 4.0 ms" in text


def test_the_end_of_a_log_is_bounded_and_harmless(tmp_path: Path) -> None:
    log = tmp_path / "output.log"
    log.write_bytes(b"first\n" + b"x\n" * 50 + b"\x1b[2J\xff" + b"y" * 1000 + b"\nlast")
    lines = plain(log_end(log)).splitlines()
    assert lines[0] == f"    its last {LOG_LINES} lines:"
    assert len(lines) == LOG_LINES + 1
    assert lines[-1] == "    last"
    assert lines[-2].startswith("    \\x1b[2J")
    assert lines[-2].endswith("y ...")
    assert all(line.isprintable() for line in lines)


def test_a_huge_log_is_not_read_as_a_whole(tmp_path: Path) -> None:
    log = tmp_path / "output.log"
    with log.open("wb") as file:
        file.truncate(1 << 40)  # a terabyte, of which nothing is stored
        file.seek(0, 2)
        file.write(b"\nlast\n")
    assert plain(log_end(log)).endswith("    last")


def test_no_log_and_an_empty_one(tmp_path: Path) -> None:
    assert "the process was never started" in plain(log_end(tmp_path / "output.log"))
    (tmp_path / "output.log").touch()
    assert "it is empty" in plain(log_end(tmp_path / "output.log"))


def test_a_tester_s_steps_say_where_they_are_in_the_capture_next_to_its_peer() -> None:
    sent = next(one for one in TRACE.right.datagrams if one.sender is Side.CLIENT)
    named = replace(sent, digest="00ff")
    others = tuple(one for one in TRACE.right.datagrams if one is not sent)
    trace = replace(TRACE, right=replace(TRACE.right, datagrams=(*others, named)))
    steps = (Step(3.0, "seen", "a packet"), Step(3.5, "stimulus", "a frame", "00ff", "1-RTT", 0))
    assert plain(steps_of_tester(steps, Side.CLIENT, trace)).splitlines() == [
        "tester's steps",
        "     0.0000 s  seen      a packet",
        f"     0.5000 s  stimulus  a frame  1-RTT 0  right capture, frame {sent.frame_number}",
    ]
    assert "frame " not in plain(steps_of_tester(steps, Side.SERVER, trace)).split("a frame")[1]
