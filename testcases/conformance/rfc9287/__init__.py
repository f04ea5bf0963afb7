"""RFC 9287, the QUIC bit: one file a section."""
