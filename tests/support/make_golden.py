"""Writes the capture that ``quicmatrix.runner.trace.tshark.check`` decodes, and what is in it.

    python tests/support/make_golden.py

To be run again when the traffic or the model changes; then read the difference in golden.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from quicmatrix.runner.trace import tshark
from quicmatrix.runner.trace.model import VERSION_1, VERSION_2, Ecn, Side
from tests.support.quic_traffic import CLIENT_V6, SERVER_V6, Link, passed

HOME = Path(tshark.__file__).parent
LARGEST = 50_000


def golden() -> Link:
    """Retry and a key update; then resumption with 0-RTT; then version 2 over IPv6."""
    link = Link(retry=True, ecn=Ecn.ECT_0, fate=lambda _, index, data: (data, passed(index)))
    link.connect()
    link.run(0.2)
    link.request()
    link.run(0.3)
    link.client.request_key_update()
    link.request(4)
    link.run(0.5)
    link.close()
    link.retry = False
    link.ecn = Ecn.NOT_ECT
    link.connect(early=b"GET /early\r\n", session_ticket=link.tickets[-1])
    link.run(link.now + 0.3)
    link.close()
    link.client_address, link.server_address = CLIENT_V6, SERVER_V6
    link.server_versions = [VERSION_2, VERSION_1]
    link.connect(original_version=VERSION_1, supported_versions=[VERSION_2, VERSION_1])
    link.run(link.now + 0.2)
    link.request()
    link.run(link.now + 0.3)
    link.close()
    return link


def main() -> None:
    """Write both files."""
    capture = golden().write(HOME / "golden.pcapng")
    assert capture.stat().st_size <= LARGEST
    decoded = tshark.decode_now(capture, Side.CLIENT)
    assert not decoded.damage
    (HOME / "golden.json").write_text(json.dumps(tshark.describe(decoded), indent=1) + "\n")


if __name__ == "__main__":
    main()
