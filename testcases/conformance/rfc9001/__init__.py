"""RFC 9001, QUIC-TLS: one file a section."""
