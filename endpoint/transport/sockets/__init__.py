"""Sockets, and the event loop that drives connections."""
