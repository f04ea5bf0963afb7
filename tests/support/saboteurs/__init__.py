"""Reference endpoints that each violate one requirement, by the id of the case that must show it.

A conformance case that no saboteur can make violated proves nothing when it is held.
``scripts/saboteurs`` runs each against its case over real packets.
"""

from __future__ import annotations

from quicmatrix.runner.trace.model import Side
from tests.support.saboteurs import datagrams_and_paths, http3, streams_and_frames, tls
from tests.support.saboteurs.model import Saboteur

TABLES = (datagrams_and_paths, tls, streams_and_frames, http3)
"""The modules, each with a table of its own."""
SABOTEURS: dict[str, Saboteur] = {
    case: saboteur for module in TABLES for case, saboteur in module.SABOTEURS.items()
}
EXCEPTIONS: dict[tuple[str, Side], str] = {
    ("rfc9000/4.1/lower-limits", Side.CLIENT): (
        "a client has sent its request before the limits come, and nothing is left to hold back"
    ),
    ("rfc9000/19.16/retire-where-there-is-none", Side.SERVER): (
        "the reference endpoint's server finds a connection by its ID, so it cannot be empty"
    ),
}
"""Cases of MUST that no saboteur makes violated in a role, with the reason; it may only shrink."""
