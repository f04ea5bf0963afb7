"""What the middlebox did with a datagram, where a check cannot do without it."""

from __future__ import annotations

from quicmatrix.runner.trace.model import Datagram, Fate
from quicmatrix.testcases.model import Inconclusive


def fate(datagram: Datagram) -> Fate:
    """What the middlebox did with a datagram.

    Raises:
        Inconclusive: The capture does not say.
    """
    if datagram.fate is None:
        side = datagram.capture
        name = "left" if side is side.CLIENT else "right"
        raise Inconclusive(
            f"the {name} capture does not tell what became of frame {datagram.frame_number}"
        )
    return datagram.fate
