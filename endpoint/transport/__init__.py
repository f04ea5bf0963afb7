"""QUIC itself, under the applications.

connection  our subclass of aioquic's connection: what aioquic leaves undone or does wrong
keys        1-RTT keys that survive a key update in either direction
windows     flow-control windows that follow the reader
udp         one UDP socket in the event loop
driver      one connection, its application, its timer and its socket
listener    the server's side of a socket: which datagram belongs to which connection
qlog        traces that are on disk while they are made

Private parts of aioquic are used, which is why it is pinned to one minor version;
``tests/endpoint/test_seams.py`` names each of them and fails when one changes.
"""
