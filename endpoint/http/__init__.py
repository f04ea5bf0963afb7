"""HTTP/0.9 and HTTP/3 on the transport."""
