"""Reads and copies files that an untrusted program wrote: /downloads and /logs.

Links are not followed, and only regular files are read, so that no FIFO can block us. The number of
entries, the depth and the bytes read are limited, and names are checked before they are used.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from quicmatrix.runner.model.attempt import Difference, EntryKind, FileRecord
from quicmatrix.runner.printable import printable

CHUNK = 1024 * 1024
CHUNK_OF_LINES = 8 * 1024
_BYTES_SHOWN = 8
MAX_DEPTH = 8
OUR_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
"""Errors that writing a copy can meet and reading a tmpfs cannot."""
FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def manifest(
    folder: Path, max_entries: int, max_bytes: int, www: Path | None = None
) -> tuple[tuple[FileRecord, ...], bool]:
    r"""The entries of a folder, sorted by name, and whether the list is complete.

    It is incomplete if there are more entries, folders deeper than :data:`MAX_DEPTH`, more bytes,
    or a file that could not be read; a file that was not hashed has an empty ``sha256``. Entries of
    subfolders are named by their path. Bytes that are not UTF-8 appear as ``\xNN``. Each file is
    compared with that of the same name in ``www``, a folder of our own.
    """
    walk = _Walk(max_entries, MAX_DEPTH)
    records: list[FileRecord] = []
    complete, left = True, max_bytes
    for entry in walk.entries(folder):
        digest, size, difference = "", entry.status.st_size, None
        if entry.kind is EntryKind.FILE:
            try:
                served = www / entry.path if www and usable(entry.path) else None
                digest, size, difference = _hash(entry, left, served)
                left -= size
            except OSError:
                complete = False
        elif entry.kind is not EntryKind.LINK:
            size = 0
        records.append(FileRecord(entry.path, entry.kind, size, digest, difference))
    return tuple(records), complete and not walk.cut


def copy_out(
    source: Path, destination: Path, max_bytes: int, max_files: int, max_depth: int = MAX_DEPTH
) -> tuple[str, ...]:
    """Copy the regular files of an untrusted folder to another one, which may exist already.

    Raises:
        OSError: Our own disk is full or broken, which is nothing to say of these files.

    Returns:
        One note, ``NAME: REASON``, safe to print, for everything that was not copied: links,
        devices, FIFOs, files beyond the limits, names that are not printable UTF-8, and what exists
        already.
    """
    walk = _Walk(max_files, max_depth)
    destination.mkdir(parents=True, exist_ok=True)
    left = max_bytes
    notes: list[str] = []
    for entry in walk.entries(source, notes):
        if entry.kind not in (EntryKind.FILE, EntryKind.FOLDER):
            notes.append(f"{entry.shown}: not a file")
            continue
        target = destination / entry.path
        try:
            if entry.kind is EntryKind.FOLDER:
                target.mkdir(exist_ok=True)
            else:
                left -= _copy(entry, target, left)
        except OSError as error:
            if error.errno in OUR_DISK:
                raise
            notes.append(f"{entry.shown}: {error.strerror or error}")
    return tuple(notes + walk.cut)


def last_lines(path: Path, count: int, width: int) -> list[str]:
    """The last lines of a file that are not empty, printable, each cut after ``width`` characters.

    There are none if it cannot be read or is not a regular file.
    """
    text = read_part(path, -CHUNK_OF_LINES).decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [printable(line[:width]) for line in lines[-count:]]


def read_part(path: Path, offset: int = 0) -> bytes:
    """Up to 8 KiB of a file, from an offset that counts from the end if it is negative.

    Empty if it cannot be read or is not a regular file.
    """
    try:
        fd = os.open(path, FILE_FLAGS)
    except OSError:
        return b""
    try:
        status = os.fstat(fd)
        start = max(status.st_size + offset, 0) if offset < 0 else offset
        return os.pread(fd, CHUNK_OF_LINES, start) if stat.S_ISREG(status.st_mode) else b""
    except OSError:
        return b""
    finally:
        os.close(fd)


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of an open folder."""

    folder: int
    """The descriptor of the folder."""
    name: str
    path: str
    r"""Relative to the folder that is walked, bytes that are not UTF-8 as ``\xNN``."""
    status: os.stat_result

    @property
    def kind(self) -> EntryKind:
        mode = self.status.st_mode
        if stat.S_ISREG(mode):
            return EntryKind.FILE
        if stat.S_ISDIR(mode):
            return EntryKind.FOLDER
        return EntryKind.LINK if stat.S_ISLNK(mode) else EntryKind.OTHER

    @property
    def shown(self) -> str:
        """Its path without control characters, for terminals and logs."""
        return printable(self.path)

    @contextmanager
    def open(self) -> Iterator[int]:
        """A descriptor of the regular file.

        Raises:
            OSError: It is not a regular file, or cannot be read.
        """
        fd = os.open(self.name, FILE_FLAGS, dir_fd=self.folder)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(0, "not a file")
            yield fd
        finally:
            os.close(fd)


@dataclass(slots=True)
class _Walk:
    """Walks a tree of folders within limits."""

    entries_left: int
    max_depth: int
    cut: list[str] = field(default_factory=list)
    """Notes of what was left out because of the limits."""

    def entries(self, folder: Path, odd: list[str] | None = None) -> Iterator[_Entry]:
        """All entries, a folder before its entries, sorted by name.

        Args:
            folder: The folder; there are no entries if it does not exist.
            odd: If given, entries whose names are not :func:`usable` are left out and noted here.
        """
        try:
            fd = os.open(folder, FOLDER_FLAGS)
        except OSError as error:
            self.cut.append(f"{folder.name}: {error.strerror}")
            return
        yield from self._below(fd, "", 1, odd)

    def _below(self, fd: int, prefix: str, depth: int, odd: list[str] | None) -> Iterator[_Entry]:
        try:
            with os.scandir(fd) as found:
                names = sorted(entry.name for entry in islice(found, self.entries_left + 1))
            if len(names) > self.entries_left:
                self.cut.append(f"{printable(prefix) or '.'}: too many entries")
                names = names[: self.entries_left]
            self.entries_left -= len(names)
            for name in names:
                if odd is not None and not usable(name):
                    odd.append(f"{printable(prefix + shown(name))}: odd name")
                    continue
                with suppress(FileNotFoundError):
                    status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                    entry = _Entry(fd, name, prefix + shown(name), status)
                    yield entry
                    if entry.kind is EntryKind.FOLDER:
                        yield from self._into(entry, depth, odd)
        finally:
            os.close(fd)

    def _into(self, entry: _Entry, depth: int, odd: list[str] | None) -> Iterator[_Entry]:
        if depth >= self.max_depth:
            self.cut.append(f"{entry.shown}: too deep")
            return
        try:
            fd = os.open(entry.name, FOLDER_FLAGS, dir_fd=entry.folder)
        except OSError as error:
            self.cut.append(f"{entry.shown}: {error.strerror}")
            return
        yield from self._below(fd, f"{entry.path}/", depth + 1, odd)


def usable(name: str) -> bool:
    """Whether an untrusted name may be the name of a file of ours."""
    return name not in ("", ".", "..") and "/" not in name and name.isprintable()


def shown(name: str) -> str:
    r"""A file name as text, with bytes that are not UTF-8 as ``\xNN``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _hash(entry: _Entry, limit: int, served: Path | None) -> tuple[str, int, Difference | None]:
    """The hash and the size of a file, and where it differs from the one that was served.

    Raises:
        OSError: It cannot be read, or is larger than the limit.
    """
    digest, size, difference = hashlib.sha256(), 0, None
    with entry.open() as fd, ExitStack() as stack:
        original = None
        if served is not None and served.is_file():
            original = stack.enter_context(served.open("rb"))
        for chunk in _chunks(fd, limit):
            digest.update(chunk)
            if original and difference is None:
                difference = _difference(size, original.read(len(chunk)), chunk)
            size += len(chunk)
        if original and difference is None:
            difference = _difference(size, original.read(_BYTES_SHOWN), b"")
    return digest.hexdigest(), size, difference


def _difference(start: int, expected: bytes, found: bytes) -> Difference | None:
    """The first difference between two pieces at the same offset; None if they are the same."""
    if expected == found:
        return None
    pairs = enumerate(zip(expected, found, strict=False))
    same = next((at for at, (a, b) in pairs if a != b), min(len(expected), len(found)))
    shown = slice(same, same + _BYTES_SHOWN)
    return Difference(start + same, expected[shown].hex(), found[shown].hex())


def _copy(entry: _Entry, target: Path, limit: int) -> int:
    """Copy one file to where nothing is yet; returns its size.

    Raises:
        OSError: It cannot be read, is larger than the limit, or the target is there.
    """
    size = 0
    with entry.open() as fd, target.open("xb") as copy:
        try:
            for chunk in _chunks(fd, limit):
                copy.write(chunk)
                size += len(chunk)
        except OSError:
            target.unlink()
            raise
    return size


def _chunks(fd: int, limit: int) -> Iterator[bytes]:
    """The bytes of a file, which may grow while it is read.

    Raises:
        OSError: It has more bytes than the limit.
    """
    if os.fstat(fd).st_size > limit:
        raise OSError(0, "too large")
    while chunk := os.read(fd, CHUNK):
        limit -= len(chunk)
        if limit < 0:
            raise OSError(0, "too large")
        yield chunk
