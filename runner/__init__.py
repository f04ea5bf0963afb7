"""quicmatrix: runs QUIC implementations against each other and judges them by their packets.

Words, each used for one idea in code, CLI, JSON and HTML:

implementation  a QUIC stack under test: an image, a local command per role, or both
role            what it plays: client or server
test case       what is tried, and the requirements that must hold
job             client x server x test case x repetition
attempt         one try at a job
run             all jobs of one call of ``quicmatrix run``
bundle          what an attempt stored: captures, keys, logs, exit codes, file lists
side            client's or server's, of a capture or a violation
host            one of the three machines of an attempt: client, server, sim (the middlebox)
link            what joins the two sides: rate, delay, queue
scenario        what the middlebox does to datagrams, as quic-network-simulator's string
trace           both captures, decoded
requirement     one sentence of an RFC or of the interop suite, with the check of it
violation       one breach of a requirement, with the packets that show it: its evidence
verdict         passed, failed, unsupported, timeout, crashed, inconclusive or error
"""
