"""Scenario strings of quic-network-simulator, and what each of them means."""
