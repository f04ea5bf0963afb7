"""Sending and receiving packets (RFC 9000, 12 and 13; RFC 9002).

datagrams         what is counted and looked at for each datagram and packet
short_header      building and taking in 1-RTT packets
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
