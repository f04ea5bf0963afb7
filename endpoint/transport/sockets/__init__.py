"""UDP sockets, and the event loop that drives connections.

udp             UDP sockets with ECN, local addresses and segmentation offload
interfaces      the addresses of the host's network interfaces
driver          one connection with its application, its timer and its socket
listener        the server's socket: which datagram belongs to which connection
client_sockets  the sockets of one client connection, and its migration
"""
