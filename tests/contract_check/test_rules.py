"""Every rule holds for the good subject, and is broken, by name, by what it is about."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quicmatrix.runner.contract_check.cases import catalogue
from quicmatrix.runner.contract_check.model import (
    Answer,
    EarlyStart,
    Finding,
    Importance,
    Observations,
    Standing,
)
from quicmatrix.runner.contract_check.rules import RULES, judge, needed, select_rules
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.attempt import Ending, EntryKind, FileRecord
from quicmatrix.runner.model.verdict import Outcome, ReportedViolation, Verdict
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
    with_conversation,
    with_logs,
    with_record,
    with_side,
)

EXTRA = FileRecord("gamma", EntryKind.FILE, 1, "f" * 64)


def failed(reason: str, outcome: Outcome = Outcome.FAILED) -> Verdict:
    seen = Evidence(Side.CLIENT, 3, 0.25, "Initial", 1)
    broken = ReportedViolation("r", Level.TEST, "RFC 9000, 8", "t", reason, None, (seen,))
    return Verdict(outcome, reason, (broken,))


def findings(seen: Observations) -> dict[str, Finding]:
    return {one.rule.name: one.finding for one in judge(seen)}


def test_the_good_one_keeps_every_rule() -> None:
    assert {finding.standing for finding in findings(GOOD).values()} == {Standing.OK}


def test_names_are_unique_and_say_whom_a_rule_is_about() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    for rule in RULES:
        prefix = rule.name.partition("_")[0]
        assert prefix == (rule.role or prefix)
        assert (rule.role is None) == (prefix in ("image", "it"))
        assert rule.hint
        assert rule.text.endswith(".")


def test_every_rule_names_trials_that_there_are() -> None:
    trials = {trial.name for trial in catalogue(select.testcases())}
    assert {name for rule in RULES for name in rule.trials} == trials


SPOILT = {
    "image_fits_the_machine": replace(GOOD, image=replace(IMAGE, architecture="arm64")),
    "it_starts": replace(GOOD, image=replace(IMAGE, starts_with=())),
    "image_has_the_setup_script": replace(GOOD, image=replace(IMAGE, has_setup_script=False)),
    "image_calls_the_setup_script": with_logs("server-transfer", setup_ran=False),
    "image_runs_as_root": replace(GOOD, image=replace(IMAGE, user="1000:1000")),
    "server_exits_127_for_an_unknown_testcase": replace(
        GOOD, answers={**GOOD.answers, Side.SERVER: Answer("it exited with 0", Exit(0), 1.0)}
    ),
    "server_serves_over_ipv6": with_record("server-ipv6", downloads=FILES[:1]),
    "server_serves_www": with_record(
        "server-transfer", downloads=(FILES[0], replace(FILES[1], sha256="0" * 64))
    ),
    "server_runs_until_it_is_stopped": with_side("server-transfer", ending=Ending.EXITED),
    "server_key_log_decrypts_its_packets": with_logs("server-transfer", secrets=()),
    "server_writes_qlog": with_logs("server-transfer", qlogs=()),
    "server_leaves_www_and_certs_alone": with_conversation(
        "server-transfer", altered=("/certs/cert.pem",)
    ),
    "server_logs_are_small": with_logs(
        "server-transfer", files=(*LOGS.files, replace(EXTRA, size=17_000_000))
    ),
    "server_stops_within_a_second": with_conversation("server-transfer", stopping_s=1.5),
    "server_obeys_retry": with_conversation("server-retry", verdict=failed("no Retry")),
    "client_exits_127_for_an_unknown_testcase": replace(
        GOOD, answers={**GOOD.answers, Side.CLIENT: Answer("it still ran", None, 10.0)}
    ),
    "client_downloads_what_was_requested": with_record("client-transfer", downloads=FILES[1:]),
    "client_leaves_nothing_else_in_downloads": with_record(
        "client-transfer", downloads=(*FILES, EXTRA)
    ),
    "client_exits_0_when_it_is_done": with_side("client-transfer", exit_code=3),
    "client_downloads_over_ipv6": with_record("client-ipv6", downloads=()),
    "client_exits_1_when_the_handshake_fails": with_side("client-refused", exit_code=0),
    "client_exits_1_when_a_file_is_not_there": with_side("client-absent", exit_code=127),
    "client_waits_for_the_sim": replace(GOOD, early=EarlyStart(None, 2, LOGS, TRACE)),
    "client_key_log_decrypts_its_packets": with_conversation(
        "client-transfer",
        trace=trace(*TRACE.left.packets, packet(PacketType.ONE_RTT, 1, decrypted=False)),
    ),
    "client_writes_qlog": with_logs("client-transfer", qlogs=(), files=()),
    "client_leaves_certs_alone": with_conversation("client-transfer", altered=("/certs/x",)),
    "client_logs_are_small": with_logs("client-transfer", files=(replace(EXTRA, size=17_000_000),)),
    "client_obeys_chacha20": with_conversation(
        "client-chacha20", verdict=failed("it did not happen", Outcome.TIMEOUT)
    ),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_rule_is_broken_by_what_it_is_about_and_no_other_is(name: str) -> None:
    found = findings(SPOILT[name])
    broken = {rule for rule, finding in found.items() if finding.standing is not Standing.OK}
    assert broken == {name}
    assert found[name].standing is Standing.BROKEN


def test_every_rule_has_something_that_spoils_it() -> None:
    tested = {*SPOILT, "server_answers_with_version_negotiation", "server_stops_on_sigterm"}
    obeyed = {rule.name for rule in RULES if "_obeys_" in rule.name}
    assert tested | obeyed == {rule.name for rule in RULES}


def test_without_version_negotiation_the_server_shows_nothing_else() -> None:
    found = findings(with_record("server-transfer", server_ready=False))
    assert found["server_answers_with_version_negotiation"] == Finding(
        Standing.BROKEN, "no answer within 10 s; it said: all is well"
    )
    for name in ("server_serves_www", "server_stops_on_sigterm", "server_writes_qlog"):
        assert found[name] == Finding(Standing.UNSEEN, "the server never got ready")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"exit_code": 127}, "it exited with 127 for TESTCASE=transfer, which every server has"),
        ({"exit_code": 2}, "it exited with 2 before it answered; it said: all is well"),
        ({"exit_code": None, "signal": 11}, "it died of 11 before it answered"),
    ],
)
def test_a_server_that_ends_before_it_is_ready(changes: dict[str, int], said: str) -> None:
    spoilt = with_side("server-transfer", ending=Ending.EXITED, **changes)
    conversation = spoilt.conversations["server-transfer"]
    record = replace(conversation.record, server_ready=False)
    spoilt = replace(
        spoilt, conversations={"server-transfer": replace(conversation, record=record)}
    )
    found = findings(spoilt)["server_answers_with_version_negotiation"]
    assert found.standing is Standing.BROKEN
    assert found.evidence.startswith(said)


def test_a_server_that_had_to_be_killed_breaks_both_rules_about_sigterm() -> None:
    found = findings(with_side("server-transfer", ending=Ending.KILLED, signal=9))
    broken = {name for name, one in found.items() if one.standing is Standing.BROKEN}
    assert broken == {"server_stops_on_sigterm", "server_stops_within_a_second"}


@pytest.mark.parametrize(
    ("secrets", "files", "said"),
    [
        ((), (), "there is no keys.log"),
        ((), LOGS.files, "keys.log has no line of that format"),
        (LOGS.secrets[:2], LOGS.files, "keys.log has no CLIENT_TRAFFIC_SECRET_0, SERVER_TRAFFIC"),
    ],
)
def test_what_is_wrong_with_a_key_log(
    secrets: tuple[str, ...], files: tuple[FileRecord, ...], said: str
) -> None:
    found = findings(with_logs("server-transfer", secrets=secrets, files=files))
    assert found["server_key_log_decrypts_its_packets"].evidence.startswith(said)


def test_a_key_log_cannot_be_told_where_nothing_was_protected() -> None:
    found = findings(with_conversation("client-transfer", trace=trace()))
    assert found["client_key_log_decrypts_its_packets"].standing is Standing.UNSEEN


@pytest.mark.parametrize("role", Side)
def test_who_exits_with_127_for_a_test_case_keeps_to_the_contract(role: Side) -> None:
    seen = with_side(f"{role}-v2", ending=Ending.EXITED, exit_code=127)
    verdict = Verdict(Outcome.UNSUPPORTED, f"the {role} exited with 127")
    spoilt = replace(seen.conversations[f"{role}-v2"], verdict=verdict)
    seen = replace(seen, conversations={**seen.conversations, f"{role}-v2": spoilt})
    judged = {one.rule.name: one for one in judge(seen)}
    assert judged[f"{role}_obeys_v2"].finding.standing is Standing.INAPPLICABLE
    assert not judged[f"{role}_obeys_v2"].decides


def test_where_the_peer_does_not_do_a_test_case_nothing_is_seen() -> None:
    verdict = Verdict(Outcome.UNSUPPORTED, "the server exited with 127")
    seen = with_conversation("client-v2", verdict=verdict)
    assert findings(seen)["client_obeys_v2"] == Finding(Standing.UNSEEN, verdict.reason)


def test_disobedience_is_shown_by_a_packet() -> None:
    seen = with_conversation("client-retry", verdict=failed("the token is lost"))
    assert findings(seen)["client_obeys_retry"].evidence == (
        "the token is lost (left capture, frame 3, 0.250 s: Initial 1)"
    )


def test_a_fault_of_ours_is_nobodys_breach() -> None:
    found = findings(with_record("server-transfer", fault="no memory"))
    assert found["server_serves_www"] == Finding(
        Standing.UNSEEN, "the machine or the runner failed: no memory"
    )


def test_a_trial_that_was_left_out_says_why() -> None:
    seen = replace(GOOD, conversations={}, answers={}, missing={"server-transfer": "left out"})
    found = findings(seen)
    assert found["server_serves_www"] == Finding(Standing.UNSEEN, "left out")
    assert found["client_exits_127_for_an_unknown_testcase"].standing is Standing.UNSEEN


def test_what_cannot_be_started_says_why() -> None:
    found = findings(replace(GOOD, unlaunchable="exec format error"))
    assert found["it_starts"] == Finding(Standing.BROKEN, "exec format error")


@pytest.mark.parametrize(
    ("early", "said"),
    [
        (EarlyStart(Exit(1), 0, LOGS), "without the sim, it exited with 1 at once: all is well"),
        (EarlyStart(None, 0, LOGS, trace()), "it sent nothing when the sim was there either"),
    ],
)
def test_a_client_that_does_not_wait(early: EarlyStart, said: str) -> None:
    found = findings(replace(GOOD, early=early))
    assert found["client_waits_for_the_sim"] == Finding(Standing.BROKEN, said)


def test_rules_about_images_are_not_for_local_commands() -> None:
    found = findings(replace(GOOD, image=None))
    inapplicable = {name for name, one in found.items() if one.standing is Standing.INAPPLICABLE}
    about_images = {rule.name for rule in RULES if rule.name.startswith("image_")}
    assert inapplicable == about_images | {"client_waits_for_the_sim"}


def test_rules_about_a_role_are_not_for_the_other() -> None:
    found = findings(replace(GOOD, roles=frozenset({Side.CLIENT})))
    assert found["server_serves_www"].standing is Standing.INAPPLICABLE
    assert found["client_writes_qlog"].standing is Standing.OK


def test_only_required_rules_decide() -> None:
    judged = {one.rule.name: one for one in judge(SPOILT["server_writes_qlog"])}
    assert judged["server_writes_qlog"].rule.importance is Importance.RECOMMENDED
    assert not any(one.decides for one in judged.values())
    assert any(one.decides for one in judge(SPOILT["server_serves_www"]))


def test_what_cannot_be_told_of_a_required_rule_decides_too() -> None:
    assert any(one.decides for one in judge(replace(GOOD, conversations={})))


def test_rules_are_selected_by_name_in_their_own_order() -> None:
    rules = select_rules(" it_starts ,image_fits_the_machine", frozenset(Side))
    assert [rule.name for rule in rules] == ["image_fits_the_machine", "it_starts"]


@pytest.mark.parametrize("name", ["it_start", "client_writes_qlog"])
def test_a_rule_that_is_unknown_or_of_the_other_role_is_wrong_use(name: str) -> None:
    with pytest.raises(UserError, match="there is no rule called"):
        select_rules(name, frozenset({Side.SERVER}))


def test_only_trials_that_show_something_are_run() -> None:
    trials = catalogue(select.testcases())
    rules = select_rules("it_starts,client_waits_for_the_sim,server_obeys_v2", frozenset(Side))

    def names(roles: frozenset[Side], *, is_image: bool) -> set[str]:
        return {trial.name for trial in needed(rules, trials, roles, is_image=is_image)}

    server = {"server-unknown", "server-transfer", "server-v2"}
    client = {"client-unknown", "client-transfer"}
    assert names(frozenset(Side), is_image=False) == server | client
    assert names(frozenset(Side), is_image=True) == server | client | {"client-early"}
    assert names(frozenset({Side.SERVER}), is_image=True) == server
