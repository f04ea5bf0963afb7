"""RFC 9287, greasing the QUIC bit: one file a section."""
