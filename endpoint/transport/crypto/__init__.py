"""TLS, packet protection, transport parameters and the handshake (RFC 9001, RFC 9368, RFC 9369).

handshake             Retry, version negotiation, 0-RTT, long certificate chains
hello_retry           HelloRetryRequest in both roles
tls                   the TLS handshake, with the alerts of RFC 8446
tls_messages          the format of handshake messages
transport_parameters  what the peer announced, and what it must not
packet_protection     protecting packets and their headers
keys                  key updates and the limits of the AEADs
epoch_hash            a faster hash for aioquic's encryption levels
"""
