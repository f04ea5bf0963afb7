from __future__ import annotations

import socket

from quicmatrix.endpoint.transport.sockets.interfaces import both_families


def test_an_interface_has_both_families() -> None:
    loopback = ("127.0.0.1", "::1")
    assert both_families(socket.inet_aton("127.0.0.1")) == loopback
    assert both_families(socket.inet_pton(socket.AF_INET6, "::ffff:127.0.0.1")) == loopback
    assert both_families(socket.inet_pton(socket.AF_INET6, "::1")) == loopback


def test_an_address_of_no_interface_is_all_there_is() -> None:
    assert both_families(socket.inet_aton("192.0.2.1")) == ("192.0.2.1", None)
    assert both_families(socket.inet_pton(socket.AF_INET6, "2001:db8::1")) == (None, "2001:db8::1")
