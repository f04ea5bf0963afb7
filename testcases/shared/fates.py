"""What the middlebox says that it did with a datagram, as it stands in the packet comments.

Comments are our middlebox's: ``#12 dropped: blackhole``, ``#12 delivered after 15.1 ms`` and
``#12 delivered after 15.1 ms, byte 7 changed from 0x00 to 0x2a``. A number counts the UDP datagrams
of a direction, from 1, and is the same in both captures.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from quicmatrix.runner.trace.model import Datagram
from quicmatrix.testcases.model import Inconclusive

_COMMENT = re.compile(
    r"#(?P<number>\d+) "
    r"(?:dropped: (?P<reason>.+)|(?:again )?delivered after \d+(?:\.\d+)? ms(?:, (?P<change>.+))?)",
    re.ASCII,
)
_DAMAGE = re.compile(r"byte \d+ changed\b", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a datagram on its way."""

    number: int
    """It is the n-th UDP datagram of its direction, from 1."""
    drop: str
    """Why it was dropped; empty if it was not."""
    change: str
    """What was changed in it; empty if nothing was."""

    @property
    def is_damaged(self) -> bool:
        """Whether a byte of its contents was changed."""
        return _DAMAGE.match(self.change) is not None


def fate(datagram: Datagram) -> Fate:
    """What the middlebox says of a datagram.

    Raises:
        Inconclusive: It says nothing.
    """
    match = _COMMENT.fullmatch(datagram.fate)
    if match is None:
        side = datagram.capture
        name = "left" if side is side.CLIENT else "right"
        raise Inconclusive(
            f"the {name} capture does not tell what became of frame {datagram.frame_number}"
        )
    return Fate(int(match["number"]), match["reason"] or "", match["change"] or "")
