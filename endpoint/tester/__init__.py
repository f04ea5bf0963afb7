"""A peer that follows the RFCs but for one deviation, to see what an implementation does with it.

``python -m quicmatrix.endpoint.tester`` takes the place of the implementation's peer in a job. It
reads the same environment as every endpoint; its TESTCASE is the id of a conformance case, whose
script it runs.

frames      frames as bytes, right or wrong
packets     packets as bytes, right or wrong
parameters  transport parameters as a list that can be altered
http3       HTTP/3 frames, settings and messages as bytes
qpack       QPACK instructions and field lines as bytes
connection  our connection, which never closes by itself and lets messages be altered
streams     the streams of a connection, and HTTP on them, for scripts
configuration
            what connections are made of
arrivals    what can be read of datagrams outside of any connection
peer        one connection with the implementation, as an async API for scripts
tester      what scripts are given: connections, and datagrams outside of any
steps       the log of what was sent, which says where in a capture the stimulus is
run         from the environment to the exit code

The tester waits for packets, never for a time. It judges nothing: that is done from the captures.
"""
