"""The reference endpoint: a QUIC client and server for the interop contract, on aioquic.

``python -m quicmatrix.endpoint`` reads everything it needs from the environment
(:mod:`quicmatrix.endpoint.contract`) and exits 0 when all is done, 1 when something failed, 127
when it does not know the test case.

contract     the environment, parsed once, at the border
entry        from the environment to an exit code
client       what the client does in each test case
server       what the server does in each test case
settings     what each role tells QUIC and TLS in each test case
fetch        the requests of one connection, and the files that come of them
serve        the answers of one connection, streamed from disk
application  what a request and its answer are; hq, h3: how they look on a stream
h3_connection, h3_fields  the state and errors of HTTP/3; which messages are malformed
files        /www and /downloads, and nothing outside of them
logs         the key log and the qlog folder
tickets      the server's session tickets
transport    QUIC itself: aioquic's connection with its faults mended, and our own UDP layer
"""
