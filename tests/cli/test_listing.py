from __future__ import annotations

import json
from pathlib import Path

import pytest

from quicmatrix.runner.cli import main
from quicmatrix.runner.network.scenarios.scenario import SCENARIOS
from quicmatrix.runner.plan.select import testcases as all_testcases
from tests.support.conformance_cases import CASES


def test_tests_are_listed_with_letter_name_and_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "tests"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(all_testcases())
    for line, case in zip(lines, all_testcases(), strict=True):
        letter, name, summary = line.split(maxsplit=2)
        assert (letter, name, summary) == (case.letter, case.name, case.summary)


def test_tests_as_json_have_their_requirements(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "tests", "--json"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [record["name"] for record in records] == [case.name for case in all_testcases()]
    for record, case in zip(records, all_testcases(), strict=True):
        assert [one["text"] for one in record["requirements"]] == [
            requirement.text for requirement in case.requirements
        ]


def test_conformance_cases_are_listed_and_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("quicmatrix.runner.plan.conformance.conformance_cases", lambda: CASES)
    assert main(["list", "conformance"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[: len(CASES)]] == [case.id for case in CASES]
    assert lines[2].split(maxsplit=4) == [
        *("rfc9000/4.5/final-size", "SHOULD", "client,", "server"),
        "What rfc9000/4.5/final-size says is so.",
    ]
    assert [line.split() for line in lines[len(CASES) :]] == [
        [],
        ["rfc", "role", "MUST", "SHOULD", "MAY", "cases"],
        ["rfc9000", "client", "3", "1", "1", "5"],
        ["rfc9000", "server", "3", "1", "1", "5"],
        ["rfc9001", "client", "1", "0", "0", "1"],
        ["rfc9001", "server", "1", "0", "0", "1"],
        ["all", "client", "4", "1", "1", "6"],
        ["all", "server", "4", "1", "1", "6"],
    ]


def test_conformance_cases_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("quicmatrix.runner.plan.conformance.conformance_cases", lambda: CASES)
    assert main(["list", "conformance", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["cases"][-1] == {
        "id": "rfc9001/5/retry-tag",
        "level": "MUST",
        "citation": "RFC 9001, 5",
        "roles": ["client", "server"],
        "text": "What rfc9001/5/retry-tag says is so.",
        "testcase": "retry",
        "control": "control/retry",
        "rows": ["F-1"],
    }
    assert found["counts"][0] == {
        "rfc": "rfc9000",
        "role": "client",
        "MUST": 3,
        "SHOULD": 1,
        "MAY": 1,
        "cases": 5,
    }


def test_implementations_say_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "some.json"
    file.write_text(
        json.dumps(
            {
                "here": {"command": "/bin/true", "url": "https://example.org"},
                "gone": {"command": "/nowhere/\x1b[2J", "role": "client"},
            }
        )
    )
    assert main(["list", "implementations", "--implementations", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["here", "client,", "server", "ready"]
    assert lines[1].split(maxsplit=2)[:2] == ["gone", "client"]
    assert r"there is no program /nowhere/\x1b[2J" in lines[1]

    assert main(["list", "implementations", "--implementations", str(file), "--json"]) == 0
    here, gone = json.loads(capsys.readouterr().out)
    assert here["missing"] == []
    assert here["roles"] == ["client", "server"]
    assert here["commands"]["client"] == ["/bin/true"]
    assert len(gone["missing"]) == 1


def test_an_implementations_file_that_is_not_there_is_wrong_use(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["list", "implementations", "--implementations", "/nowhere.json"]) == 2
    assert capsys.readouterr().err.startswith("error: /nowhere.json: No such file")


def test_scenarios_are_listed_with_their_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "scenarios"]) == 0
    text = capsys.readouterr().out
    for kind in SCENARIOS:
        assert f"{kind.name}: {kind.summary}" in text
        for parameter in kind.parameters:
            assert f"--{parameter.name}=" in text
    assert "--direction=both|toclient|toserver" in text

    assert main(["list", "scenarios", "--json"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [record["name"] for record in records] == [kind.name for kind in SCENARIOS]
