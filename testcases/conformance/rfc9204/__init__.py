"""RFC 9204, QPACK: one file a section."""
