"""Scenarios: quic-network-simulator's strings, parsed to a link and an impairment."""
