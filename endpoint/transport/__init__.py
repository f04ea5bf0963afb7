"""QUIC: aioquic's connection with its faults corrected, and the UDP layer below it.

connection  the connection: aioquic's, with the overrides of crypto, packets, paths and streams
crypto      TLS, packet protection, transport parameters and the handshake
packets     sending and receiving packets: acknowledgment, loss detection, ECN
paths       connection IDs, address validation, migration and path MTU
streams     flow control
sockets     UDP sockets, and the event loop that drives connections
qlog        traces that are written while the connection runs
release     frees the memory of a connection that has ended

Private parts of aioquic are used, which is why it is pinned to one minor version;
``tests/endpoint/test_seams.py`` names each of them and fails when one changes.
"""
