"""RFC 9002, QUIC loss detection and congestion control: one file a section."""
