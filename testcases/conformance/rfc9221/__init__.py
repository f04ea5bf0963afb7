"""RFC 9221, DATAGRAM frames: one file a section."""
