"""RFC 8446, TLS 1.3: one file a section."""
