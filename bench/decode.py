"""Decoding time and memory: quicmatrix and pyshark on the same capture.

    python bench/decode.py [--megabytes 10] [--no-pyshark]

The capture is a transfer between two ends of aioquic, made in memory. quicmatrix decodes all of it
once; pyshark reads what quic-interop-runner reads in one test, with its filters.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYSHARK, OURS = "pyshark", "quicmatrix"


def main() -> None:
    """Measure both, each in a process of its own, and print the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=10)
    parser.add_argument("--no-pyshark", action="store_true", help="it takes minutes")
    parser.add_argument("--reader", choices=[PYSHARK, OURS], help=argparse.SUPPRESS)
    parser.add_argument("--capture", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.reader:
        read(options.reader, options.capture)
        return
    with tempfile.TemporaryDirectory(prefix="quicmatrix-bench-") as folder:
        capture = Path(folder) / "transfer.pcapng"
        make_capture(capture, options.megabytes << 20)
        print(f"{options.megabytes} MB transfer, capture of {capture.stat().st_size:,} bytes")
        ours = measure(OURS, capture)
        if not options.no_pyshark:
            print(f"ratio {measure(PYSHARK, capture) / ours:.1f}")


def make_capture(path: Path, size: int) -> None:
    """Write the capture of a download of that many bytes."""
    sys.path[:0] = [str(ROOT)]
    from tests.support.quic_traffic import Link  # noqa: PLC0415 - tests are no package

    link = Link(response=bytes(size))
    link.connect()
    link.run(0.2)
    link.request()
    link.run(60)
    link.close()
    link.write(path)


def measure(reader: str, capture: Path) -> float:
    """Run one reader in a process of its own; its seconds."""
    command = [sys.executable, __file__, "--reader", reader, "--capture", str(capture)]
    run = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    seconds, megabytes, seen = run.stdout.split("\t")
    print(f"{reader:12}{float(seconds):8.2f} s {int(megabytes):5} MB  {seen.strip()}")
    return float(seconds)


def read(reader: str, capture: Path) -> None:
    """Read a capture; print seconds, the peak MB of us and our largest child, and what was read."""
    sys.path.insert(0, str(ROOT))
    start = time.perf_counter()
    seen = read_ours(capture) if reader == OURS else read_pyshark(capture)
    seconds = time.perf_counter() - start
    peak = sum(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(seconds, peak // 1024, seen, sep="\t")


def read_ours(path: Path) -> str:
    """Decode with quicmatrix.runner.trace."""
    from quicmatrix.runner.trace.model import Side  # noqa: PLC0415 - its import is part of the time
    from quicmatrix.runner.trace.tshark import decode  # noqa: PLC0415 - as above

    capture = asyncio.run(decode(path, Side.CLIENT))
    assert not capture.damage, capture.damage
    assert all(packet.decrypted for packet in capture.packets)
    return f"{len(capture.datagrams)} datagrams, {len(capture.packets)} packets"


def read_pyshark(path: Path) -> str:
    """Ask what quic-interop-runner's key update test asks of a capture, one by one as it does."""
    import pyshark  # noqa: PLC0415 - its import is part of the time

    asyncio.set_event_loop(asyncio.new_event_loop())
    client = "(ip.src==193.167.0.100 || ipv6.src==fd00:cafe:cafe:0::100)"
    server = "(ip.src==193.167.100.100 || ipv6.src==fd00:cafe:cafe:100::100)"
    long_header = "(quic.long.packet_type || quic.long.packet_type_v2)"
    questions = {
        "handshakes": f"(quic && !icmp) && {server} && {long_header}",
        "versions": f"(quic && !icmp) && {server} && {long_header}",
        "1-RTT of the client": f"(quic && !icmp) && {client} && quic.header_form==0",
        "1-RTT of the server": f"(quic && !icmp) && {server} && quic.header_form==0",
    }
    counts = []
    for question, display_filter in questions.items():
        capture = pyshark.FileCapture(
            str(path),
            display_filter=display_filter,
            disable_protocol="http3",
            decode_as={"udp.port==443": "quic"},
        )
        datagrams = list(capture)
        capture.close()
        counts.append(f"{question} {len(datagrams)}")
    return ", ".join(counts)


if __name__ == "__main__":
    main()
