"""index.html of a conformance run: its cases by implementation and role, by RFC and section."""

from __future__ import annotations

from quicmatrix.reports.html.environment import environment, style
from quicmatrix.runner.results.conformance import by_role
from quicmatrix.runner.results.run_view import RunView
from quicmatrix.runner.trace.model import Side


def render(view: RunView) -> str:
    """The page's HTML."""
    return (
        environment()
        .get_template("conformance.html")
        .render(run=view.run, view=view, results=by_role(view.run), sides=tuple(Side), **style())
    )
