"""What is sent when a probe timeout expires (RFC 9002, 6.2.4)."""

from __future__ import annotations

from typing import Any

from aioquic.quic.connection import END_STATES, NetworkAddress, QuicConnection


class Probes(QuicConnection):
    """A connection that sends two datagrams per probe timeout, where aioquic sends one.

    The timeout doubles each time, so where datagrams are lost in a row two of them halve the
    number of timeouts to wait for: most of all for a client whose acknowledgments are lost while
    the server may send nothing more (RFC 9002, 6.2.2.1).

    Each has an ACK of what the peer does not know to be acknowledged: one that is not due yet, or
    that was sent in a packet which may be lost. aioquic's have none, and the peer goes on sending
    what has arrived.
    """

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - the base class's
        super().__init__(**arguments)
        self._second_probe = False

    def handle_timer(self, now: float) -> None:
        """Handle an expired timer."""
        before = self._loss._pto_count  # noqa: SLF001
        super().handle_timer(now)
        self._second_probe = self._loss._pto_count > before  # noqa: SLF001
        if self._second_probe:
            self._acknowledge_again(now)

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, NetworkAddress]]:
        """Datagrams, each with where to."""
        datagrams = super().datagrams_to_send(now)
        if self._second_probe:
            self._second_probe = False
            # All outstanding handshake data goes at once: that can be many datagrams already.
            if len(datagrams) == 1 and self._state not in END_STATES:
                self._loss.reschedule_data(now=now)
                self._acknowledge_again(now)
                datagrams += super().datagrams_to_send(now)
        return datagrams

    def _acknowledge_again(self, now: float) -> None:
        for space in self._loss.spaces:
            if len(space.ack_queue) and not space.discarded:
                space.ack_at = now
