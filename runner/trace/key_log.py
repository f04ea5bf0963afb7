"""TLS secrets, as endpoints log them (SSLKEYLOGFILE) and as captures carry them."""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Mapping, Sequence
from typing import BinaryIO

from quicmatrix.runner.bundle.capture import DamagedCapture, key_logs

Secrets = Mapping[bytes, Mapping[str, Sequence[bytes]]]
"""By the ClientHello's Random: secrets by label, several where key logs contradict each other."""

SIZES = (32, 48)
"""Bytes of a secret: the hash lengths of the cipher suites that QUIC can use."""

EARLY = "CLIENT_EARLY_TRAFFIC_SECRET"
HANDSHAKE = ("CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET")
APPLICATION = ("CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0")


def parse_key_log(text: str) -> Secrets:
    """The secrets in a key log; other lines, and secrets of any other length, are skipped."""
    secrets: dict[bytes, dict[str, list[bytes]]] = {}
    for line in text.splitlines():
        columns = line.split()
        if len(columns) != 3 or line.startswith("#"):
            continue
        label = columns[0]
        try:
            random, secret = map(bytes.fromhex, columns[1:])
        except ValueError:
            continue
        known = secrets.setdefault(random, {}).setdefault(label, [])
        if len(secret) in SIZES and secret not in known:
            known.append(secret)
    return secrets


def embedded_secrets(file: BinaryIO) -> Secrets:
    """The secrets in a pcapng file, in any block of it; the file's position is unchanged.

    A file that is no pcapng has none; of a damaged one, those before the damage are found.
    """
    texts: list[str] = []
    # ValueError: an empty file cannot be mapped.
    with (
        contextlib.suppress(OSError, ValueError, DamagedCapture),
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        texts.extend(log.decode(errors="replace") for log in key_logs(data))
    return parse_key_log("\n".join(texts))
