"""What most tests of the endpoint begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.injection import confirmed_pair
from tests.support.processes import Machine
from tests.support.quic_pair import Pair


@pytest.fixture
def pair(certs: Path) -> Pair:
    """A client and a server whose handshake is confirmed, with nothing in flight."""
    return confirmed_pair(certs)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """The folders, certificates and port of a client and a server process."""
    return Machine(tmp_path)
