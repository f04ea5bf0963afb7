from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from quicmatrix.runner.bundle.records import write_attempt
from quicmatrix.runner.cli import main
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.judge import bundle, pool
from quicmatrix.runner.judge.judge import Policy
from quicmatrix.runner.judge.pool import Judge
from quicmatrix.runner.model.attempt import AttemptRecord, LinkRecord, SideRecord
from quicmatrix.runner.model.run import RunResult
from quicmatrix.runner.model.verdict import ComplianceResult, Judgement, Outcome, Status, Verdict
from quicmatrix.runner.results.run_files import RESULT_FILE, load, write_result
from quicmatrix.runner.trace.model import Side
from tests.support.conformance_run import BROKEN, GOLDEN
from tests.support.golden_run import PASSED, SMALL_ACK, one_job_run

Capsys = pytest.CaptureFixture[str]


class FakeJudge:
    """Stands for the judge: remembers what it was asked, and answers by the bundle's name."""

    def __init__(self) -> None:
        self.verdicts: dict[str, Verdict] = {}
        self.compliance: tuple[ComplianceResult, ...] = ()
        self.asked: list[tuple[Path, Policy]] = []

    def judge_bundle(self, bundle: Path, tests: object, policy: Policy) -> Judgement:
        self.asked.append((bundle, policy))
        if bundle.name == "gone":
            raise UserError("there is no bundle")
        return Judgement(
            self.verdicts.get(bundle.name, PASSED), 1.0, 0.1, compliance=self.compliance
        )

    @asynccontextmanager
    async def processes(self, policy: Policy) -> AsyncIterator[Judge]:
        class Processes:
            async def judge(self, bundle: Path) -> Judgement:
                return judge_bundle(bundle, (), policy)

        judge_bundle = self.judge_bundle
        yield Processes()


RECORD = AttemptRecord(
    client_name="a",
    server_name="b",
    test="handshake",
    scenario="",
    seed=42,
    repetition=1,
    started_at=0.0,
    duration_s=1.0,
    server_ready=True,
    client=SideRecord(),
    server=SideRecord(),
    link=LinkRecord(),
)
FAILED = Verdict(Outcome.FAILED, "the file is not there", (SMALL_ACK,))


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> FakeJudge:
    judge = FakeJudge()
    monkeypatch.setattr(bundle, "judge_bundle", judge.judge_bundle)
    monkeypatch.setattr(pool, "judging_processes", judge.processes)
    return judge


def stored(folder: Path, result: RunResult) -> Path:
    write_result(result, folder / RESULT_FILE)
    return folder


def test_a_run_is_judged_as_it_was_and_nothing_in_it_changes(
    judge: FakeJudge, tmp_path: Path, capsys: Capsys
) -> None:
    run = stored(tmp_path, replace(one_job_run(PASSED), strict=True))
    before = (run / "result.json").read_bytes()
    assert main(["judge", str(run)]) == 0
    assert judge.asked == [(run / "b_a" / "handshake", Policy(strict=True))]
    assert "the same verdict as in the run" in capsys.readouterr().out
    assert (run / "result.json").read_bytes() == before
    assert list(run.iterdir()) == [run / "result.json"]


def test_compat_and_strict_can_be_set_anew(judge: FakeJudge, tmp_path: Path) -> None:
    run = stored(tmp_path, replace(one_job_run(PASSED), strict=True))
    assert main(["judge", str(run), "--compat", "--no-strict"]) == 0
    assert [policy for _, policy in judge.asked] == [Policy(compat=True)]


def test_a_changed_verdict_is_told_and_decides(
    judge: FakeJudge, tmp_path: Path, capsys: Capsys
) -> None:
    run = stored(tmp_path, one_job_run(PASSED))
    judge.verdicts["handshake"] = FAILED
    assert main(["judge", str(run)]) == 1
    out = capsys.readouterr().out
    assert (
        "changed  client a, server b: handshake: passed, now failed (1 requirement violated)" in out
    )
    assert "the file is not there" in out
    assert f"bundle  {run}/b_a/handshake" in out


def test_a_bundle_that_is_gone_is_an_error_and_stops_no_other(
    judge: FakeJudge, tmp_path: Path, capsys: Capsys
) -> None:
    run = one_job_run(PASSED)
    gone = replace(run.jobs[0], folder="gone", repetition=2)
    stored(tmp_path, replace(run, jobs=(gone, *run.jobs), planned=2))
    assert main(["judge", str(tmp_path)]) == 1
    assert [folder.name for folder, _ in judge.asked] == ["gone", "handshake"]
    assert "passed, now error" in capsys.readouterr().out


def test_a_run_without_attempts_is_nothing_to_judge(
    judge: FakeJudge, tmp_path: Path, capsys: Capsys
) -> None:
    stored(tmp_path, replace(one_job_run(PASSED), jobs=()))
    assert main(["judge", str(tmp_path)]) == 5
    assert capsys.readouterr().err.startswith("nothing to judge: no attempt is stored in ")
    assert judge.asked == []


def test_json_gets_the_new_result(judge: FakeJudge, tmp_path: Path) -> None:
    run = stored(tmp_path, one_job_run(PASSED))
    judge.verdicts["handshake"] = FAILED
    file = tmp_path / "new.json"
    assert main(["judge", str(run), "-j", str(file), "--compat"]) == 1
    judged = load(file)
    assert judged.jobs[0].verdict == FAILED
    assert judged.compat


def test_a_single_bundle_is_judged_too(judge: FakeJudge, tmp_path: Path, capsys: Capsys) -> None:
    write_attempt(RECORD, tmp_path)
    judge.verdicts[tmp_path.name] = FAILED
    assert main(["judge", str(tmp_path), "--strict"]) == 1
    assert judge.asked == [(tmp_path, Policy(strict=True))]
    out = capsys.readouterr().out
    assert out.startswith("✕ failed  client a, server b: handshake\n")
    assert "  again" not in out


def test_compliance_is_counted_again(judge: FakeJudge, tmp_path: Path, capsys: Capsys) -> None:
    run = stored(tmp_path, one_job_run(PASSED))
    judge.compliance = (
        ComplianceResult(
            BROKEN.id, Side.SERVER, BROKEN.level, BROKEN.citation, BROKEN.text, Status.VIOLATED
        ),
    )
    assert main(["judge", str(run), "-j", str(tmp_path / "x.json")]) == 0
    assert f"1 MUST ({BROKEN.id})" in capsys.readouterr().out
    (count,) = json.loads((tmp_path / "x.json").read_text())["compliance"]
    assert (count["id"], count["violated"]) == (BROKEN.id, 1)


def test_json_of_a_single_bundle_is_wrong_use(
    judge: FakeJudge, tmp_path: Path, capsys: Capsys
) -> None:
    write_attempt(RECORD, tmp_path)
    assert main(["judge", str(tmp_path), "-j", str(tmp_path / "x.json")]) == 2
    assert "--json needs the folder of a run" in capsys.readouterr().err


def test_a_folder_that_is_neither_is_wrong_use(tmp_path: Path, capsys: Capsys) -> None:
    assert main(["judge", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}/run.json: No such file")


def test_a_damaged_result_is_wrong_use(tmp_path: Path, capsys: Capsys) -> None:
    (tmp_path / "result.json").write_text("{")
    assert main(["judge", str(tmp_path)]) == 2
    assert "it is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("folder", ["../../elsewhere", "/etc", "a/../../b"])
def test_a_result_cannot_lead_out_of_its_folder(
    judge: FakeJudge, tmp_path: Path, capsys: Capsys, folder: str
) -> None:
    run = stored(tmp_path, one_job_run(PASSED))
    file = run / "result.json"
    document = json.loads(file.read_text())
    document["jobs"][0]["folder"] = folder
    file.write_text(json.dumps(document))
    assert main(["judge", str(run)]) == 2
    assert "names a bundle outside of it" in capsys.readouterr().err
    assert judge.asked == []


def test_a_conformance_run_is_shown_as_conform_does(
    judge: FakeJudge, tmp_path: Path, capsys: Capsys
) -> None:
    judge.verdicts = {Path(one.folder).name: one.verdict for one in GOLDEN.jobs[:5]}
    run = stored(tmp_path, replace(GOLDEN, jobs=GOLDEN.jobs[:5]))
    assert main(["judge", str(run)]) == 1
    out = capsys.readouterr().out
    assert "violated MUST  a as server: rfc9000/4.5/changed-final-size" in out
    assert "a as server: ! 1 violated SHOULD, ✕ 1 violated MUST, † 1 crashed" in out
    assert "client ↓" not in out


def test_a_conformance_run_that_says_nothing_has_its_exit_code(
    judge: FakeJudge, tmp_path: Path
) -> None:
    judge.verdicts = {"transfer": FAILED}
    run = stored(tmp_path, replace(GOLDEN, jobs=GOLDEN.jobs[:1]))
    assert main(["judge", str(run)]) == 2
