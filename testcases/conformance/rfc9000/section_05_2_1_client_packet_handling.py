"""RFC 9000, 5.2.1 and 9: packets that a client does not take for the server's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quicmatrix.endpoint.tester import frames
from quicmatrix.endpoint.tester.packets import Shape
from quicmatrix.endpoint.tester.peer import INITIAL
from quicmatrix.testcases.conformance.expectations import discards
from quicmatrix.testcases.conformance.model import CLIENT, case
from quicmatrix.testcases.conformance.openings import UNKNOWN_VERSION
from quicmatrix.testcases.model import Level

if TYPE_CHECKING:
    from quicmatrix.endpoint.tester.tester import Tester

OTHER_PORT = 4433


@case(
    "rfc9000/5.2.1/another-version",
    Level.MUST,
    rows="C-12",
    roles=CLIENT,
    expects=discards(),
)
async def another_version(tester: Tester) -> None:
    """A client discards a packet of another version than it has selected."""
    peer = await tester.connecting(held_back=True)
    await peer.stimulus(frames.ping(), kind=INITIAL, shape=Shape(version=UNKNOWN_VERSION))
    peer.release()


@case(
    "rfc9000/9/unknown-server-address",
    Level.MUST,
    rows="B-17 C-53",
    roles=CLIENT,
    expects=discards(),
)
async def unknown_server_address(tester: Tester) -> None:
    """A client discards packets from an address that is not known to be the server's."""
    peer = await tester.connected()
    await peer.stimulus(frames.ping(), path=tester.new_server_path(peer, OTHER_PORT))
