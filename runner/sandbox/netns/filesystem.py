"""The file system of a host: a script, run by the runner's own Python, that makes its mounts.

    filesystem.py build NAME [ROOT HOSTS [KIND PATH WHAT]...]  as PID 1 of new namespaces
    filesystem.py show PID STAGE [HOW PATH]...         in a mount namespace with the machine's root

``build`` makes the mounts, prints ``ready PID`` and waits for the end of its standard input. That
comes when the runner closes the pipe or dies, and then the kernel kills everything in the PID
namespace. ``show`` mounts more of the machine on a side that runs.

A side sees the machine's folders through read-only overlay mounts. A socket or a FIFO has an inode
of its own there, without a listener, so none of the machine's can be reached. Where the kernel
refuses an overlay, a folder without mounts below is bound read-only as it is, and any other one is
made anew, with what it holds shown entry by entry. Our own mounts are made on the host's root only.

The kernel checks what lies below an overlay with the rights of the process that mounted it. So
these are mounted as a user without rights of his own, and a side that runs as root reads what all
users may read, whatever its capabilities.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import stat
import struct
import sys
import warnings  # noqa: F401 - os.execvp() imports it, when our Python may be out of sight
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress

RDONLY, NOSUID, NODEV, NOEXEC = 1, 2, 4, 8
"""Flags of mount(2) as well as of mount_setattr(2)."""
MS_BIND, MS_REC = 0x1000, 0x4000
MNT_DETACH = 2
CLONE_NEWNS = 0x20000
PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_SET_DUMPABLE = 1, 2, 4
OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 428, 429, 442
"""Numbers of system calls without a wrapper in older libraries; the same on all architectures."""
AT_FDCWD, AT_EMPTY_PATH, AT_RECURSIVE = -100, 0x1000, 0x8000
OPEN_TREE_CLONE, MOVE_MOUNT_F_EMPTY_PATH = 1, 4

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
DEVICE_LINKS = ("fd", "stdin", "stdout", "stderr")
SIDE_FOLDERS = ("proc", "sys", "dev", "run", "tmp", "www", "certs", "downloads", "logs")
"""What a side has of its own instead of the machine's."""
OTHERS = 65533
"""User and group id of nobody: systemd, as Debian, leaves 65520 to 65533 free."""
WHOLE, ENTRIES = "whole", "entries"
"""How what is closed to other users is shown: all of it, or what they could read if they might
enter the folder."""
PROC_READ_ONLY = ("sys", "sysrq-trigger", "irq", "bus", "fs")
"""Entries of /proc by which the machine could be changed."""
IPV4_SETTINGS = ("forwarding", "send_redirects", "accept_redirects", "rp_filter")
IPV6_SETTINGS = (
    *("disable_ipv6", "forwarding", "accept_ra", "router_solicitations"),
    *("accept_dad", "dad_transmits"),
)


def build(name: str, root: str = "", hosts: str = "", *mounts: str) -> None:
    """Make a host's mounts, and keep its namespaces until standard input ends.

    Args:
        name: The host name.
        root: An empty folder to assemble a side's root in; none for the sim, which keeps the
            machine's, since it runs programs of ours only.
        hosts: The text of a side's /etc/hosts.
        mounts: Three words each: ``bind PATH SOURCE``, ``tmpfs PATH OPTIONS``, which without
            options is empty and read-only, or :data:`WHOLE` or :data:`ENTRIES`, and PATH twice.
    """
    outer_pid = os.readlink("/proc/self")  # this /proc is the runner's
    view = View()
    call("unshare", CLONE_NEWNS)
    if root:
        make_side(root, hosts, view)
    for kind, path, what in zip(mounts[::3], mounts[1::3], mounts[2::3], strict=True):
        if kind == "bind":
            bind(what, root + path, RDONLY | NODEV)
        elif kind in (WHOLE, ENTRIES):
            make_mount_point(root + path, folder=os.path.isdir(what))
            view.show_closed(kind, what, root + path)
        else:
            mount("tmpfs", root + path, "tmpfs", NOSUID | NODEV | (0 if what else RDONLY), what)
    mount("proc", f"{root}/proc", "proc", NOSUID | NODEV | NOEXEC)
    try:  # of the host's own network namespace
        mount("sysfs", f"{root}/sys", "sysfs", RDONLY | NOSUID | NODEV | NOEXEC)
    except OSError:  # forbidden in containers that hide a part of it
        bind("/sys", f"{root}/sys", RDONLY | NODEV)
    silence_network(f"{root}/proc/sys/net")
    call("sethostname", name, len(name))
    if root:
        finish_side(root, hosts)
    os.write(sys.stdout.fileno(), f"ready {outer_pid}\n".encode())
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # inherited: the kernel reaps orphans by itself
    os.dup2(os.open("/dev/null", os.O_WRONLY), sys.stdout.fileno())
    os.execvp("cat", ["cat"])  # noqa: S606 - unlike Python, it does not handle SIGINT


def make_side(root: str, hosts: str, view: View) -> None:
    """Mount the root of the client or the server, with what it shows of the machine."""
    mount("root", root, "tmpfs", NOSUID, "mode=755,size=4m")
    for name in (*SIDE_FOLDERS, "etc"):
        os.mkdir(f"{root}/{name}")
    with open(f"{root}/etc/hosts", "w", encoding="ascii") as file:
        file.write(hosts)
    view.empty = os.open(f"{root}/run", os.O_PATH)  # something is mounted over it afterwards
    view.own["/etc"] = os.open(f"{root}/etc", os.O_PATH)
    view.show_folder("/", root)
    mount("dev", f"{root}/dev", "tmpfs", NOSUID, "mode=755,size=64k")
    for device in DEVICES:
        bind_file(f"/dev/{device}", f"{root}/dev/{device}", 0)
    for name in DEVICE_LINKS:
        os.symlink(os.readlink(f"/dev/{name}"), f"{root}/dev/{name}")
    os.mkdir(f"{root}/dev/shm")  # noqa: S108 - its own


def finish_side(root: str, hosts: str) -> None:
    """Move into a side's root, and make there what can be made only then."""
    for entry in os.scandir("/run"):  # NixOS finds all its programs through a link there
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), root + entry.path)
    os.chdir(root)
    call("pivot_root", ".", ".")
    call("umount2", ".", MNT_DETACH)
    os.chdir("/")
    with open("/etc/hosts", "rb") as file:
        complete = file.read() == hosts.encode()
    if not complete:  # an overlay was refused
        with open("/run/hosts", "x", encoding="ascii") as copy:
            copy.write(hosts)
        bind("/run/hosts", "/etc/hosts", RDONLY | NOSUID | NODEV)
        os.unlink("/run/hosts")
    os.mkdir("/logs/qlog")
    os.chmod("/logs/qlog", 0o777)  # noqa: S103 - programs may become other users
    for path in (f"/proc/{name}" for name in PROC_READ_ONLY):
        if os.path.exists(path):
            bind(path, path, RDONLY | NOSUID | NODEV | NOEXEC)
    set_flags("/dev", RDONLY | NOSUID)
    set_flags("/", RDONLY | NOSUID)


def show(pid: str, stage: str, *views: str) -> None:
    """Mount more files and folders of the machine on a side, at the paths that they have there.

    What lies at these paths was perhaps made by an untrusted program: links are followed only
    inside its root, and a path that leads through one is refused.

    Args:
        pid: PID 1 of the side.
        stage: An empty folder.
        views: Two words each: :data:`WHOLE` or :data:`ENTRIES`, and a path; folders before what
            is in them.
    """
    inside = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
    view = View()
    call("unshare", CLONE_NEWNS)
    mount("stage", stage, "tmpfs", NOSUID, "mode=755,size=4m")
    os.mkdir(f"{stage}/empty")
    view.empty = os.open(f"{stage}/empty", os.O_PATH)
    trees: list[tuple[str, bool, int]] = []
    for how, path in zip(views[::2], views[1::2], strict=True):
        target = f"{stage}/{len(trees)}"
        view.show_closed(how, os.path.realpath(path), target)
        flags = OPEN_TREE_CLONE | os.O_CLOEXEC | AT_RECURSIVE
        trees.append((path, os.path.isdir(path), call(OPEN_TREE, AT_FDCWD, target, flags)))
    call("setns", inside, CLONE_NEWNS)
    for path, folder, tree in trees:
        make_mount_point(path, folder=folder)
        if os.path.realpath(path) != path:
            sys.exit(f"{path}: leads somewhere else")
        call(MOVE_MOUNT, tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH)


def make_mount_point(path: str, *, folder: bool) -> None:
    """Make a file or a folder if it is not there, even where a mount of ours is read-only."""
    place = path
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    if place == path:
        return
    while not os.path.ismount(place):
        place = os.path.dirname(place)
    locked = os.statvfs(place).f_flag & os.ST_RDONLY
    if locked:
        set_flags(place, 0, clear=RDONLY)
    try:
        os.makedirs(path if folder else os.path.dirname(path), exist_ok=True)
        if not folder:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
    finally:
        if locked:
            set_flags(place, RDONLY)


class View:
    """Shows what the machine has, read-only and without its sockets and FIFOs."""

    def __init__(self) -> None:
        self.restricted = others_exist()
        """Whether only what all users may read is shown."""
        with open("/proc/self/mountinfo", "rb") as file:
            escaped = [line.split()[4] for line in file]  # only octal escapes: proc(5)
        paths = {word.decode("unicode_escape").encode("latin-1") for word in escaped}
        self.mount_points = [os.fsdecode(path) for path in sorted(paths)]
        self.empty = -1
        """An open empty folder: an overlay without a writable layer needs two."""
        self.own: dict[str, int] = {}
        """Open folders with what a host has in a folder of the machine's in place of it."""

    def show(self, path: str, target: str, *, shown: bool = False) -> None:
        """Show a file, a folder or a symbolic link of the machine; nothing else is shown.

        Args:
            path: Of the machine.
            target: Where the host has it.
            shown: Whether the target is in a folder of the machine's that is shown already.
        """
        if os.path.islink(path):
            os.symlink(os.readlink(path), target)
        elif os.path.isdir(path):
            if not os.path.isdir(target):
                os.mkdir(target)
            self.show_folder(path, target, shown=shown)
        elif os.path.isfile(path) and not (self.restricted and closed(path)):
            bind_file(path, target, RDONLY | NODEV)

    def show_closed(self, how: str, path: str, target: str) -> None:
        """Show what other users may not read or enter: all of it, or a folder as if they might."""
        restricted = self.restricted
        if how == WHOLE:
            self.restricted = False
            self.show(path, target)
        else:
            make_mount_point(target, folder=True)
            mount("closed", target, "tmpfs", NOSUID | NODEV, "mode=755,size=4m")
            self._show_entries(path, target)
            set_flags(target, RDONLY)  # of the mount alone: more may have to be mounted in it
        self.restricted = restricted

    def show_folder(self, path: str, target: str, *, shown: bool = False) -> None:
        """Show a folder; what the target holds before is shown in place of the machine's."""
        if self.restricted and closed(path):
            return
        inside = path.rstrip("/") + "/"
        below = [point for point in self.mount_points if point.startswith(inside) and point != path]
        if path == "/":
            below = [point for point in below if point.split("/")[1] not in SIDE_FOLDERS]
        upper = os.open(target, os.O_PATH)
        layers = f"/proc/self/fd/{self.own.get(path, upper)}:."
        if shown and path not in self.own:
            layers = f".:/proc/self/fd/{self.empty}"
        try:
            os.chdir(path)  # so that no character of the path has to be escaped
            with as_others() if self.restricted else nullcontext():
                place = f"/proc/self/fd/{upper}"  # the way there may be closed
                mount("overlay", place, "overlay", RDONLY | NODEV, f"lowerdir={layers}")
        except OSError as error:
            if self.restricted and error.errno == errno.EACCES:
                return  # a file system of one user
            if not below and path != "/":  # the root has our own folders too
                bind(path, target, RDONLY | NODEV)
                return
            # In a user namespace, nothing may uncover what the machine's mounts cover.
            with suppress(PermissionError):
                self._show_entries(path, target)
            return
        finally:
            os.close(upper)
        for point in below:
            if not any(point.startswith(f"{other}/") for other in below):
                with suppress(OSError):  # gone by now, as mounts of containers may be
                    self.show(point, f"{target}/{point.removeprefix(inside)}", shown=True)

    def _show_entries(self, path: str, target: str) -> None:
        for entry in os.scandir(path):
            below = f"{target}/{entry.name}"
            if path == "/" and entry.name in SIDE_FOLDERS:
                continue
            if not os.path.lexists(below) or entry.is_dir(follow_symlinks=False):
                with suppress(FileNotFoundError):  # gone by now
                    self.show(entry.path, below)


def silence_network(settings: str) -> None:
    """No packet that no program sent: neither forwarded, nor redirected, nor for autoconfiguration.

    Raises:
        FileNotFoundError: The kernel has no IPv6.
    """
    ipv4, ipv6 = f"{settings}/ipv4", f"{settings}/ipv6"
    files = [f"{ipv4}/ip_forward"]
    for scope in ("conf/all", "conf/default"):
        files += [f"{ipv4}/{scope}/{name}" for name in IPV4_SETTINGS]
        files += [f"{ipv6}/{scope}/{name}" for name in IPV6_SETTINGS]
    for path in files:
        with open(path, "w", encoding="ascii") as file:
            file.write("0")


# --- Rights ---------------------------------------------------------------------------------------


def others_exist() -> bool:
    """Whether we can be :data:`OTHERS`, and see anything then.

    As root we can, but not as root of a user namespace of one user only.
    """
    with open("/proc/self/uid_map", encoding="ascii") as file:
        ranges = [[int(word) for word in line.split()] for line in file]
    mapped = any(first <= OTHERS < first + count for first, _, count in ranges)
    return os.geteuid() == 0 and mapped and not closed("/")


def closed(path: str) -> bool:
    """Whether other users may not read a file, or enter a folder, given its mode alone."""
    return not os.stat(path).st_mode & (stat.S_IXOTH if os.path.isdir(path) else stat.S_IROTH)


@contextmanager
def as_others() -> Iterator[None]:
    """Have the rights of :data:`OTHERS` on files: without root's capabilities for them, too."""
    parent_death = ctypes.c_int()
    call("prctl", PR_GET_PDEATHSIG, parent_death)
    os.setgroups(())
    call("setfsgid", OTHERS)
    call("setfsuid", OTHERS)  # this drops the capabilities, and the next one restores them
    try:
        yield
    finally:
        call("setfsuid", 0)
        call("setfsgid", 0)
        # With other rights both are forgotten. Without CAP_SYS_PTRACE, as in a container, nobody
        # enters the namespaces of a process that is not dumpable.
        call("prctl", PR_SET_PDEATHSIG, parent_death.value)
        call("prctl", PR_SET_DUMPABLE, 1)


# --- System calls ---------------------------------------------------------------------------------


def call(function: str | int, *arguments: str | bytes | int | ctypes.c_int | None) -> int:
    """Call a function of the C library, or a system call by its number.

    Raises:
        OSError: It failed; its file name is the last path among the arguments.
    """
    words = arguments
    if isinstance(function, int):
        function, words = "syscall", (function, *arguments)
    converted = (
        os.fsencode(word)
        if isinstance(word, str)
        else ctypes.c_long(word)
        if isinstance(word, int)
        else ctypes.byref(word)
        if isinstance(word, ctypes.c_int)
        else word
        for word in words
    )
    result: int = getattr(ctypes.CDLL(None, use_errno=True), function)(*converted)
    if result < 0:
        paths = [word for word in arguments if isinstance(word, str) and "/" in word]
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), *paths[-1:])
    return result


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """Mount a file system."""
    call("mount", source, target, kind, flags, os.fsencode(options))


def set_flags(target: str, flags: int, at: int = 0, clear: int = 0) -> None:
    """Add flags to a mount, and clear others; with AT_RECURSIVE also of those below."""
    attributes = struct.pack("4Q", flags, clear, 0, 0)
    call(MOUNT_SETATTR, AT_FDCWD, target, at, attributes, len(attributes))


def bind(source: str, target: str, flags: int) -> None:
    """Bind a folder or a file with all mounts below, and add flags to all of them."""
    if not os.path.exists(source):
        raise FileNotFoundError(2, os.strerror(2), source)  # mount(2) does not say which one it is
    mount(source, target, None, MS_BIND | MS_REC)
    if flags:
        set_flags(target, flags, AT_RECURSIVE)


def bind_file(source: str, target: str, flags: int) -> None:
    """:func:`bind` to a file that is made if it is not there."""
    if not os.path.lexists(target):
        with open(target, "xb"):
            pass
    bind(source, target, flags)


if __name__ == "__main__":
    os.umask(0o022)  # what we make has to be readable for others
    try:
        (build if sys.argv[1] == "build" else show)(*sys.argv[2:])
    except OSError as error:
        sys.exit(str(error))
