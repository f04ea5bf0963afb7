"""What was on the wire, as tshark decodes a capture with the client's secrets."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

FIELDS = {
    "source": "ip.src",
    "port": "udp.port",
    "ecn": "ip.dsfield.ecn",
    "version": "quic.version",
    "type": "quic.long.packet_type",
    "type2": "quic.long.packet_type_v2",
    "token": "quic.token_length",
    "token_sent": "quic.token",
    "token_given": "quic.retry_token",
    "phase": "quic.key_phase",
    "frame": "quic.frame_type",
    "message": "tls.handshake.type",
    "cipher": "tls.handshake.ciphersuite",
    "extension": "tls.handshake.extension.type",
    "alpn": "tls.handshake.extensions_alpn_str",
}
VERSION_1, VERSION_2 = "1", str(0x6B3343CF)
ZERO_RTT, RETRY = "1", "3"
CLIENT_HELLO, SERVER_HELLO, ENCRYPTED_EXTENSIONS, CERTIFICATE = "1", "2", "8", "11"
PRE_SHARED_KEY, EARLY_DATA = "41", "42"
ACK_ECN, MAX_STREAMS, CONNECTION_CLOSE = "3", "18", "29"


@dataclass(frozen=True, slots=True)
class Seen:
    """One datagram, as tshark decodes it: the values of each field, in order."""

    values: Mapping[str, tuple[str, ...]]

    @property
    def from_server(self) -> bool:
        return self["source"] == ("10.0.0.2",)

    def __getitem__(self, name: str) -> tuple[str, ...]:
        return self.values[name]


@dataclass(frozen=True, slots=True)
class Wire:
    seen: tuple[Seen, ...]

    def of(self, name: str, *, server: bool) -> list[str]:
        """All values of a field in the packets of one side."""
        return [value for one in self.seen if one.from_server == server for value in one[name]]

    def changes(self, name: str, *, server: bool) -> list[str]:
        """The values of a field in the packets of one side, each run of equal ones once.

        How many packets it has is not said: a ClientHello with a post-quantum key share takes two.
        """
        return [value for value, _ in groupby(self.of(name, server=server))]

    def hellos(self, message: str) -> list[Seen]:
        """Datagrams in which a handshake message of this type ends."""
        return [one for one in self.seen if message in one["message"]]


def normal(value: str) -> str:
    """Tshark's spellings differ between its versions."""
    value = {"True": "1", "False": "0"}.get(value, value)
    return str(int(value, 16)) if value.startswith("0x") else value


def decode(capture: Path, key_log: Path) -> Wire:
    columns = [word for name in FIELDS.values() for word in ("-e", name)]
    options = ("-T", "fields", "-E", "separator=|", "-E", "occurrence=a")
    done = subprocess.run(
        ["tshark", "-r", str(capture), "-o", f"tls.keylog_file:{key_log}", *options, *columns],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = (line.split("|") for line in done.stdout.splitlines())
    return Wire(
        tuple(
            Seen(
                {
                    name: tuple(normal(value) for value in cell.split(",") if value)
                    for name, cell in zip(FIELDS, row, strict=True)
                }
            )
            for row in rows
        )
    )
