"""What is sent when a probe timeout expires (RFC 9002, 6.2.4)."""

from __future__ import annotations

from typing import Any

from aioquic.quic.connection import END_STATES, NetworkAddress, QuicConnection


class Probes(QuicConnection):
    """A connection that sends two datagrams per probe timeout, where aioquic sends one.

    The timeout doubles each time, so where datagrams are lost in a row two of them halve the
    number of timeouts to wait for: most of all for a client whose acknowledgments are lost while
    the server may send nothing more (RFC 9002, 6.2.2.1).
    """

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the base class's
        super().__init__(**arguments)
        self._second_probe = False

    def handle_timer(self, now: float) -> None:
        """Handle an expired timer."""
        before = self._loss._pto_count  # noqa: SLF001
        super().handle_timer(now)
        self._second_probe = self._loss._pto_count > before  # noqa: SLF001

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, NetworkAddress]]:
        """Datagrams, each with where to."""
        datagrams = super().datagrams_to_send(now)
        if self._second_probe:
            self._second_probe = False
            # All outstanding handshake data goes at once: that can be many datagrams already.
            if len(datagrams) == 1 and self._state not in END_STATES:
                self._loss.reschedule_data(now=now)
                datagrams += super().datagrams_to_send(now)
        return datagrams
