"""quicmatrix: runs QUIC implementations against each other and judges them by their packets.

Words, each used for one idea in code, CLI, JSON and HTML:

implementation  a QUIC stack under test: an image, a local command per role, or both
role            what it plays: client or server
test case       what is tried, and the requirements that must hold
participant     who plays a role in a job
job             participants x test case x repetition
attempt         one try at a job
run             all jobs of one call of ``quicmatrix run``
bundle          what an attempt stored: captures, keys, logs, exit codes, file lists
side            client's or server's, of a capture or a violation
host            one of the three machines of an attempt: client, server, sim (the middlebox)
link            what joins the two sides: rate, delay, queue
scenario        what the middlebox does to datagrams, as quic-network-simulator's string
trace           both captures, decoded
observation     all that is known of an attempt: its trace and its record
requirement     one sentence of an RFC or of the interop suite, with the check of it; in an attempt
                it is held, violated, not exercised or undetermined
violation       one thing that breaks a requirement, with the packets that show it: its evidence
verdict         passed, nonconformant, failed, unsupported, timeout, crashed, inconclusive or error
metric          what a measurement measures; its time series shows it over time
"""
