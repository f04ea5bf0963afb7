"""Every requirement is held by the good observations, and violated by what it is about."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quicmatrix.runner.contract_check.cases import contract_cases
from quicmatrix.runner.contract_check.model import (
    ContractResult,
    EarlyStart,
    Observations,
    UnknownTestcase,
)
from quicmatrix.runner.contract_check.requirements import (
    REQUIREMENTS,
    evaluate_all,
    needed_cases,
    select_requirements,
)
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.attempt import Ending, EntryKind, FileRecord
from quicmatrix.runner.model.verdict import (
    Outcome,
    RecordedViolation,
    RequirementResult,
    Status,
    Verdict,
)
from quicmatrix.runner.plan import select
from quicmatrix.runner.sandbox.model import Exit
from quicmatrix.runner.trace.model import PacketType, Side
from quicmatrix.testcases.model import Evidence, Level
from tests.support.good_contract import (
    FILES,
    GOOD,
    IMAGE,
    LOGS,
    TRACE,
    packet,
    trace,
    with_attempt,
    with_logs,
    with_record,
    with_result,
    with_side,
    with_trace,
)

EXTRA = FileRecord("gamma", EntryKind.FILE, 1, "f" * 64)


def failed(reason: str, outcome: Outcome = Outcome.FAILED) -> Verdict:
    evidence = Evidence(Side.CLIENT, 3, 0.25, "Initial", 1)
    violation = RecordedViolation(reason, None, (evidence,))
    violated = RequirementResult(
        "r", Level.TEST, "RFC 9000, 8", "t", True, Status.VIOLATED, violations=(violation,)
    )
    return Verdict(outcome, reason, (violated,))


def results(seen: Observations) -> dict[str, ContractResult]:
    return {one.about.name: one for one in evaluate_all(seen)}


def status(seen: Observations) -> dict[str, Status]:
    return {name: one.result.status for name, one in results(seen).items()}


def message(seen: Observations, name: str) -> tuple[Status, str]:
    """The status of a requirement, and its reason or first violation."""
    result = results(seen)[name].result
    if result.violations:
        assert result.reason == ""
        return result.status, result.violations[0].message
    return result.status, result.reason


def test_the_good_observations_hold_every_requirement() -> None:
    assert set(status(GOOD).values()) == {Status.HELD}


def test_names_are_unique_and_begin_with_the_role() -> None:
    assert len({one.name for one in REQUIREMENTS}) == len(REQUIREMENTS)
    for one in REQUIREMENTS:
        prefix = one.name.partition("_")[0]
        assert prefix == (one.role or prefix)
        assert (one.role is None) == (prefix in ("image", "it"))
        assert one.hint
        assert one.requirement.text.endswith(".")


def test_requirements_name_all_cases_and_no_others() -> None:
    cases = {case.name for case in contract_cases(select.testcases())}
    assert {name for one in REQUIREMENTS for name in one.cases} == cases


MUTANTS = {
    "image_fits_the_machine": replace(GOOD, image=replace(IMAGE, architecture="arm64")),
    "it_starts": replace(GOOD, image=replace(IMAGE, starts_with=())),
    "image_has_the_setup_script": replace(GOOD, image=replace(IMAGE, has_setup_script=False)),
    "image_calls_the_setup_script": with_logs("server-transfer", setup_ran=False),
    "image_runs_as_root": replace(GOOD, image=replace(IMAGE, user="1000:1000")),
    "server_exits_127_for_an_unknown_testcase": with_result(
        "server-unknown", UnknownTestcase("it exited with 0", Exit(0), 1.0)
    ),
    "server_serves_over_ipv6": with_record("server-ipv6", downloads=FILES[:1]),
    "server_serves_www": with_record(
        "server-transfer", downloads=(FILES[0], replace(FILES[1], sha256="0" * 64))
    ),
    "server_runs_until_it_is_stopped": with_side("server-transfer", ending=Ending.EXITED),
    "server_key_log_decrypts_its_packets": with_logs("server-transfer", secrets=()),
    "server_writes_qlog": with_logs("server-transfer", qlogs=()),
    "server_modifies_nothing_in_www_and_certs": with_attempt(
        "server-transfer", modified_files=("/certs/cert.pem",)
    ),
    "server_logs_are_small": with_logs(
        "server-transfer", files=(*LOGS.files, replace(EXTRA, size=17_000_000))
    ),
    "server_stops_within_a_second": with_attempt("server-transfer", stop_duration_s=1.5),
    "server_implements_retry": with_attempt("server-retry", verdict=failed("no Retry")),
    "client_exits_127_for_an_unknown_testcase": with_result(
        "client-unknown", UnknownTestcase("it still ran", None, 10.0)
    ),
    "client_downloads_what_was_requested": with_record("client-transfer", downloads=FILES[1:]),
    "client_exits_0_when_it_is_done": with_side("client-transfer", exit_code=3),
    "client_downloads_over_ipv6": with_record("client-ipv6", downloads=()),
    "client_exits_1_when_the_handshake_fails": with_side("client-refused", exit_code=0),
    "client_exits_1_when_a_file_is_not_there": with_side("client-absent", exit_code=127),
    "client_waits_for_the_sim": with_result("client-early", EarlyStart(None, 2, LOGS, TRACE)),
    "client_key_log_decrypts_its_packets": with_trace(
        "client-transfer",
        trace(*TRACE.left.packets, packet(PacketType.ONE_RTT, 1, decrypted=False)),
    ),
    "client_writes_qlog": with_logs("client-transfer", qlogs=(), files=()),
    "client_modifies_nothing_in_certs": with_attempt(
        "client-transfer", modified_files=("/certs/x",)
    ),
    "client_logs_are_small": with_logs("client-transfer", files=(replace(EXTRA, size=17_000_000),)),
    "client_implements_chacha20": with_attempt(
        "client-chacha20", verdict=failed("it did not happen", Outcome.TIMEOUT)
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_requirement_is_violated_by_what_it_is_about_and_no_other_is(name: str) -> None:
    found = status(MUTANTS[name])
    assert {one for one, its in found.items() if its is Status.VIOLATED} == {name}
    assert Status.UNDETERMINED not in found.values()


def test_every_requirement_has_a_mutant() -> None:
    tested = {*MUTANTS, "server_answers_with_version_negotiation", "server_stops_on_sigterm"}
    testcases = {one.name for one in REQUIREMENTS if "_implements_" in one.name}
    assert tested | testcases == {one.name for one in REQUIREMENTS}


@pytest.mark.parametrize("name", GOOD.results)
def test_without_a_cases_result_what_looks_at_it_is_not_held(name: str) -> None:
    seen = replace(GOOD, results={case: it for case, it in GOOD.results.items() if case != name})
    about = {one.name for one in REQUIREMENTS if name in one.cases and len(one.cases) == 1}
    assert about
    for one, its in status(seen).items():
        assert its is (Status.UNDETERMINED if one in about else Status.HELD)


def test_more_files_than_requested_are_a_violation() -> None:
    seen = with_record("client-transfer", downloads=(*FILES, EXTRA))
    found, text = message(seen, "client_downloads_what_was_requested")
    assert found is Status.VIOLATED
    assert "gamma" in text


def test_without_version_negotiation_most_of_the_server_is_undetermined() -> None:
    seen = with_record("server-transfer", server_ready=False)
    assert message(seen, "server_answers_with_version_negotiation") == (
        Status.VIOLATED,
        "it answered no Version Negotiation probe; its last output: all is well",
    )
    for name in ("server_serves_www", "server_stops_on_sigterm", "server_writes_qlog"):
        assert message(seen, name) == (Status.UNDETERMINED, "the server never got ready")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"exit_code": 127}, "it exited with 127; its last output: all is well"),
        ({"exit_code": None, "signal": 11}, "it was ended by SIGSEGV; its last output"),
    ],
)
def test_a_server_that_ends_before_it_is_ready(changes: dict[str, int], text: str) -> None:
    ended = with_side("server-transfer", ending=Ending.EXITED, **changes)
    server = ended.attempt("server-transfer").record.server
    seen = with_record("server-transfer", server=server, server_ready=False)
    assert status(seen)["server_answers_with_version_negotiation"] is Status.VIOLATED
    found, said = message(seen, "server_runs_until_it_is_stopped")
    assert found is Status.VIOLATED
    assert said.startswith(text)


def test_a_server_that_had_to_be_killed_violates_both_requirements_about_sigterm() -> None:
    found = status(with_side("server-transfer", ending=Ending.KILLED, signal=9))
    violated = {name for name, its in found.items() if its is Status.VIOLATED}
    assert violated == {"server_stops_on_sigterm", "server_stops_within_a_second"}


@pytest.mark.parametrize("ending", [Ending.OUT_OF_TIME, Ending.LOG_OVERFLOW, Ending.EXITED])
def test_a_client_that_ends_in_another_way_than_with_0(ending: Ending) -> None:
    seen = with_side("client-transfer", ending=ending, exit_code=None, signal=11)
    assert status(seen)["client_exits_0_when_it_is_done"] is Status.VIOLATED


def test_a_client_that_was_stopped_since_its_server_had_ended_is_undetermined() -> None:
    seen = with_side("client-transfer", ending=Ending.STOPPED, exit_code=0)
    assert status(seen)["client_exits_0_when_it_is_done"] is Status.UNDETERMINED


@pytest.mark.parametrize(
    ("secrets", "files", "text"),
    [
        ((), (), "there is no keys.log"),
        ((), LOGS.files, "keys.log has no line in NSS key log format"),
        (LOGS.secrets[:2], LOGS.files, "keys.log has no CLIENT_TRAFFIC_SECRET_0, SERVER_TRAFFIC"),
    ],
)
def test_what_is_wrong_with_a_key_log(
    secrets: tuple[str, ...], files: tuple[FileRecord, ...], text: str
) -> None:
    seen = with_logs("server-transfer", secrets=secrets, files=files)
    assert message(seen, "server_key_log_decrypts_its_packets")[1].startswith(text)


def test_packets_that_a_key_log_does_not_decrypt_are_the_evidence() -> None:
    (violation,) = results(MUTANTS["client_key_log_decrypts_its_packets"])[
        "client_key_log_decrypts_its_packets"
    ].result.violations
    assert violation.message == "keys.log decrypts 2 of 3 packets"
    assert [one.packet_number for one in violation.evidence] == [1]
    assert violation.side is Side.CLIENT


def test_a_key_log_is_undetermined_without_protected_packets() -> None:
    seen = with_trace("client-transfer", trace())
    assert status(seen)["client_key_log_decrypts_its_packets"] is Status.UNDETERMINED


@pytest.mark.parametrize("role", Side)
def test_a_test_case_that_is_refused_with_127_is_not_exercised(role: Side) -> None:
    refused = with_side(f"{role}-v2", ending=Ending.EXITED, exit_code=127)
    verdict = Verdict(Outcome.UNSUPPORTED, f"the {role} exited with 127")
    attempt = replace(refused.attempt(f"{role}-v2"), verdict=verdict)
    found = results(with_result(f"{role}-v2", attempt))[f"{role}_implements_v2"]
    assert found.result.status is Status.NOT_EXERCISED
    assert found.result.reason == "it exits with 127: it does not support this test case"
    assert not found.decides


def test_a_test_case_that_the_peer_does_not_support_is_undetermined() -> None:
    verdict = Verdict(Outcome.UNSUPPORTED, "the server exited with 127")
    seen = with_attempt("client-v2", verdict=verdict)
    assert message(seen, "client_implements_v2") == (Status.UNDETERMINED, verdict.reason)


def test_a_violated_test_case_names_a_packet() -> None:
    seen = with_attempt("client-retry", verdict=failed("the token is lost"))
    assert message(seen, "client_implements_retry") == (
        Status.VIOLATED,
        "the token is lost (left capture, frame 3, 0.250 s: Initial 1)",
    )


def test_what_works_but_breaks_a_must_is_said_to() -> None:
    seen = with_attempt("client-retry", verdict=failed("a MUST", Outcome.NONCONFORMANT))
    found = results(seen)["client_implements_retry"].result
    assert (found.status, found.reason) == (
        Status.HELD,
        "it works, but is nonconformant: a MUST (left capture, frame 3, 0.250 s: Initial 1)",
    )


def test_a_fault_of_the_machine_violates_nothing() -> None:
    seen = with_record("server-transfer", fault="no memory")
    assert message(seen, "server_serves_www") == (
        Status.UNDETERMINED,
        "the machine or the runner failed: no memory",
    )


def test_a_case_that_was_skipped_gives_the_reason() -> None:
    seen = replace(GOOD, results={}, skipped={"server-transfer": "skipped"})
    assert message(seen, "server_serves_www") == (Status.UNDETERMINED, "skipped")
    assert message(seen, "client_exits_127_for_an_unknown_testcase") == (
        Status.UNDETERMINED,
        "the case client-unknown was not run",
    )


def test_what_cannot_be_started_gives_the_reason() -> None:
    seen = replace(GOOD, launch_error="exec format error")
    assert message(seen, "it_starts") == (Status.VIOLATED, "exec format error")


@pytest.mark.parametrize(
    ("early", "text"),
    [
        (
            EarlyStart(Exit(1), 0, LOGS),
            "it exited with 1 before the sim was ready; its last output: all is well",
        ),
        (EarlyStart(None, 0, LOGS, trace()), "it sent nothing when the sim was ready either"),
    ],
)
def test_a_client_that_does_not_wait(early: EarlyStart, text: str) -> None:
    seen = with_result("client-early", early)
    assert message(seen, "client_waits_for_the_sim") == (Status.VIOLATED, text)


def test_requirements_on_images_are_not_exercised_by_local_commands() -> None:
    found = status(replace(GOOD, image=None))
    images = {one.name for one in REQUIREMENTS if one.name.startswith("image_")}
    not_exercised = {name for name, its in found.items() if its is Status.NOT_EXERCISED}
    assert not_exercised == images | {"client_waits_for_the_sim"}


def test_should_does_not_decide() -> None:
    found = results(MUTANTS["server_writes_qlog"])
    assert found["server_writes_qlog"].result.level is Level.SHOULD
    assert not any(one.decides for one in found.values())
    assert any(one.decides for one in results(MUTANTS["server_serves_www"]).values())


def test_an_undetermined_requirement_decides_too() -> None:
    assert any(one.decides for one in evaluate_all(replace(GOOD, results={})))


def test_requirements_are_selected_by_name_in_their_own_order() -> None:
    found = select_requirements(" it_starts ,image_fits_the_machine", frozenset(Side))
    assert [one.name for one in found] == ["image_fits_the_machine", "it_starts"]


@pytest.mark.parametrize("name", ["it_start", "client_writes_qlog"])
def test_a_requirement_that_is_unknown_or_of_the_other_role_is_wrong_use(name: str) -> None:
    with pytest.raises(UserError, match="there is no requirement called"):
        select_requirements(name, frozenset({Side.SERVER}))


def test_only_cases_that_requirements_look_at_are_run() -> None:
    cases = contract_cases(select.testcases())
    requirements = select_requirements(
        "it_starts,client_waits_for_the_sim,server_implements_v2", frozenset(Side)
    )

    def names(roles: frozenset[Side], *, is_image: bool) -> set[str]:
        return {case.name for case in needed_cases(requirements, cases, roles, is_image=is_image)}

    server = {"server-unknown", "server-transfer", "server-v2"}
    client = {"client-unknown", "client-transfer"}
    assert names(frozenset(Side), is_image=False) == server | client
    assert names(frozenset(Side), is_image=True) == server | client | {"client-early"}
    assert names(frozenset({Side.SERVER}), is_image=True) == server
