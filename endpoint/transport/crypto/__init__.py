"""TLS, packet protection and the handshake (RFC 9001, RFC 9369)."""
