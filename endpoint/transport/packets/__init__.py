"""Sending and receiving packets (RFC 9000, 12 and 13; RFC 9002).

coalescing        which packets of a datagram are processed
early_packets     keeping packets until their keys are available
acknowledgements  when to acknowledge
ecn               marking, counting and validation
recovery          pacing and loss detection
padding           PADDING frames that expand Initial datagrams
probes            what is sent when a probe timeout expires
quic_bit          greasing the QUIC bit
spin_bit          the latency spin bit
"""
