"""Which paths of the machine have to be mounted on a side, and which ones cannot be.

A side has folders of its own in place of some of the machine's, /tmp among them. What a program
needs there is mounted read-only: its folder, or with ``bin`` the folder around that; the project
around a virtualenv; its interpreter; what its arguments name; its working directory.

As root, a side sees of the machine only what all users may read. Root's home, and folders that are
closed to them on the way to what a program needs, are shown as if they might enter them.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import quicmatrix
from quicmatrix.runner.sandbox.model import Launch
from quicmatrix.runner.sandbox.netns.filesystem import (
    ENTRIES,
    SIDE_FOLDERS,
    WHOLE,
    others_exist,
)

PRIVATE = tuple(Path("/", name) for name in SIDE_FOLDERS)
"""Folders that are not the machine's on a side."""
MOUNTABLE = (Path("/tmp"), Path("/run"), Path("/dev/shm"))  # noqa: S108 - the machine's
"""Those of them, or folders in them, in which more can be mounted on a side."""
PROGRAM_FOLDERS = ("bin", "sbin", "libexec")
_INTERPRETERS = 4
"""How many scripts may be each other's interpreters, as in execve(2)."""
_FIRST_LINE = 256


def runner_paths() -> tuple[Path, ...]:
    """Where our Python, its packages and our own code lie."""
    ours = [Path(folder) for folder in quicmatrix.__path__]
    entries = [Path(os.path.realpath(entry)) for folder in ours for entry in folder.iterdir()]
    packages = [path for path in map(Path, sys.path) if path.is_absolute()]
    return (Path(sys.prefix), Path(sys.base_prefix), *packages, *ours, *entries)


def own_home() -> Path:
    """Our home folder; a relative path if we have none."""
    return Path(os.path.expanduser("~"))  # noqa: PTH111 - raises nothing


def required_paths(launch: Launch) -> list[Path]:
    """The paths that a program needs, with and without the links in them."""
    cwd = Path(os.path.realpath(launch.cwd))
    search = launch.environment.get("PATH", os.defpath)
    name, *arguments = launch.command
    paths = [cwd]
    for _ in range(_INTERPRETERS):
        found = os.path.join(cwd, name) if "/" in name else shutil.which(name, path=search)  # noqa: PTH118 - keeps the links for realpath
        if not found:
            break
        for path in (Path(os.path.abspath(found)), Path(os.path.realpath(found))):  # noqa: PTH100
            paths += [path, *_around(path)]
        name = _interpreter(Path(found))
        if not name:
            break
    for argument in arguments:  # a script; what lies in /certs or /dev is meant to be the side's
        named = Path(os.path.abspath(cwd / argument))  # noqa: PTH100 - keeps links
        mountable = "/" in argument and _mountable(named) and named.exists()
        if mountable or _closed(named):
            paths += [named, Path(os.path.realpath(named))]
    return paths


def to_expose(paths: Sequence[Path]) -> list[Path]:
    """Which of these paths lie below :data:`PRIVATE` and have to be mounted on a side.

    For a program it is the folder that it is in, since it may need other files there; but if that
    is a private folder itself, the program alone. Private folders cannot be mounted.
    """
    wanted: set[Path] = set()
    for path in paths:
        folder = path if path.is_dir() else path.parent
        choice = path if folder in PRIVATE else folder
        if _private(choice) and choice not in PRIVATE and choice.exists():
            wanted.add(Path(os.path.realpath(choice)))
            wanted.add(choice)
    return [path for path in sorted(filter(_private, wanted)) if wanted.isdisjoint(path.parents)]


def to_open(paths: Sequence[Path]) -> dict[Path, str]:
    """What is closed to other users on the way to these paths, and how a side has to see it.

    A path itself, and the folder that a file is in, are shown whole; the folders around them, and
    home folders in any case, as if other users might enter them. As a user, a side sees what the
    user does.
    """
    wanted: dict[Path, str] = {}
    if not others_exist():
        return wanted
    for path in {one for given in paths for one in (given, Path(os.path.realpath(given)))}:
        for one in () if _private(path) else _closed(path):
            own = one == path or (one == path.parent and path.is_file())
            if own and not _home(one):
                wanted[one] = WHOLE
            else:
                wanted.setdefault(one, ENTRIES)
    return {
        path: how
        for path, how in sorted(wanted.items())
        if not any(wanted.get(folder) == WHOLE for folder in path.parents)
    }


def hidden(paths: Sequence[Path]) -> str:
    """Why a side cannot see one of these paths, in one sentence; empty if it can see them all."""
    for path in to_expose(paths):
        private = next(one for one in PRIVATE if path.is_relative_to(one))
        if not _mountable(path):
            return f"{path} cannot be seen in a sandbox, which has a {private} of its own"
    return ""


def _private(path: Path) -> bool:
    return any(path.is_relative_to(private) for private in PRIVATE)


def _mountable(path: Path) -> bool:
    return any(path.is_relative_to(folder) and path != folder for folder in MOUNTABLE)


def _closed(path: Path) -> Sequence[Path]:
    """The folders on the way to a path that other users may not enter; itself if it is closed.

    Behind a link it is another way. What is not there is not closed.
    """
    found = []
    for one in (*reversed(path.parents), path):
        try:
            mode = os.lstat(one).st_mode
        except OSError:
            return ()
        if stat.S_ISLNK(mode):
            break
        needed = (stat.S_IROTH if one is path else 0) | (stat.S_IXOTH if stat.S_ISDIR(mode) else 0)
        if mode & needed != needed:
            found.append(one)
    return found


def _home(folder: Path) -> bool:
    """Whether a folder is our home, or its owner's."""
    if folder == own_home():
        return True
    try:
        return folder == Path(pwd.getpwuid(folder.stat().st_uid).pw_dir)
    except KeyError:  # the owner is not a user here
        return False


def _around(program: Path) -> Iterator[Path]:
    """The folder around a ``bin`` folder, and the one around that if it is a virtualenv."""
    if program.parent.name in PROGRAM_FOLDERS:
        prefix = program.parent.parent
        yield prefix
        if (prefix / "pyvenv.cfg").exists():
            yield prefix.parent


def _interpreter(program: Path) -> str:
    """What runs a script, from its first line: also where env(1) is to search it."""
    try:
        with program.open("rb") as file:
            line = file.read(_FIRST_LINE).partition(b"\n")[0]
    except OSError:  # it may be executed, but not read
        return ""
    words = os.fsdecode(line.removeprefix(b"#!")).split() if line.startswith(b"#!") else []
    if words and Path(words[0]).name == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    return words[0] if words else ""
