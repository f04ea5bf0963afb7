"""Flow control (RFC 9000, 4)."""
