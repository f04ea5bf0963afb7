from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from quicmatrix.runner.console.closing import MOST_LINES, explain_failures, summarize
from quicmatrix.runner.model.measurement import Sample
from quicmatrix.runner.model.run import RunResult, TestInfo
from quicmatrix.runner.model.verdict import Outcome, RecordedViolation, Verdict
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results.run_view import run_view
from quicmatrix.runner.trace.model import Side
from tests.support.golden_run import (
    HANDSHAKE,
    HOSTILE,
    KNOWN_FAILURE,
    PASSED,
    SMALL_ACK,
    TOKEN_LOST,
    golden_run,
    job,
    one_job_run,
)


def test_what_is_known_is_said_with_its_reason_and_is_no_failure() -> None:
    run = replace(one_job_run(Verdict(Outcome.FAILED, "no migration")), known=(KNOWN_FAILURE,))
    assert explained(run) == ""
    said = summarized(run)
    assert "✕ 1 failed, 1 of them known" in said
    assert "known of a as client: has no API for it, https://example.org/25" in said
    passed = summarized(replace(run, jobs=one_job_run(PASSED).jobs))
    assert "warning: unexpected pass: handshake with a as client (peers: b)" in passed


def explained(result: RunResult, *, debug: bool = False) -> str:
    file = io.StringIO()
    explain_failures(Console(file=file, width=60), run_view(result), debug=debug)
    return file.getvalue()


def summarized(result: RunResult, *, debug: bool = False, width: int = 100) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width)
    summarize(console, run_view(result), Path("runs/x/index.html"), debug=debug)
    return file.getvalue()


EXPLAINED = """\
✕ failed  client reference, server ngtcp2: retry
  client_repeats_the_token: the token is not the Retry's
  requirements: 2 violated, 1 undetermined, 1 not exercised, 1 held
  MUST  The client repeats the Retry's token in all Initial packets it sends afterwards. [RFC 9000, 8.1.2]
    by the client: the token is not the Retry's
      left capture, frame 3, 0.031 s: Initial 1
      left capture, frame 5, 0.062 s: Initial 2
      right capture, frame 4, 0.047 s: Initial 1
  SHOULD  An endpoint sends an ACK frame for every other ack-eliciting packet. [RFC 9000, 13.2.1]
    by the server: 11 ack-eliciting packets went unacknowledged
      right capture, frame 40, 0.412 s: 1-RTT 31
  bundle  runs/20261123T171503Z/ngtcp2_reference/retry
  again   quicmatrix run -c reference -s ngtcp2 -t retry --seed 42
"""  # noqa: E501 - one line there too


def test_a_failure_is_explained_with_requirement_packets_bundle_and_command() -> None:
    blocks = explained(golden_run()).split("\n\n")
    assert len(blocks) == 8
    assert f"{blocks[2]}\n" == EXPLAINED


def test_a_repetition_is_named() -> None:
    assert "handshakeloss, repetition 2" in explained(golden_run())


def test_a_nonconformant_attempt_is_explained_before_those_that_do_not_work() -> None:
    first = explained(golden_run()).split("\n\n")[0]
    assert first.startswith("! nonconformant  client reference, server ngtcp2: rebind-port\n")
    assert "by the server: the datagram has 43 bytes" in first


def test_what_never_got_a_bundle_names_none() -> None:
    (block,) = [one for one in explained(golden_run()).split("\n\n") if one.startswith("⊘ error")]
    assert "bundle" not in block


def test_passed_and_unsupported_are_not_explained() -> None:
    for outcome in (Outcome.PASSED, Outcome.UNSUPPORTED):
        assert explained(one_job_run(Verdict(outcome, "why", (SMALL_ACK,)))) == ""


def test_hostile_text_does_nothing() -> None:
    text = explained(golden_run())
    assert text.replace("\n", "").isprintable()
    assert printable(HOSTILE) in text


def test_a_flood_is_cut_and_counted_unless_all_is_wanted() -> None:
    (violation,) = TOKEN_LOST.violations
    flood = replace(TOKEN_LOST, violations=(replace(violation, evidence=violation.evidence * 100),))
    run = one_job_run(Verdict(Outcome.FAILED, "why", (flood,)))
    assert explained(run).count("capture, frame") == MOST_LINES
    assert "and 295 packets more" in explained(run)
    assert explained(run, debug=True).count("capture, frame") == 300


def test_the_matrix_has_clients_as_rows_and_servers_as_columns() -> None:
    lines = [line.rstrip() for line in summarized(golden_run()).splitlines()]
    assert lines[0].split() == ["client", "↓", "server", "→", "reference", "ngtcp2"]
    rows = {line.split()[0]: line.split()[1:] for line in lines[2:4]}
    assert rows == {
        "reference": ["✓H", "✓S", "…L1(2/3)", "✓V2", "✓H", "✕S", "†L1", "?V2", "!BP"],
        "ngtcp2": ["≈H", "⊘S", "✕L1"],
    }


def test_the_end_says_how_many_how_long_and_where_to_read_on() -> None:
    text = summarized(golden_run())
    assert (
        "✓ 6 passed, ? 1 unsupported, ! 1 nonconformant, ≈ 1 inconclusive, ⊘ 1 error, "
        "… 1 timeout, † 1 crashed, ✕ 2 failed, 1 flaky in 12 min 34 s, seed 42" in text
    )
    assert "stopped early: 14 of 19 attempts were done" in text
    assert (
        "notes: 1 requirement that decides no verdict was violated in attempts that passed" in text
    )
    assert text.endswith("report: runs/x/index.html\n")


def test_debug_adds_notes_and_versions() -> None:
    assert "tshark" not in summarized(golden_run())
    text = summarized(golden_run(), debug=True)
    assert "SHOULD  An endpoint sends an ACK frame" in text
    assert "tshark 4.0.17" in text


def test_a_complete_run_does_not_say_that_it_stopped() -> None:
    assert "stopped" not in summarized(one_job_run(PASSED))


def test_a_run_without_results_has_no_matrix() -> None:
    assert "client ↓" not in summarized(replace(one_job_run(PASSED), jobs=()))


def test_metrics_follow_the_matrix_with_what_makes_them_unreliable() -> None:
    goodput = TestInfo("goodput", "G", "It is fast.", "simple-p2p", is_measurement=True)
    busy = "machine too busy: p99 lateness 4.0 ms"
    samples = (Sample(9000, 0.48), Sample(9200, 0.5, busy))
    jobs = tuple(
        replace(job("a", "b", goodput, PASSED, repetition=number), sample=sample)
        for number, sample in enumerate(samples, 1)
    )
    text = summarized(replace(one_job_run(PASSED), tests=(goodput,), jobs=jobs))
    assert (
        "G: 9100 (± 141) kbps  client a, server b  2 of 2 samples, 95 % confidence 9000 to 9200 "
        "kbps, TCP took 49 % of the link\n   unreliable: machine too busy: p99 lateness "
        "4.0 ms\n" in text
    )


def test_a_flaky_job_is_explained_even_if_it_passed_in_the_end() -> None:
    first = one_job_run(Verdict(Outcome.FAILED, "why"))
    again = replace(job("a", "b", HANDSHAKE, PASSED), attempt=2)
    run = replace(first, jobs=(*first.jobs, again))
    text = summarized(run)
    assert "✓H(1/2)" in text
    assert "1 flaky" in text
    assert "handshake, attempt 1\n  flaky: 1 of 2 passed\n  why" in explained(run)


def crashed_run(tmp_path: Path) -> RunResult:
    violated = replace(
        TOKEN_LOST,
        requirement="server_runs_until_it_is_stopped",
        violations=(RecordedViolation("it was ended by SIGSEGV", Side.SERVER),),
    )
    verdict = Verdict(Outcome.CRASHED, "the server was ended by SIGSEGV", (violated,))
    result = replace(one_job_run(verdict), folder=str(tmp_path))
    folder = tmp_path / result.jobs[0].folder / "server"
    folder.mkdir(parents=True)
    lines = [*map(str, range(20)), "panic: \x1b[2Jno"]
    (folder / "output.log").write_text("\n".join(lines))
    return result


def test_a_crash_has_the_end_of_its_log(tmp_path: Path) -> None:
    text = explained(crashed_run(tmp_path))
    _, log = text.split("  server's log ends:\n")
    assert log.splitlines()[:5] == ["    16", "    17", "    18", "    19", r"    panic: \x1b[2Jno"]
    assert "client's log" not in text


def test_an_implementation_that_supports_nothing_is_warned_of() -> None:
    verdict = Verdict(Outcome.UNSUPPORTED, "the client exited with 127: it does not support x")
    first = one_job_run(verdict)
    jobs = tuple(replace(first.jobs[0], test=name) for name in "xyz")
    warning = "warning: a exited with 127 as client in all 3 tests: does its program start at all?"
    assert warning in summarized(replace(first, jobs=jobs))
    assert "warning" not in summarized(replace(first, jobs=jobs[:2]))
    passed = replace(jobs[0], verdict=Verdict(Outcome.PASSED))
    assert "warning" not in summarized(replace(first, jobs=(*jobs, passed)))
    servers = replace(jobs[0], verdict=Verdict(Outcome.UNSUPPORTED, "the server exited with 127"))
    assert "a exited with 127 as client" in summarized(replace(first, jobs=(*jobs, servers)))


def test_what_was_set_otherwise_is_said() -> None:
    result = golden_run()
    tests = (replace(result.tests[0], overridden=("timeout=9s",)), *result.tests[1:])
    assert f"{tests[0].name}: set otherwise: timeout=9s" in summarized(replace(result, tests=tests))


NAMES = tuple(f"implementation-{number}" for number in range(12))


def wide_run() -> RunResult:
    result = golden_run()
    jobs = tuple(replace(one, server=name) for name in NAMES for one in result.jobs)
    return replace(result, servers=NAMES, jobs=jobs, planned=len(jobs))


def test_in_a_pipe_the_matrix_is_as_wide_as_it_is() -> None:
    header, _, *rows = summarized(wide_run(), width=80).splitlines()[:4]
    assert header.split()[4:] == list(NAMES)
    assert all(row.count("H") == len(NAMES) for row in rows)


def test_on_a_narrow_terminal_no_name_and_no_cell_is_cut() -> None:
    file = io.StringIO()
    console = Console(file=file, width=70, force_terminal=True, color_system=None)
    summarize(console, run_view(wide_run()), None)
    lines = [line for line in file.getvalue().splitlines() if "flaky in" not in line]
    assert max(map(len, lines[:-1])) <= 80
    words = [word for line in lines for word in line.split()]
    assert all(words.count(name) == 1 for name in NAMES)
    assert words.count("…L1(2/4)") == len(NAMES)
