from __future__ import annotations

from pathlib import Path

from quicmatrix.runner.checkout import script_hint


def test_a_hint_names_a_script_only_where_it_is(tmp_path: Path) -> None:
    hint = "scripts/setup builds the peers"
    assert script_hint(hint) == hint
    assert script_hint(hint, tmp_path) == f"in a checkout of quicmatrix, {hint}"
