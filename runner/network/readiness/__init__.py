"""Probes of the server's readiness, and the TCP port by which client images see the sim's."""
