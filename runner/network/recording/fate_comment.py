"""The packet comment in which a capture says what the middlebox did with a packet.

``#12 delivered after 15.1 ms``, ``#12 delivered after 15.1 ms, byte 7 changed from 0x00 to 0x2a``,
``#12 again delivered after 15.2 ms`` (a duplicate) or ``#12 dropped: blackhole``. The number counts
the UDP datagrams of a direction, from 1, and is the same in both captures. Packets that are no
whole UDP datagram have none.

:func:`quicmatrix.runner.trace.fate.parse_fate` parses these comments.
"""

from __future__ import annotations

import re

PATTERN = re.compile(
    r"#(?P<number>\d{1,18}) "
    r"(?:dropped: (?P<dropped>.+)"
    r"|(?P<duplicate>again )?delivered after (?P<delay_ms>\d{1,18}(?:\.\d{1,9})?) ms"
    r"(?:, (?P<change>.+))?)",
    re.ASCII,
)
"""Every comment with a number."""


def delivered(number: int | None, delay_ms: float, change: str, *, duplicate: bool) -> str:
    """The comment on a packet that came out on the far side.

    Args:
        number: It is the n-th UDP datagram of its direction; None if it is no UDP datagram.
        delay_ms: The time from its arrival to its departure.
        change: What was changed in it; empty if nothing was.
        duplicate: Whether the packet was delivered before.
    """
    again = "again " if duplicate else ""
    text = f"{again}delivered after {delay_ms:.1f} ms"
    return _numbered(number, f"{text}, {change}" if change else text)


def dropped(number: int | None, reason: str) -> str:
    """The comment on a packet that does not come out on the far side."""
    return _numbered(number, f"dropped: {reason}")


def _numbered(number: int | None, text: str) -> str:
    return text if number is None else f"#{number} {text}"
