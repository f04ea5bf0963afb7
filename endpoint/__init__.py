"""The reference endpoint: a QUIC client and server for the interop contract, on aioquic.

``python -m quicmatrix.endpoint`` reads everything it needs from the environment
(:mod:`quicmatrix.endpoint.contract`) and exits 0 when all is done, 1 when something failed, 127
when it does not know the test case.

contract     parses the environment
entry        runs the role that the environment asks for, and returns the exit code
client       what the client does in each test case
server       what the server does in each test case
settings     the QUIC configuration of each role in each test case
files        opening files in /www and /downloads, and nowhere else
logs         the key log and the qlog folder
tickets      the server's session tickets
http         HTTP/0.9 and HTTP/3: requests, answers, and the files they carry
transport    QUIC: aioquic's connection with its faults corrected, and our own UDP layer
quic         QUIC as a library, with an async API
"""
