"""What the middlebox did with a datagram: from the comment in the capture to a value, and back."""

from __future__ import annotations

from quicmatrix.runner.network.recording import fate_comment
from quicmatrix.runner.trace.model import Fate


def parse_fate(comment: str) -> Fate | None:
    """The fate that a packet comment states; None if it states none."""
    match = fate_comment.PATTERN.fullmatch(comment)
    if match is None:
        return None
    return Fate(
        number=int(match["number"]),
        dropped=match["dropped"] or "",
        delay_ms=None if match["delay_ms"] is None else float(match["delay_ms"]),
        change=match["change"] or "",
        duplicate=match["duplicate"] is not None,
    )


def fate_text(fate: Fate) -> str:
    """The fate as the capture's comment states it."""
    if fate.delay_ms is None:
        return fate_comment.dropped(fate.number, fate.dropped)
    return fate_comment.delivered(fate.number, fate.delay_ms, fate.change, duplicate=fate.duplicate)
