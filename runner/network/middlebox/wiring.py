"""What the middlebox finds out where somebody else made its network: container engines do.

Namespaces of ours have fixed MAC addresses, and the kernel forwards nothing there. In a container
neither is so; and its /proc/sys is read-only, so forwarding cannot just be switched off.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Mapping

from quicmatrix.runner.errors import UserError
from quicmatrix.runner.network.topology import CLIENT, SERVER, SIM_LEFT, SIM_RIGHT

EVERYBODY = "ff:ff:ff:ff:ff:ff"
"""The address of all on a link: hosts take UDP datagrams that come to it as if they were theirs."""

_BAR = "1"
"""The preference of our rules: after the one for a host's own addresses, before all routes."""
_ASK_AGAIN_S = 0.05
_DISCARD = 9
_SILENT = {"FAILED", "INCOMPLETE"}


def interfaces() -> tuple[str, str]:
    """The names of the interfaces on the client's and on the server's side, by their addresses.

    Raises:
        UserError: There is none with the address.
    """
    names = {
        address.get("local"): link["ifname"]
        for link in json.loads(_ip("-4", "-json", "address", "show"))
        for address in link.get("addr_info", ())
    }
    for one in (SIM_LEFT, SIM_RIGHT):
        if one.ipv4 not in names:
            raise UserError(
                f"no interface has the address {one.ipv4}",
                "Connect this container to both networks, as docker/compose.yaml does.",
            )
    return names[SIM_LEFT.ipv4], names[SIM_RIGHT.ipv4]


def bar_shortcuts(left: str, right: str) -> None:
    """Make sure that the kernel forwards nothing itself, around the middlebox.

    What is for the middlebox's own addresses still comes in.

    Raises:
        UserError: It would forward all the same.
    """
    ways = ((left, CLIENT, SERVER), (right, SERVER, CLIENT))
    for interface, source, destination in ways:
        for family, here, there in (
            ("-4", source.ipv4, destination.ipv4),
            ("-6", source.ipv6, destination.ipv6),
        ):
            # Without IPv6, for one, there is no such rule to be had, and none is needed.
            _attempt(family, "rule", "add", "iif", interface, "preference", _BAR, "blackhole")
            if _attempt(family, "route", "get", there, "from", here, "iif", interface):
                raise UserError(
                    f"the kernel would forward from {interface} to {there} itself",
                    "Give this container NET_ADMIN, or the sysctl net.ipv4.ip_forward=0"
                    " (net.ipv6.conf.all.forwarding=0).",
                )


def neighbours(wanted: Mapping[str, str], patience_s: float) -> dict[str, str]:
    """The MAC addresses behind IPv4 addresses, or EVERYBODY for those that do not answer in time.

    Args:
        wanted: The interface that each address is behind.
        patience_s: How long to ask.
    """
    found: dict[str, str] = {}
    ends = time.monotonic() + patience_s
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        while True:
            for address in wanted.keys() - found.keys():
                # What is in it does not matter: to send it, the kernel has to know the neighbour.
                with contextlib.suppress(OSError):
                    asking.sendto(b"", socket.MSG_DONTWAIT, (address, _DISCARD))
            for address in wanted.keys() - found.keys():
                table = _ip("-4", "-json", "neighbour", "show", address, "dev", wanted[address])
                mac = mac_of(table)
                if mac:
                    found[address] = mac
            if len(found) == len(wanted) or time.monotonic() >= ends:
                return {address: found.get(address, EVERYBODY) for address in wanted}
            time.sleep(_ASK_AGAIN_S)


def mac_of(table: str) -> str:
    """The MAC address in what ``ip -json neighbour show`` prints of one host; empty if none."""
    for entry in json.loads(table or "[]"):
        if entry.get("lladdr") and not _SILENT.intersection(entry.get("state", ())):
            return str(entry["lladdr"])
    return ""


def _ip(*words: str) -> str:
    return subprocess.run(("ip", *words), capture_output=True, text=True, check=True).stdout


def _attempt(*words: str) -> bool:
    return subprocess.run(("ip", *words), capture_output=True, check=False).returncode == 0
