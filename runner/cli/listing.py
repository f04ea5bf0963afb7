"""``quicmatrix list``: what there is to choose from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quicmatrix.runner.printable import printable
from quicmatrix.runner.sandbox.backends import BACKENDS, NETNS, backend

if TYPE_CHECKING:  # imported once it is called
    from quicmatrix.runner.network.scenarios.scenario import Parameter

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
Record = dict[str, object]


@click.group(no_args_is_help=False)
def command() -> None:
    """Show which tests, implementations and scenarios there are."""


@command.command()
@AS_JSON
def tests(as_json: bool) -> None:
    """The test cases, in the suite's order."""
    from quicmatrix.runner.plan.select import testcases  # noqa: PLC0415 - loads the suite

    records: list[Record] = [
        {
            "letter": case.letter,
            "name": case.name,
            "summary": case.summary,
            "scenario": case.scenario,
            "timeout_s": case.timeout_s,
            "requirements": [
                {
                    "name": requirement.name,
                    "level": str(requirement.level),
                    "citation": requirement.citation,
                    "text": requirement.text,
                    "compat": requirement.compat,
                }
                for requirement in case.requirements
            ],
        }
        for case in testcases()
    ]
    _show(records, as_json, lambda: _rows(records, ("letter", "name", "summary")))


@command.command()
@AS_JSON
def conformance(as_json: bool) -> None:
    """The conformance cases, in the order of the RFCs, and how many there are."""
    from quicmatrix.runner.plan.conformance import conformance_cases  # noqa: PLC0415 - loads them

    records: list[Record] = [
        {
            "id": case.id,
            "level": str(case.level),
            "citation": case.citation,
            "roles": sorted(map(str, case.roles)),
            "text": case.text,
            "testcase": case.flow.testcase,
            "control": case.flow.control,
            "rows": list(case.rows),
        }
        for case in conformance_cases()
    ]
    numbers = _numbers([one for one in records if one["id"] != one["control"]])
    if as_json:
        click.echo(json.dumps({"cases": records, "counts": numbers}, indent=2))
        return
    rows = [{**one, "roles": ", ".join(_strings(one["roles"]))} for one in records]
    table: list[Record] = [dict.fromkeys(NUMBERS, ""), {name: name for name in NUMBERS}, *numbers]
    for line in (*_rows(rows, ("id", "level", "roles", "text")), *_rows(table, NUMBERS)):
        click.echo(printable(line))


NUMBERS = ("rfc", "role", "MUST", "SHOULD", "MAY", "cases")


def _numbers(cases: Sequence[Record]) -> list[Record]:
    """How many cases there are for each RFC and role, and for all of them, by level."""
    counted: Counter[tuple[str, str, str]] = Counter()
    for case in cases:
        for role in _strings(case["roles"]):
            for rfc in (str(case["id"]).partition("/")[0], "all"):
                for level in (str(case["level"]), "cases"):
                    counted[rfc, role, level] += 1
    pairs = dict.fromkeys((rfc, role) for rfc, role, _ in counted)
    in_order = sorted(pairs, key=lambda pair: (pair[0] == "all", pair))
    return [
        {"rfc": rfc, "role": role, **{level: counted[rfc, role, level] for level in NUMBERS[2:]}}
        for rfc, role in in_order
    ]


@command.command()
@click.option(
    "--implementations",
    "file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="An implementations file other than ours.",
)
@click.option(
    "--backend",
    "kind",
    type=click.Choice(BACKENDS),
    default=NETNS,
    help="What would run: local commands, or images.  [netns]",
)
@AS_JSON
def implementations(file: Path | None, kind: str, as_json: bool) -> None:
    """The implementations, and what can run here."""
    from quicmatrix.runner.execute.machine_checks import obstacles  # noqa: PLC0415 - imports msgspec
    from quicmatrix.runner.plan.implementations import load  # noqa: PLC0415 - as above

    place = backend(kind)

    known = load(file)
    records: list[Record] = [
        {
            "name": one.name,
            "roles": sorted(map(str, one.roles)),
            "image": one.image,
            "url": one.url,
            "commands": {str(role): list(words) for role, words in one.commands.items()},
            "missing": obstacles(one, place.obstacle),
        }
        for one in known
    ]
    rows = [
        {
            "name": one["name"],
            "roles": ", ".join(_strings(one["roles"])),
            "state": "; ".join(_strings(one["missing"])) or "ready",
        }
        for one in records
    ]
    _show(records, as_json, lambda: _rows(rows, ("name", "roles", "state")))


@command.command()
@AS_JSON
def scenarios(as_json: bool) -> None:
    """What the network can do, in the words of test cases."""
    from quicmatrix.runner.network.scenarios.scenario import SCENARIOS  # noqa: PLC0415 - only this needs the network

    records: list[Record] = [
        {
            "name": kind.name,
            "summary": kind.summary,
            "parameters": [
                {
                    "name": parameter.name,
                    "kind": str(parameter.kind),
                    "meaning": parameter.meaning,
                    "required": parameter.required,
                    "default": parameter.default,
                    "choices": list(parameter.choices),
                }
                for parameter in kind.parameters
            ],
        }
        for kind in SCENARIOS
    ]

    def lines() -> Iterable[str]:
        for kind in SCENARIOS:
            yield f"{kind.name}: {kind.summary}"
            words = [_word(parameter) for parameter in kind.parameters]
            width = max(map(len, words))
            for word, parameter in zip(words, kind.parameters, strict=True):
                yield f"  {word:<{width}}  {parameter.meaning}{_optional(parameter)}"

    _show(records, as_json, lines)


def _word(parameter: Parameter) -> str:
    return f"--{parameter.name}={'|'.join(parameter.choices) or parameter.kind.upper()}"


def _optional(parameter: Parameter) -> str:
    if parameter.default:
        return f" (default: {parameter.default})"
    return "" if parameter.required else " (optional)"


def _show(records: Sequence[Record], as_json: bool, lines: Callable[[], Iterable[str]]) -> None:
    if as_json:
        click.echo(json.dumps(records, indent=2))
        return
    for line in lines():
        click.echo(printable(line))


def _rows(records: Sequence[Record], keys: Sequence[str]) -> Iterable[str]:
    """Columns as wide as their longest word; the last one as long as it likes."""
    widths = [max((len(str(record[key])) for record in records), default=0) for key in keys[:-1]]
    for record in records:
        columns = [f"{record[key]!s:<{width}}" for key, width in zip(keys, widths, strict=False)]
        yield "  ".join([*columns, str(record[keys[-1]])])


def _strings(value: object) -> list[str]:
    assert isinstance(value, list)
    return [str(one) for one in value]
