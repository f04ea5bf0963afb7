"""HTTP/0.9 and HTTP/3 over QUIC.

application    requests and answers, whatever the protocol
hq             HTTP/0.9 (ALPN hq-interop)
h3             HTTP/3 (ALPN h3)
h3_connection  the state and errors of HTTP/3 and QPACK
h3_fields      which field sections are malformed
fetch          the client: sends the requests of one connection and writes the files
serve          the server: answers the requests of one connection from files
"""
