"""A client and a server of one peer, with a relay between that keeps what it forwards."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from tests.support.peer_place import Place
from tests.support.peer_relay import Relay, relaying
from tests.support.peer_wire import Wire, decode


def look(place: Place, relay: Relay) -> Wire:
    capture = place.folder / "relay.pcap"
    relay.write_pcap(capture)
    return decode(capture, place.logs("client") / "keys.log")


def run(
    place: Place, testcase: str, names: Sequence[str], *, server: str | None = None
) -> tuple[subprocess.CompletedProcess[str], Relay]:
    with place.server(server or testcase), relaying(place.port) as relay:
        done = place.client(testcase, names, relay.port)
    return done, relay


def run_well(
    place: Place, testcase: str, names: Sequence[str], *, server: str | None = None
) -> Wire:
    """A run that delivers all files, and what was on the wire."""
    done, relay = run(place, testcase, names, server=server)
    assert (done.returncode, done.stderr) == (0, "")
    assert place.downloaded() == place.served(names)
    return look(place, relay)
