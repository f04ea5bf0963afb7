"""RFC 9368, version negotiation: one file a section."""
