"""Which implementations there are: implementations.json, read into values.

The schema is quic-interop-runner's, so its own files load unchanged, with two optional keys more::

    {"name": {"image": "owner/name:tag", "url": "https://...", "role": "both|client|server",
              "command": "./program --flag" or {"client": "./a", "server": "./b"},
              "known": [{"test": "retry", "role": "client", "verdict": "failed", "peer": "other",
                         "reason": "makes a new ClientHello", "link": "https://..."}]}}

A command is split like a shell line but never given to a shell. A program with a slash in it is
relative to the folder of the file. ``{python}`` stands for this interpreter, ``{peers}`` for the
folder of the peers that ``scripts/setup`` built.

``known`` lists inabilities and failures that are known. Such a verdict is shown as known, and a
test that passes all the same is reported. ``peer`` is optional: the one with which it ends so.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

import msgspec

from quicmatrix.runner.checkout import script_hint
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.implementation import Implementation, KnownOutcome
from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.trace.model import Side

DEFAULT_FILE = Path(__file__).with_name("implementations.json")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}")
"""What a name may look like: it becomes part of folder names, so nothing else ever does."""
LINK = re.compile(r"https?://[!-~]+")
IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,511}")


def load(path: Path | None = None) -> tuple[Implementation, ...]:
    """Read an implementations file, ours by default, in its order.

    Raises:
        UserError: It cannot be read, or says something that the schema does not know.
    """
    path = path or DEFAULT_FILE
    try:
        data = path.read_bytes()
        entries = msgspec.json.decode(data, type=dict[str, _Entry])
        for name, keys in msgspec.json.decode(data, type=dict[str, dict[str, msgspec.Raw]]).items():
            _check_keys(path, name, keys, _Entry)
            for one in msgspec.json.decode(
                keys.get("known", b"[]"), type=list[dict[str, msgspec.Raw]]
            ):
                _check_keys(path, f"{name}: known", one, _Known)
    except OSError as error:
        raise UserError(
            f"{path}: {error.strerror}", "--implementations names a JSON file"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: {error}",
            'each entry looks like {"name": {"image": "...", "url": "...", "role": "both"}}',
        ) from error
    return tuple(_implementation(path, name, entry) for name, entry in entries.items())


def beside_ours(known: Sequence[Implementation]) -> tuple[Implementation, ...]:
    """The implementations of another file, and those of ours whose names it does not have."""
    names = {one.name for one in known}
    return (*known, *(one for one in load() if one.name not in names))


def replaced(
    implementations: Sequence[Implementation], replacements: Iterable[str]
) -> tuple[Implementation, ...]:
    """Apply ``-r name=image,...``: run that image in place of the one that the file names.

    Raises:
        UserError: A replacement is not of that form, or its name is unknown.
    """
    by_name = {implementation.name: implementation for implementation in implementations}
    for replacement in (one for words in replacements for one in words.split(",")):
        name, equals, image = replacement.strip().partition("=")
        if not equals or not image:
            raise UserError(f"--replace {replacement!r} is not of the form name=image")
        if name not in by_name:
            raise UserError(
                f"--replace: no implementation is called {name!r}",
                f"there are: {', '.join(by_name)}",
            )
        by_name[name] = replace(by_name[name], image=parse_image(image))
    return tuple(by_name.values())


def parse_image(reference: str) -> str:
    """An image's name, if it can be one: ``owner/name:tag``, ``name@sha256:...``, or an id.

    Raises:
        UserError: It cannot.
    """
    if not IMAGE.fullmatch(reference):
        raise UserError(
            f"{reference!r} cannot be the name of an image",
            "owner/name:tag; --backend netns runs local commands, ./program",
        )
    return reference


def parse_command(line: str, folder: Path) -> tuple[str, ...]:
    """Split a command line; its program becomes absolute if it has a slash in it.

    Raises:
        UserError: The quotes do not match, or there is nothing in it.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UserError(f"the command {line!r} cannot be split: {error}") from error
    if not words:
        raise UserError("a command is empty")
    places = {"{python}": sys.executable, "{peers}": str(peers_folder())}
    for place, value in places.items():
        words = [word.replace(place, value) for word in words]
    program = words[0]
    if "/" in program:
        program = os.path.normpath(folder / program)
    return (program, *words[1:])


def peers_folder() -> Path:
    """Where ``scripts/setup`` puts the peers that it builds; QUICMATRIX_PEERS overrides it."""
    named = os.environ.get("QUICMATRIX_PEERS")
    return Path(named).absolute() if named else DEFAULT_FILE.resolve().parents[2] / ".peers"


def missing_program(implementation: Implementation, role: Side) -> str:
    """Why its local command for a role cannot be started; empty if it can."""
    return _obstacle(implementation, role)[0]


def require_program(implementation: Implementation, role: Side) -> None:
    """Make sure that its local command for a role can be started.

    Raises:
        UserError: It cannot.
    """
    problem, hint = _obstacle(implementation, role)
    if problem:
        raise UserError(problem, hint)


def setup_hint() -> str:
    """How to get the peers."""
    return script_hint("scripts/setup builds the peers")


def valid_name(name: str) -> bool:
    """Whether an implementation may be called that."""
    return NAME.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of an implementation, as it stands in the file."""

    test: str
    role: Literal["client", "server"]
    verdict: Literal["failed", "nonconformant", "timeout", "crashed", "unsupported"]
    reason: str
    link: str
    peer: str = ""


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of the file, as it stands there."""

    image: str | None = None
    url: str = ""
    role: Literal["both", "client", "server"] = "both"
    command: str | dict[Literal["client", "server"], str] | None = None
    known: tuple[_Known, ...] = ()


def _check_keys(path: Path, name: str, keys: Iterable[str], kind: type[_Entry | _Known]) -> None:
    """Refuse keys that nobody reads: most are misspelt.

    Raises:
        UserError: There is one.
    """
    allowed = [field.name for field in fields(kind)]
    for key in keys:
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(allowed)}"
            raise UserError(f"{path}: {name}: there is no key {key!r}", hint)


def _obstacle(implementation: Implementation, role: Side) -> tuple[str, str]:
    """Why its local command for a role cannot be started, and what to do; empty if it can."""
    command = implementation.commands.get(role)
    if command is None:
        hint = "--backend docker runs its image" if implementation.image else "name=./program"
        return f"{implementation.name} has no local command as {role}", hint
    program = Path(command[0])
    found = shutil.which(program)
    if found is not None:
        problem, hint = _unrunnable(Path(found))
    elif not program.exists():
        problem = f"there is no program {program}"
        hint = f"{setup_hint()}; name=./program names your own"
    elif program.is_dir():
        problem, hint = f"{program} is a folder", "name a program in it"
    else:
        problem, hint = f"{program} is not executable", f"chmod +x {shlex.quote(str(program))}"
    return (f"{implementation.name}: {problem}", hint) if problem else ("", "")


def _unrunnable(program: Path) -> tuple[str, str]:
    """Why the kernel would not start an executable file, and what to do; empty if it may."""
    try:
        with program.open("rb") as file:
            start = file.read(256)
    except OSError:  # it may be executed, but not read
        return "", ""
    if not start.startswith(b"#!"):
        if b"\0" in start:
            return "", ""
        return (
            f"{program} is a script whose first line names no interpreter",
            "let it begin with #!/bin/sh, or with what is to run it",
        )
    line = start.splitlines(keepends=True)[0]
    if line.endswith(b"\r\n"):
        return (
            f"the first line of {program} ends with CR LF, and so does its interpreter's name",
            f"sed -i 's/\\r$//' {shlex.quote(str(program))}",
        )
    words = os.fsdecode(line[2:]).split()
    if not words or not Path(words[0]).exists():
        return (
            f"there is no interpreter {words[0] if words else ''} for {program}",
            "its first line names it",
        )
    return "", ""


def _implementation(path: Path, name: str, entry: _Entry) -> Implementation:
    if not valid_name(name):
        raise UserError(
            f"{path}: {name!r} cannot be an implementation's name",
            "letters, digits, '.', '+' and '-', 64 at most",
        )
    roles = frozenset(Side) if entry.role == "both" else frozenset({Side(entry.role)})
    lines: Mapping[str, str]
    if entry.command is None:
        lines = {}
    elif isinstance(entry.command, str):
        lines = dict.fromkeys(roles, entry.command)
    else:
        lines = {str(role): line for role, line in entry.command.items()}
    try:
        commands = {Side(role): parse_command(line, path.parent) for role, line in lines.items()}
    except UserError as error:
        raise UserError(f"{path}: {name}: command: {error.message}", error.hint) from error
    known = tuple(_known(path, name, one) for one in entry.known)
    return Implementation(name, entry.image, entry.url, roles, commands, known=known)


def _known(path: Path, name: str, entry: _Known) -> KnownOutcome:
    where = f"{path}: {name}: known: {entry.test}"
    if not entry.reason.strip():
        raise UserError(f"{where}: no reason is given", "say what it does, in a few words")
    if not LINK.fullmatch(entry.link):
        raise UserError(
            f"{where}: {entry.link!r} is no link",
            "https://..., to an issue, a commit or a section of an RFC",
        )
    return KnownOutcome(
        implementation=name,
        role=Side(entry.role),
        test=entry.test,
        outcome=Outcome(entry.verdict),
        reason=entry.reason,
        link=entry.link,
        peer=entry.peer,
    )
