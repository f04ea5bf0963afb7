"""The standard interop suite: one file a test case, named as the test case is."""

from __future__ import annotations

from testcases.interop.amplificationlimit import AMPLIFICATIONLIMIT
from testcases.interop.blackhole import BLACKHOLE
from testcases.interop.chacha20 import CHACHA20
from testcases.interop.connectionmigration import CONNECTIONMIGRATION
from testcases.interop.ecn import ECN
from testcases.interop.handshake import HANDSHAKE
from testcases.interop.handshakecorruption import HANDSHAKECORRUPTION
from testcases.interop.handshakeloss import HANDSHAKELOSS
from testcases.interop.http3 import HTTP3
from testcases.interop.ipv6 import IPV6
from testcases.interop.keyupdate import KEYUPDATE
from testcases.interop.longrtt import LONGRTT
from testcases.interop.multiplexing import MULTIPLEXING
from testcases.interop.rebind_addr import REBIND_ADDR
from testcases.interop.rebind_port import REBIND_PORT
from testcases.interop.resumption import RESUMPTION
from testcases.interop.retry import RETRY
from testcases.interop.transfer import TRANSFER
from testcases.interop.transfercorruption import TRANSFERCORRUPTION
from testcases.interop.transferloss import TRANSFERLOSS
from testcases.interop.v2 import V2
from testcases.interop.versionnegotiation import VERSIONNEGOTIATION
from testcases.interop.zerortt import ZERORTT
from testcases.model import TestCase

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
