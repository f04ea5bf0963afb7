"""Discovery of a container's interfaces and of the MAC addresses behind them.

In the namespaces that the runner makes, interface names and MAC addresses are fixed and the kernel
does not forward. A container engine chooses its own names and addresses, its kernel may forward,
and /proc/sys is read-only there: routing rules have to prevent it.
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

BROADCAST_MAC = "ff:ff:ff:ff:ff:ff"
"""Hosts accept UDP datagrams that are sent to the broadcast address."""

_RULE_PREFERENCE = "1"
"""After the rule for the host's own addresses (0), before all routes."""
_RETRY_S = 0.05
_DISCARD_PORT = 9
_UNRESOLVED = {"FAILED", "INCOMPLETE"}


def interfaces() -> tuple[str, str]:
    """The names of the interfaces on the client's and on the server's side, found by address.

    Raises:
        UserError: No interface has the address.
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


def prevent_kernel_forwarding(left: str, right: str) -> None:
    """Add rules so that the kernel forwards nothing itself, past the middlebox.

    Packets to the middlebox's own addresses are still received.

    Raises:
        UserError: It would forward all the same.
    """
    directions = ((left, CLIENT, SERVER), (right, SERVER, CLIENT))
    for interface, source, destination in directions:
        for family, here, there in (
            ("-4", source.ipv4, destination.ipv4),
            ("-6", source.ipv6, destination.ipv6),
        ):
            # This may fail, e.g. without IPv6, where no rule is needed: the route decides.
            _succeeds(
                family, "rule", "add", "iif", interface, "preference", _RULE_PREFERENCE, "blackhole"
            )
            if _succeeds(family, "route", "get", there, "from", here, "iif", interface):
                raise UserError(
                    f"the kernel would forward from {interface} to {there} itself",
                    "Give this container NET_ADMIN, or the sysctl net.ipv4.ip_forward=0"
                    " (net.ipv6.conf.all.forwarding=0).",
                )


def mac_addresses(wanted: Mapping[str, str], timeout_s: float) -> dict[str, str]:
    """The MAC addresses of IPv4 addresses; BROADCAST_MAC for those that do not answer in time.

    Args:
        wanted: The interface that leads to each address.
        timeout_s: How long to wait for answers.
    """
    found: dict[str, str] = {}
    ends = time.monotonic() + timeout_s
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        while True:
            for address in wanted.keys() - found.keys():
                # To send any datagram, the kernel has to resolve the MAC address.
                with contextlib.suppress(OSError):
                    sending.sendto(b"", socket.MSG_DONTWAIT, (address, _DISCARD_PORT))
            for address in wanted.keys() - found.keys():
                table = _ip("-4", "-json", "neighbour", "show", address, "dev", wanted[address])
                mac = parse_neighbour(table)
                if mac:
                    found[address] = mac
            if len(found) == len(wanted) or time.monotonic() >= ends:
                return {address: found.get(address, BROADCAST_MAC) for address in wanted}
            time.sleep(_RETRY_S)


def parse_neighbour(table: str) -> str:
    """The MAC address in the output of ``ip -json neighbour show`` for one host; empty if none."""
    for entry in json.loads(table or "[]"):
        if entry.get("lladdr") and not _UNRESOLVED.intersection(entry.get("state", ())):
            return str(entry["lladdr"])
    return ""


def _ip(*arguments: str) -> str:
    return subprocess.run(("ip", *arguments), capture_output=True, text=True, check=True).stdout


def _succeeds(*arguments: str) -> bool:
    return subprocess.run(("ip", *arguments), capture_output=True, check=False).returncode == 0
