"""Full dissections of single frames, as Wireshark shows them: for reports and ``explain``.

tshark runs with the same limits as for decoding, and pyshark turns its output into text. Judging
never uses it; :mod:`quicmatrix.runner.trace.tshark` decodes for that.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from quicmatrix.runner.bundle.capture import MAX_BYTES
from quicmatrix.runner.bundle.regular_file import open_regular
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.trace.limited_process import LimitedProcess, Limits
from quicmatrix.runner.trace.tshark import INSTALL_HINT, OPTIONS, PROGRAM

MAX_FRAMES = 64
"""A limit, since each text is long."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


async def dissect(
    path: Path, frame_numbers: Collection[int], limits: Limits | None = None
) -> dict[int, str]:
    """Dissect frames in a thread; see :func:`dissect_now`. Cancelling it ends tshark."""
    stop = threading.Event()
    try:
        return await asyncio.to_thread(_dissect, path, frame_numbers, limits or Limits(), stop)
    finally:
        stop.set()


def dissect_now(
    path: Path, frame_numbers: Collection[int], limits: Limits | None = None
) -> dict[int, str]:
    """The full dissection of some frames of a capture.

    Args:
        path: The capture file.
        frame_numbers: 1-based, as in :attr:`Datagram.frame_number`; the lowest
            :data:`MAX_FRAMES` of them are dissected.
        limits: tshark's resource limits.

    Returns:
        A text of several lines by frame number; of frames that are not in the file, or behind
        damage in it, there is none.

    Raises:
        UserError: tshark is not installed.
    """
    return _dissect(path, frame_numbers, limits or Limits(), threading.Event())


def _dissect(
    path: Path, frame_numbers: Collection[int], limits: Limits, stop: threading.Event
) -> dict[int, str]:
    # Slow to import, and only reports need it.
    from pyshark.tshark.output_parser.tshark_xml import packet_from_xml_packet  # noqa: PLC0415

    wanted = sorted(set(frame_numbers))[:MAX_FRAMES]
    if not wanted:
        return {}
    only = f"frame.number in {{{', '.join(map(str, wanted))}}}"
    command = (PROGRAM, *OPTIONS, "-T", "pdml", "-Y", only, "-r", "-")
    texts: dict[int, str] = {}
    try:
        with (
            open_regular(path, MAX_BYTES) as file,
            LimitedProcess(command, file, b"", limits, stop) as tshark,
        ):
            for pdml in _packets(tshark.lines()):
                packet = packet_from_xml_packet(pdml.encode())
                texts[int(packet.number)] = _text(str(packet))
    except FileNotFoundError as error:
        if path.exists():
            raise UserError(f"{PROGRAM} is not installed", INSTALL_HINT) from error
    except OSError:
        return {}  # the capture cannot be read
    return texts


def _packets(lines: Iterable[str]) -> Iterator[str]:
    """The <packet> elements of a PDML document."""
    packet: list[str] = []
    for line in lines:
        if packet or line.strip() == "<packet>":
            packet.append(line)
        if line.strip() == "</packet>":
            yield "\n".join(packet)
            packet.clear()


def _text(shown: str) -> str:
    """Pyshark's text without colours, with each title on one line."""
    return _COLOUR.sub("", shown).replace("\n:\t", ":\n\t").rstrip("\n") + "\n"
