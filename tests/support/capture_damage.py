"""What may happen to a bundle's captures after they were stored."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from quicmatrix.runner.bundle.layout import LEFT_CAPTURE, RIGHT_CAPTURE


def truncated(count: int) -> Callable[[Path], None]:
    def change(bundle: Path) -> None:
        for path in (LEFT_CAPTURE, RIGHT_CAPTURE):
            os.truncate(bundle / path, (bundle / path).stat().st_size - count)

    return change


def swapped(bundle: Path) -> None:
    (bundle / LEFT_CAPTURE).rename(bundle / "other")
    (bundle / RIGHT_CAPTURE).rename(bundle / LEFT_CAPTURE)
    (bundle / "other").rename(bundle / RIGHT_CAPTURE)


def left_is_right(bundle: Path) -> None:
    shutil.copy(bundle / RIGHT_CAPTURE, bundle / LEFT_CAPTURE)


def doubled(bundle: Path) -> None:
    for path in (LEFT_CAPTURE, RIGHT_CAPTURE):
        (bundle / path).write_bytes((bundle / path).read_bytes() * 2)


def last_packet_is_gone(bundle: Path) -> None:
    data = (bundle / RIGHT_CAPTURE).read_bytes()
    size = int.from_bytes(data[-4:], "little")
    (bundle / RIGHT_CAPTURE).write_bytes(data[:-size])


def missing(bundle: Path) -> None:
    (bundle / LEFT_CAPTURE).unlink()


def fifo(bundle: Path) -> None:
    missing(bundle)
    os.mkfifo(bundle / LEFT_CAPTURE)


def device(bundle: Path) -> None:
    missing(bundle)
    (bundle / LEFT_CAPTURE).symlink_to("/dev/zero")


def huge(bundle: Path) -> None:
    os.truncate(bundle / LEFT_CAPTURE, 1 << 40)


def flipped(bits: int, seed: int = 1) -> Callable[[Path], None]:
    def change(bundle: Path) -> None:
        data = bytearray((bundle / RIGHT_CAPTURE).read_bytes())
        for at in random.Random(seed).sample(range(8 * len(data)), bits):
            data[at // 8] ^= 1 << at % 8
        (bundle / RIGHT_CAPTURE).write_bytes(data)

    return change


STRUCTURAL = (
    *(truncated(count) for count in (1, 4, 12, 28, 60)),
    *(swapped, left_is_right, doubled, last_packet_is_gone, missing, fifo, device, huge),
)
"""Those that show without a hash of what was stored."""
