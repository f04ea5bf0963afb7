"""RFC 9369, QUIC version 2: one file a section."""
