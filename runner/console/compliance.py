"""The compliance summary of a run: a few lines on what endpoints sent of themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.text import Text

from quicmatrix.runner.model.run import ComplianceCount
from quicmatrix.runner.model.verdict import Status
from quicmatrix.runner.printable import printable
from quicmatrix.runner.results import formatting
from quicmatrix.runner.results.requirement_lists import STATUS_MARKS
from quicmatrix.runner.trace.model import Side
from quicmatrix.testcases.model import Level

_MOST_IDS = 3
"""How many violated requirements a line names."""


def compliance_lines(
    counts: Sequence[ComplianceCount], *, most: int | None = None
) -> Iterator[Text]:
    """A line for each implementation and role that violated something; nothing if none was judged.

    Args:
        counts: What became of each requirement.
        most: How many implementations have a line; None: all, with all ids.
    """
    if not counts:
        return
    found: dict[tuple[str, Side], list[ComplianceCount]] = {}
    for one in counts:
        if one.status is Status.VIOLATED:
            found.setdefault((one.implementation, one.role), []).append(one)
    violated = sum(map(len, found.values()))
    said = f"{violated} violated" if violated else "none violated"
    total = f"{len(counts)} requirement{'s' if len(counts) != 1 else ''}"
    yield Text(f"compliance: {total} on what endpoints send of themselves, {said}")
    for (name, role), some in list(found.items())[:most]:
        levels = Counter(one.level for one in some)
        ids = [one.id for one in some][: None if most is None else _MOST_IDS]
        ids += formatting.more(len(some) - len(ids), "requirements")
        yield Text("  ") + Text.assemble(
            (f"{STATUS_MARKS[Status.VIOLATED]} ", "dark_orange" if Level.MUST in levels else "dim"),
            (f"{printable(name)} as {role}", "bold"),
            f": {', '.join(f'{number} {level}' for level, number in levels.items())}",
            (f" ({', '.join(map(printable, ids))})", "dim"),
        )
    if most is not None:
        for line in formatting.more(len(found) - most, "implementations", prefix="  "):
            yield Text(line, "dim")
