"""The standard interop suite: one file a test case, named as the test case is."""

from __future__ import annotations

from quicmatrix.testcases.interop.amplificationlimit import AMPLIFICATIONLIMIT
from quicmatrix.testcases.interop.blackhole import BLACKHOLE
from quicmatrix.testcases.interop.chacha20 import CHACHA20
from quicmatrix.testcases.interop.connectionmigration import CONNECTIONMIGRATION
from quicmatrix.testcases.interop.ecn import ECN
from quicmatrix.testcases.interop.handshake import HANDSHAKE
from quicmatrix.testcases.interop.handshakecorruption import HANDSHAKECORRUPTION
from quicmatrix.testcases.interop.handshakeloss import HANDSHAKELOSS
from quicmatrix.testcases.interop.http3 import HTTP3
from quicmatrix.testcases.interop.ipv6 import IPV6
from quicmatrix.testcases.interop.keyupdate import KEYUPDATE
from quicmatrix.testcases.interop.longrtt import LONGRTT
from quicmatrix.testcases.interop.multiplexing import MULTIPLEXING
from quicmatrix.testcases.interop.rebind_addr import REBIND_ADDR
from quicmatrix.testcases.interop.rebind_port import REBIND_PORT
from quicmatrix.testcases.interop.resumption import RESUMPTION
from quicmatrix.testcases.interop.retry import RETRY
from quicmatrix.testcases.interop.transfer import TRANSFER
from quicmatrix.testcases.interop.transfercorruption import TRANSFERCORRUPTION
from quicmatrix.testcases.interop.transferloss import TRANSFERLOSS
from quicmatrix.testcases.interop.v2 import V2
from quicmatrix.testcases.interop.versionnegotiation import VERSIONNEGOTIATION
from quicmatrix.testcases.interop.zerortt import ZERORTT
from quicmatrix.testcases.model import TestCase

TESTCASES: tuple[TestCase, ...] = (
    HANDSHAKE,
    TRANSFER,
    LONGRTT,
    CHACHA20,
    MULTIPLEXING,
    RETRY,
    RESUMPTION,
    ZERORTT,
    HTTP3,
    BLACKHOLE,
    KEYUPDATE,
    ECN,
    AMPLIFICATIONLIMIT,
    HANDSHAKELOSS,
    TRANSFERLOSS,
    HANDSHAKECORRUPTION,
    TRANSFERCORRUPTION,
    IPV6,
    V2,
    REBIND_PORT,
    REBIND_ADDR,
    CONNECTIONMIGRATION,
    VERSIONNEGOTIATION,
)
"""In the order in which a matrix shows them."""
