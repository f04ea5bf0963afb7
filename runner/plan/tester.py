"""The tester: our endpoint in the place of an implementation's peer, in conformance cases."""

from __future__ import annotations

import sys

from quicmatrix.runner.model.implementation import Implementation
from quicmatrix.runner.trace.model import Side

NAME = "tester"
"""What it is called among the participants of a run."""
TESTER = Implementation(
    NAME,
    image="quicmatrix/tester:latest",
    commands=dict.fromkeys(Side, (sys.executable, "-P", "-m", "quicmatrix.endpoint.tester")),
)
