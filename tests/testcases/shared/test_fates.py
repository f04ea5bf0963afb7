from __future__ import annotations

import pytest

from quicmatrix.runner.trace.model import Fate
from quicmatrix.testcases.model import Inconclusive
from quicmatrix.testcases.shared.fates import fate
from tests.support.story import client, trace


def test_the_fate_that_the_capture_states() -> None:
    (datagram,) = trace(client.initial().told("#3 dropped: blackhole")).left.datagrams
    assert fate(datagram) == Fate(3, "blackhole")


def test_without_a_fate_the_trace_cannot_tell() -> None:
    (datagram,) = trace(client.initial()).left.datagrams
    with pytest.raises(Inconclusive, match="left capture does not tell what became of frame 1"):
        fate(datagram)
