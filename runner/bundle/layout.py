"""Where things are in a bundle."""

from __future__ import annotations

from pathlib import Path

ATTEMPT_FILE = "attempt.json"
VERDICT_FILE = "verdict.json"
SERIES_FILE = "series.json"
LEFT_CAPTURE = Path("sim/trace_node_left.pcap")
"""The client's side; pcapng inside, the name is quic-interop-runner's."""
RIGHT_CAPTURE = Path("sim/trace_node_right.pcap")
"""The server's side."""
KEY_LOG = "keys.log"
"""In the folder of a side: the TLS secrets that its endpoint logged."""
TESTER_LOG = "tester.jsonl"
"""In the folder of the side that a tester played: what it did and saw, a JSON object a line."""
OUTPUT_LOG = "output.log"
"""In the folder of a side or of the sim: what its process wrote to standard output and error."""
