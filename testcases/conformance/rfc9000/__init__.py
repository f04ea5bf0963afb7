"""RFC 9000, QUIC: one file a section."""
