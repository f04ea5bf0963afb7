"""Sending and receiving packets: acknowledgment, loss detection, ECN, path MTU (RFC 9002)."""
