"""RFC 9114, HTTP/3: one file a section."""
