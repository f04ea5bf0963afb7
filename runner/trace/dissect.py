"""Full dissections of single frames, as Wireshark shows them: for reports and ``explain``.

Judging never reads these; :mod:`runner.trace.tshark` decodes for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any

from runner.errors import UserError
from runner.trace.tshark import INSTALL_HINT, PROGRAM

MAX_FRAMES = 64
"""More are not read by anyone, and each is a long text."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


async def dissect(path: Path, frame_numbers: Collection[int]) -> dict[int, str]:
    """Dissect frames in a thread; see :func:`dissect_now`."""
    return await asyncio.to_thread(dissect_now, path, frame_numbers)


def dissect_now(path: Path, frame_numbers: Collection[int]) -> dict[int, str]:
    """The full dissection of some frames of a capture.

    Args:
        path: The capture file.
        frame_numbers: 1-based, as in :attr:`Datagram.frame_number`; the lowest
            :data:`MAX_FRAMES` of them are dissected.

    Returns:
        A text of several lines by frame number; of frames that are not in the file, or behind
        damage in it, there is none.

    Raises:
        UserError: There is no tshark.
    """
    wanted = sorted(set(frame_numbers))[:MAX_FRAMES]
    if not wanted:
        return {}
    texts: dict[int, str] = {}
    failures: list[BaseException] = []

    def work() -> None:
        # pyshark needs an event loop that is not running, hence a thread that has none yet.
        try:
            _dissect(path, wanted, texts)
        except BaseException as error:  # noqa: BLE001 - raised again below, in the caller's thread
            failures.append(error)

    thread = threading.Thread(target=work, name="pyshark")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return texts


def _dissect(path: Path, wanted: list[int], texts: dict[int, str]) -> None:
    import pyshark  # noqa: PLC0415 - slow to import, and only reports need it
    from pyshark.capture.capture import TSharkCrashException  # noqa: PLC0415 - as above
    from pyshark.tshark.tshark import TSharkNotFoundException  # noqa: PLC0415 - as above

    loop = asyncio.new_event_loop()
    try:
        capture = pyshark.FileCapture(
            str(path),
            display_filter=f"frame.number in {{{', '.join(map(str, wanted))}}}",
            keep_packets=False,
            decode_as={"udp.port==1-65535": "quic"},
            override_prefs={"quic.reassemble_crypto_out_of_order": "FALSE"},
            custom_parameters=["-n"],
            eventloop=loop,
        )
        # pyshark raises for a damaged file, on reading or on closing: what came before is kept.
        with contextlib.suppress(TSharkCrashException), contextlib.closing(capture):
            for packet in capture:
                texts[int(packet.number)] = _text(packet)
        capture._running_processes.clear()  # noqa: SLF001 - or it closes again when it is deleted
    except TSharkNotFoundException as error:
        raise UserError(f"{PROGRAM} is not installed", INSTALL_HINT) from error
    finally:
        loop.close()


def _text(packet: Any) -> str:  # noqa: ANN401 - pyshark has no types
    text = _COLOUR.sub("", str(packet))
    return text.replace("\n:\t", ":\n\t").rstrip("\n") + "\n"
