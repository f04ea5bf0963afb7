"""RFC 8999, the version-independent properties of QUIC: one file a section."""
