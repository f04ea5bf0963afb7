"""Decodes a capture with tshark.

A Lua script (``tap.lua``) in tshark prints what needs keys, packet numbers and decrypted payloads,
and its lines are read while it runs. There is one process per capture, without a user's preferences
and privileges, and with limits, because the packets were sent by untrusted programs. A damaged
capture is not an error: :attr:`Capture.damage` describes the damage.
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

from quicmatrix.runner import needs
from quicmatrix.runner.bundle.capture import MAX_BYTES
from quicmatrix.runner.bundle.regular_file import open_regular
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.trace.assembly import Assembly, TooManyPacketsError
from quicmatrix.runner.trace.key_log import embedded_secrets
from quicmatrix.runner.trace.limited_process import LimitedProcess, Limits, environment
from quicmatrix.runner.trace.model import Capture, Side
from quicmatrix.runner.trace.tap_records import UnexpectedRecordError, parse_record

OLDEST = (4, 0)
"""The oldest version of tshark with all fields that are used."""

PROGRAM = "tshark"
INSTALL_HINT = f"apt-get install {needs.RUN[PROGRAM]}"
DEFAULT_LIMITS = Limits()
_VERSION_S = 20.0
"""How long ``tshark --version`` may take; half a second is usual."""
MAX_PACKETS = 2_000_000

OPTIONS = (
    "-n",
    # A preferred address may have any port, and a NAT may give a client any.
    *("-d", "udp.port==1-65535,quic"),
    # A ClientHello that is sent again after a Retry has to be parsed again.
    *("-o", "quic.reassemble_crypto_out_of_order:FALSE"),
    # Application data is not judged, and every dissector fewer is less attack surface.
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
    path: Path,
    side: Side,
    limits: Limits = DEFAULT_LIMITS,
    max_packets: int = MAX_PACKETS,
    *,
    digests: bool = False,
) -> Capture:
    """Decode a capture file.

    Args:
        path: A pcapng file with the TLS secrets in it, before the packets that they are for.
        side: The host that it was taken next to.
        limits: tshark's resource limits.
        max_packets: The limit of QUIC packets in the capture.
        digests: Whether datagrams get their digests, which costs about as much as all the rest.

    Returns:
        The capture; its ``damage`` describes what is wrong with the file or with decoding it.

    Raises:
        UserError: tshark is not installed.
    """
    return _decode(path, side, limits, max_packets, threading.Event(), digests=digests)


def check() -> str:
    """Check that tshark is installed and decodes a small known capture as expected.

    Returns:
        Its version, e.g. ``4.0.17``.

    Raises:
        UserError: It is not installed, is too old, or decodes the capture differently.
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
            raise _decodes_differently(assembly.tshark, wanted, got)
    if len(expected) != len(found):
        raise _decodes_differently(assembly.tshark, f"{len(expected)} lines", f"{len(found)} lines")
    return assembly.tshark


def describe(capture: Capture) -> list[str]:
    """The content of a capture as text, a line for each datagram and packet."""
    lines = [f"damage={capture.damage!r}", *map(repr, capture.datagrams)]
    for packet in capture.packets:
        datagram = f"frame {packet.datagram.frame_number}"
        lines.append(repr(packet).replace(repr(packet.datagram), datagram))
    return lines


def _decodes_differently(version: str, expected: str, found: str) -> UserError:
    return UserError(
        f"tshark {version} decodes a known capture differently: {found} instead of {expected}",
        "tshark 4.0, 4.4 and 4.6 are known to work",
    )


def _check_version() -> None:
    """Raise a UserError if tshark is too old or prints no version."""
    try:
        shown = subprocess.run(
            [PROGRAM, "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env=environment(),
            timeout=_VERSION_S,
        ).stdout
    except subprocess.TimeoutExpired as error:
        raise UserError(
            f"{PROGRAM} --version does not end within {_VERSION_S:g} s", INSTALL_HINT
        ) from error
    found = re.search(r"^TShark\D*((\d+)\.(\d+)[\w.]*)", shown, re.MULTILINE)
    if found is None:
        raise UserError(f"{PROGRAM} --version does not name a version", INSTALL_HINT)
    if (int(found[2]), int(found[3])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise UserError(f"tshark {found[1]} is too old, {oldest} is needed", INSTALL_HINT)


def _decode(
    path: Path,
    side: Side,
    limits: Limits,
    max_packets: int,
    stop: threading.Event,
    *,
    digests: bool = False,
) -> Capture:
    try:
        file = open_regular(path, MAX_BYTES)
    except OSError as error:
        return Capture(side, damage=f"{path.name}: {error.strerror}")
    with file:
        if not os.fstat(file.fileno()).st_size:
            return Capture(side, damage="the file is empty")
        assembly = Assembly(side, max_packets, embedded_secrets(file))
        return assembly.capture(_feed(assembly, file, limits, stop, digests=digests))


def _feed(
    assembly: Assembly,
    file: BinaryIO,
    limits: Limits,
    stop: threading.Event,
    *,
    digests: bool = False,
) -> str:
    """Decode a file into the assembly; returns why that failed, or an empty string."""
    script = (resources.files(__package__) / "tap.lua").read_bytes()
    script = b"WITH_PAYLOADS = true\n" + script if digests else script
    try:
        with LimitedProcess(
            (PROGRAM, *OPTIONS, "-q", "-r", "-"), file, script, limits, stop
        ) as tshark:
            for line in tshark.lines():
                assembly.add(parse_record(line))
    except FileNotFoundError as error:
        raise UserError(f"{PROGRAM} is not installed", INSTALL_HINT) from error
    except (UnexpectedRecordError, TooManyPacketsError) as error:
        return str(error)
    if tshark.failure:
        return tshark.failure
    if not assembly.tshark:
        return "tshark did not run our script: is Lua disabled in its init.lua?"
    if not assembly.complete:
        return "tshark ended early"
    return ""
