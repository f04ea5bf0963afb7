"""Connection IDs, paths and address validation (RFC 9000, 5, 8 and 9)."""
