"""What an endpoint sends of itself, judged on every capture: also those of the interop suite.

These requirements need no stimulus. They never change an interop verdict; what becomes of them is
the compliance summary of a run.

table     all of them, with their ids
datagrams, packets, connection_ids, tls, streams
          the checks that no test case has; the others are those of test cases
"""
