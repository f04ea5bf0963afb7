"""QUIC itself, under the applications.

connection        our subclass of aioquic's connection, put together from the next ones
acknowledgements  when to acknowledge
address_tokens    NEW_TOKEN, which spares a client its address validation
coalescing        which packets of a datagram count
ecn               marks, counts and their validation
flow_control      limits that follow the reader
handshake         Retry, versions, early data, long certificate chains
path_mtu          how large packets may be
paths             preferred addresses, migration, and what a new path resets
quic_bit          the second bit of each packet, greased
epochs            a faster hash for aioquic's encryption levels
recovery          pacing, and what was lost
stateless_reset   the end of a connection that one side has forgotten
transport_parameters  what the peer announced, and what it may not
keys              1-RTT keys that survive a key update in either direction
windows           flow-control windows that follow the reader
tls               the handshake's messages, each with its alert; tls_messages: their form
hello_retry       HelloRetryRequest, asked and answered
udp               UDP sockets in the event loop, with ECN, local addresses and segmentation
interfaces        the addresses of our network interfaces
client_sockets    where a client's connection is, and its move to another address
release           the end of a connection's memory
driver            one connection, its application, its timer and its socket
listener          the server's side of a socket: which datagram belongs to which connection
qlog              traces that are on disk while they are made

Private parts of aioquic are used, which is why it is pinned to one minor version;
``tests/endpoint/test_seams.py`` names each of them and fails when one changes.
"""
