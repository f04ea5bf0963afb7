"""Which QUIC versions the packets have."""

from __future__ import annotations

from collections.abc import Iterator

from quicmatrix.runner.trace.model import VERSION_1, PacketType, Side
from quicmatrix.testcases.model import Finding, Level, Observation, Violation, requirement
from quicmatrix.testcases.views.view import never, sent


@requirement(Level.TEST, "interop suite", compat=True)
def server_initials_are_version_1(seen: Observation) -> Iterator[Finding]:
    """All Initial packets of the server are of QUIC version 1."""
    initials = sent(seen.trace, Side.SERVER, PacketType.INITIAL)
    others = (packet for packet in initials if packet.version != VERSION_1)
    yield from never(
        (Violation(f"the version is {name(packet.version)}", packet) for packet in others),
        initials,
    )


def name(version: int | None) -> str:
    """A version as it stands in a long header, e.g. ``0x6b3343cf``."""
    return "absent" if version is None else f"0x{version:08x}"
