"""The server's session tickets, in memory."""

from __future__ import annotations

from aioquic.tls import SessionTicket

MOST_TICKETS = 1024


class TicketStore:
    """Tickets of clients that may come back, each good for one connection.

    A ticket that is used once cannot be used to replay 0-RTT data (RFC 8446, 8.1).
    """

    def __init__(self) -> None:
        self._tickets: dict[bytes, SessionTicket] = {}

    def add(self, ticket: SessionTicket) -> None:
        """Keep a ticket that is being issued; the oldest one goes when there are too many."""
        if len(self._tickets) >= MOST_TICKETS:
            del self._tickets[next(iter(self._tickets))]
        self._tickets[ticket.ticket] = ticket

    def forget(self) -> None:
        """Resume none of the sessions so far."""
        self._tickets.clear()

    def take(self, identity: bytes) -> SessionTicket | None:
        """The ticket that a client presents, if it is ours and was not used before."""
        return self._tickets.pop(identity, None)
