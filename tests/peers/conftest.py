"""What each test of a peer needs to run it; ``adapter`` says which peer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.peer_place import Place, make_place


@pytest.fixture
def place(adapter: Path, certs: Path, tmp_path: Path) -> Place:
    return make_place(adapter, tmp_path, certs)
