"""Goodput of transfers that a run stored, as quic-interop-runner computes it.

    quicmatrix run -c reference -s reference -t transfer --repeat 5 -n 1 -l /tmp/goodput
    python bench/endpoint_goodput.py /tmp/goodput

8 x the files' bytes, divided by the time between the server's first and last 1-RTT packet in the
client-side capture. A transfer's three files are the same 10 MiB that goodput is measured with.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

SERVER_1RTT = "quic.header_form == 0 && udp.srcport == 443"


def goodput_kbps(attempt: Path) -> float:
    """The goodput of one attempt, in kbps."""
    size = sum(file["size"] for file in json.loads(attempt.read_text())["www"])
    capture = attempt.parent / "sim" / "trace_node_left.pcap"
    lines = subprocess.run(
        ["tshark", "-r", capture, "-Y", SERVER_1RTT, "-T", "fields", "-e", "frame.time_epoch"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    return float(8 * size / (float(lines[-1]) - float(lines[0])) / 1000)


def main() -> None:
    """Print the mean and every sample."""
    attempts = sorted(Path(sys.argv[1]).rglob("attempt.json"))
    samples = [goodput_kbps(attempt) for attempt in attempts]
    spread = statistics.stdev(samples) if len(samples) > 1 else 0.0
    print(f"{statistics.mean(samples):.0f} (± {spread:.0f}) kbps of {len(samples)}")
    print(" ".join(f"{sample:.0f}" for sample in samples))


if __name__ == "__main__":
    main()
