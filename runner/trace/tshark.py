"""Runs tshark over a capture and decodes what it prints.

tshark is asked for what needs keys: packet numbers and decrypted payloads, by a Lua script of ours
(``tap.lua``) whose lines are read while they come. It is one process per capture, without a user's
preferences, without privileges, and with limits, because what it reads was sent by programs that
nobody vouches for. A damaged capture is not an error: :attr:`Capture.damage` says what is wrong.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import threading
from importlib import resources
from pathlib import Path
from typing import BinaryIO

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.trace.assembly import Assembly, TooManyPacketsError
from quicmatrix.runner.trace.key_log import embedded_secrets
from quicmatrix.runner.trace.limited_process import Confined, Limits, environment
from quicmatrix.runner.trace.model import Capture, Side
from quicmatrix.runner.trace.tap_records import UnexpectedLineError, parse_line

OLDEST = (4, 0)
"""The oldest version of tshark that knows what we ask for."""

PROGRAM = "tshark"
INSTALL_HINT = "apt-get install tshark"
DEFAULT_LIMITS = Limits()
MAX_PACKETS = 2_000_000

OPTIONS = (
    "-n",
    # A preferred address may have any port, and a NAT may give a client any.
    *("-d", "udp.port==1-65535,quic"),
    # A ClientHello that comes again after a Retry is to be read again.
    *("-o", "quic.reassemble_crypto_out_of_order:FALSE"),
    # What a connection carries is not our question, and every dissector less is one less to fool.
    *("--disable-protocol", "http3"),
    *("--disable-protocol", "tcp"),
)
"""How packets are to be dissected."""


async def decode(
    path: Path, side: Side, limits: Limits = DEFAULT_LIMITS, max_packets: int = MAX_PACKETS
) -> Capture:
    """Decode a capture file in a thread; see :func:`decode_now`. Cancelling it ends tshark."""
    stop = threading.Event()
    try:
        return await asyncio.to_thread(_decode, path, side, limits, max_packets, stop)
    finally:
        stop.set()


def decode_now(
    path: Path, side: Side, limits: Limits = DEFAULT_LIMITS, max_packets: int = MAX_PACKETS
) -> Capture:
    """Decode a capture file.

    Args:
        path: A pcapng file with the TLS secrets in it, before the packets that they are for.
        side: Next to whom it was taken.
        limits: What tshark may take.
        max_packets: How many QUIC packets the capture may hold.

    Returns:
        The capture; what is wrong with the file, or with tshark's handling of it, is in its
        ``damage``.

    Raises:
        UserError: There is no tshark.
    """
    return _decode(path, side, limits, max_packets, threading.Event())


def check() -> str:
    """Prove, quickly, that there is a tshark and that we understand what it prints.

    Returns:
        Its version, e.g. ``4.0.17``.

    Raises:
        UserError: There is none, or it is too old, or it does not decode a capture whose content
            is known as it must.
    """
    package = resources.files(__package__)
    with resources.as_file(package / "golden.pcapng") as path, path.open("rb") as file:
        assembly = Assembly(Side.CLIENT, MAX_PACKETS, {})
        damage = _feed(assembly, file, DEFAULT_LIMITS, threading.Event())
    if not assembly.tshark:
        _check_version()
        raise UserError(f"tshark cannot be used: {damage}")
    expected = json.loads((package / "golden.json").read_text())
    found = describe(assembly.capture(damage))
    for wanted, got in zip(expected, found, strict=False):
        if wanted != got:
            raise _misunderstood(assembly.tshark, wanted, got)
    if len(expected) != len(found):
        raise _misunderstood(assembly.tshark, f"{len(expected)} lines", f"{len(found)} lines")
    return assembly.tshark


def describe(capture: Capture) -> list[str]:
    """Everything in a capture, a line for each datagram and packet."""
    lines = [f"damage={capture.damage!r}", *map(repr, capture.datagrams)]
    for packet in capture.packets:
        datagram = f"frame {packet.datagram.frame_number}"
        lines.append(repr(packet).replace(repr(packet.datagram), datagram))
    return lines


def _misunderstood(version: str, expected: str, found: str) -> UserError:
    return UserError(
        f"tshark {version} decodes a known capture differently: {found} instead of {expected}",
        "tshark 4.0, 4.4 and 4.6 are known to work",
    )


def _check_version() -> None:
    """Raise a UserError if tshark is too old or says no version."""
    shown = subprocess.run(
        [PROGRAM, "--version"],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env=environment(),
    ).stdout
    found = re.search(r"^TShark\D*((\d+)\.(\d+)[\w.]*)", shown, re.MULTILINE)
    if found is None:
        raise UserError(f"{PROGRAM} --version does not name a version", INSTALL_HINT)
    if (int(found[2]), int(found[3])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise UserError(f"tshark {found[1]} is too old, {oldest} is needed", INSTALL_HINT)


def _decode(
    path: Path, side: Side, limits: Limits, max_packets: int, stop: threading.Event
) -> Capture:
    try:
        file = path.open("rb")
    except OSError as error:
        return Capture(side, damage=f"{path.name}: {error.strerror}")
    with file:
        if not os.fstat(file.fileno()).st_size:
            return Capture(side, damage="the file is empty")
        assembly = Assembly(side, max_packets, embedded_secrets(file))
        return assembly.capture(_feed(assembly, file, limits, stop))


def _feed(assembly: Assembly, file: BinaryIO, limits: Limits, stop: threading.Event) -> str:
    """Let tshark read a file into the assembly; what went wrong, or an empty string."""
    script = (resources.files(__package__) / "tap.lua").read_bytes()
    try:
        with Confined((PROGRAM, *OPTIONS, "-q", "-r", "-"), file, script, limits, stop) as tshark:
            for line in tshark.lines():
                assembly.add(parse_line(line))
    except FileNotFoundError as error:
        raise UserError(f"{PROGRAM} is not installed", INSTALL_HINT) from error
    except (UnexpectedLineError, TooManyPacketsError) as error:
        return str(error)
    if tshark.failure:
        return tshark.failure
    if not assembly.tshark:
        return "tshark did not run our script: is Lua disabled in its init.lua?"
    if not assembly.complete:
        return "tshark ended early"
    return ""
