"""Privileges for namespaces: as root, or as root of a user namespace of our own."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from quicmatrix.runner import needs
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.sandbox.netns.filesystem import closed, others_exist
from quicmatrix.runner.sandbox.netns.holder import tool_environment

MARKER = "QUICMATRIX_USER_NAMESPACE"
"""In the environment of a runner that :func:`enter_user_namespace` has executed again."""
CAPABILITIES = {"CAP_SYS_ADMIN": 21, "CAP_NET_ADMIN": 12}
"""What network namespaces are made with, by number (capabilities(7))."""
IN_A_CONTAINER = (
    "in a container, give it --privileged, or user namespaces:"
    " --security-opt seccomp=unconfined --security-opt systempaths=unconfined"
)
ALL_USERS = ["0", "0", "4294967295"]
"""The uid_map of the machine's own user namespace (user_namespaces(7))."""
CHECK_S = 20.0

UNSHARE = ("unshare", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork")
PREFLIGHT = (
    *(*UNSHARE, "sh", "-euc"),
    """
    mount -n -t proc proc /proc
    mount -n -t tmpfs tmpfs /proc/tty
    [ -d /proc/sys/net/ipv6 ] || { echo "this kernel has no IPv6"; exit 1; }
    ip link add name left type veth peer name right
    """,
)
"""The operations of the kernel that a sandbox needs, in namespaces that end with the command."""
OVERLAY_PREFLIGHT = (
    *(*UNSHARE, "mount", "-n", "-t", "overlay"),
    *("-o", "ro,lowerdir=/usr/bin:/usr/share", "overlay", "/usr"),
)


def check() -> None:
    """Check that sandboxes can be made.

    Raises:
        UserError: They cannot be made; the hint says what to do.
    """
    if missing := needs.missing(needs.SANDBOX):
        raise UserError(
            f"network namespaces need {', '.join(missing)}, not found in PATH",
            f"apt-get install {needs.packages(missing)}",
        )
    if not privileged() and not user_namespace_allowed():
        if os.geteuid() == 0:
            raise UserError(
                f"network namespaces need {' and '.join(lacking())}, which root has not got here,"
                " or user namespaces, which are forbidden here",
                IN_A_CONTAINER,
            )
        raise UserError(
            "network namespaces need root, or user namespaces, which this machine forbids",
            "run it as root, or allow user namespaces: sysctl user.max_user_namespaces=10000"
            " kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0;"
            f" {IN_A_CONTAINER}",
        )
    if problem := _problem(_as_root(PREFLIGHT)):
        reason = f" (there is no {' and no '.join(lacking())})" if lacking() else ""
        raise UserError(
            f"network namespaces cannot be made here: {problem}{reason}",
            f"{IN_A_CONTAINER}; elsewhere run it as root",
        )


def reachable_sockets() -> Sequence[str]:
    """A line for the user where overlays are refused: what endpoints can do without them."""
    problem = _problem(_as_root(OVERLAY_PREFLIGHT))
    if not problem:
        return ()
    files = ", and read every file there" if others_exist() else ""
    return (f"endpoints can reach sockets and FIFOs on this machine's disks{files}: {problem}",)


def readable_files() -> Sequence[str]:
    """A line for the user where endpoints can read what only root may: others cannot see "/"."""
    if os.geteuid() == 0 and closed("/"):
        return ("endpoints can read every file: / is closed to other users (chmod 755 /)",)
    return ()


def check_real_root() -> None:
    """Check that we may enter namespaces of other processes, e.g. of containers.

    Raises:
        UserError: We may not.
    """
    mapping = Path("/proc/self/uid_map").read_text(encoding="ascii").split()
    if not privileged() or mapping != ALL_USERS:
        raise UserError(
            "--backend docker needs root: it configures the networks of containers",
            "sudo quicmatrix run ..., or run quicmatrix/runner, its image (docs/images.md)",
        )
    check()


USER_NAMESPACE = ("unshare", "--user", "--map-root-user", "--")


def enter_user_namespace(argv: Sequence[str], environment: Mapping[str, str]) -> None:
    """Execute the runner again as root of a new user namespace, if needed and possible.

    Returns if it is not; :func:`check` then says why. Call it first of all, since execve(2)
    replaces this process.

    Args:
        argv: The command of this program; ``sys.orig_argv``.
        environment: Its environment; ``os.environ``.
    """
    if privileged() or MARKER in environment or not user_namespace_allowed():
        return
    command = (*USER_NAMESPACE, *argv)
    os.execvpe(command[0], command, {**environment, MARKER: "1"})  # noqa: S606 - no shell


def privileged() -> bool:
    """Whether we have CAP_SYS_ADMIN, which root has not got in most containers."""
    return "CAP_SYS_ADMIN" not in lacking()


def lacking() -> list[str]:
    """Those of :data:`CAPABILITIES` that we have not got."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    have = int(effective.split()[1], 16)
    return [name for name, number in CAPABILITIES.items() if not have >> number & 1]


def user_namespace_allowed() -> bool:
    """Whether we may make a user namespace."""
    return needs.find("unshare") is not None and not _problem((*USER_NAMESPACE, "true"))


def processes_counted_apart() -> bool:
    """Whether RLIMIT_NPROC counts the processes of a new user namespace apart from all others.

    Linux does since 5.14, but never limits the machine's root.
    """
    first = Path("/proc/self/uid_map").read_text(encoding="ascii").split()
    kernel = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))
    return first[1] != "0" and kernel >= (5, 14) and user_namespace_allowed()


def _as_root(command: Sequence[str]) -> Sequence[str]:
    """A command, run as root of a user namespace if we have not got the privileges."""
    return command if privileged() else (*USER_NAMESPACE, *command)


def _problem(command: Sequence[str]) -> str:
    """Why a command fails; empty if it does not."""
    try:
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=tool_environment(),
            cwd="/",
            timeout=CHECK_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = " ".join(done.stdout.decode(errors="replace").split())
    return (said or f"exit code {done.returncode}") if done.returncode else ""
