"""Rules, findings, and all that trials can show of a subject, as frozen values.

A rule's check is a function of :class:`Observations`. It returns the evidence that its rule is
kept, one line, or raises :class:`Broken`, :class:`Unseen` or :class:`Inapplicable` with theirs. Its
docstring is the contract's sentence, as the report prints it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from quicmatrix.runner.model.attempt import AttemptRecord, FileRecord
from quicmatrix.runner.model.verdict import Verdict
from quicmatrix.runner.sandbox.model import Exit
from quicmatrix.runner.trace.model import Side, Trace

FORMAT = 1
"""Version of the report's JSON."""


class Importance(StrEnum):
    """How much a rule weighs."""

    REQUIRED = "required"
    """Without it, runs of quic-interop-runner fail or say something wrong."""
    RECOMMENDED = "recommended"
    """Without it, they work, but somebody will miss it."""


class Standing(StrEnum):
    """What came of a rule."""

    OK = "ok"
    BROKEN = "broken"
    UNSEEN = "not seen"
    """It cannot be told: something else was in the way."""
    INAPPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of a rule, and by what one can tell."""

    standing: Standing
    evidence: str
    """One line. It may quote what the subject wrote: never show it unprepared."""


class NotKept(Exception):  # noqa: N818 - an answer, not an error
    """Raised by a check that cannot say that its rule is kept; the message is the evidence."""

    standing: ClassVar[Standing]


class Broken(NotKept):
    """The rule is broken."""

    standing = Standing.BROKEN


class Unseen(NotKept):
    """Whether the rule is kept was not to be seen."""

    standing = Standing.UNSEEN


class Inapplicable(NotKept):
    """The rule says nothing about this subject."""

    standing = Standing.INAPPLICABLE


# --- What is seen ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """What an implementation did when it was asked for a test case that cannot exist."""

    problem: str
    """What is wrong with that; empty if it exited with 127."""
    exit: Exit | None
    """None if it did not end by itself."""
    after_s: float


@dataclass(frozen=True, slots=True)
class Logs:
    """What a subject left in /logs, and what it wrote to standard output and error."""

    files: tuple[FileRecord, ...] = ()
    """All of it, the log of standard output and error included."""
    secrets: tuple[str, ...] = ()
    """The labels of the well-formed lines of its key log, e.g. ``CLIENT_TRAFFIC_SECRET_0``."""
    qlogs: tuple[str, ...] = ()
    """Names of the files in QLOGDIR that begin as a qlog does."""
    setup_ran: bool = False
    """Whether its output has the line that /setup.sh of the endpoint base image begins with."""
    last_words: str = ""
    """The end of its output, on one line."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """What an attempt with a peer showed."""

    record: AttemptRecord
    verdict: Verdict
    """By the requirements of quic-interop-runner."""
    logs: Logs
    trace: Trace | None = None
    """None if no rule asks for it."""
    stopping_s: float | None = None
    """How long the subject took from SIGTERM to its end; None if it got none."""
    altered: tuple[str, ...] = ()
    """What it changed in the folders that are not its own, e.g. ``/certs/cert.pem``."""


@dataclass(frozen=True, slots=True)
class EarlyStart:
    """What a client did that was started before the sim was ready."""

    exit: Exit | None
    """How it ended before the sim was there; None if it did not."""
    datagrams: int | None
    """What it sent to the server before; None if nobody could listen."""
    logs: Logs
    trace: Trace | None = None
    """What it did when the sim was there; None if it ended before."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the engine says of an image without starting it."""

    architecture: str
    """As Docker calls it, e.g. ``amd64``; so is the next."""
    engine_architecture: str
    operating_system: str
    starts_with: tuple[str, ...]
    """Entry point and command."""
    has_setup_script: bool | None
    """Whether it has /setup.sh; None if nobody could look."""
    user: str
    """Who its processes run as; empty: root."""
    size: int
    """In bytes."""

    @property
    def platform(self) -> str:
        """As Docker writes it, e.g. ``linux/amd64``."""
        return f"{self.operating_system}/{self.architecture}"

    @property
    def fits(self) -> bool:
        """Whether the engine's machine can run it."""
        return self.platform == f"linux/{self.engine_architecture}"


@dataclass(frozen=True, slots=True)
class Observations:
    """All that was seen of a subject."""

    roles: frozenset[Side]
    """Those that were asked for."""
    image: ImageFacts | None = None
    """None: the subject is a local command."""
    answers: Mapping[Side, Answer] = field(default_factory=dict)
    conversations: Mapping[str, Conversation] = field(default_factory=dict)
    """By the trial's name."""
    early: EarlyStart | None = None
    unlaunchable: str = ""
    """Why it could not be started at all; empty if it could."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """By the name of a trial that came to nothing: why."""

    def conversation(self, name: str) -> Conversation:
        """What a trial showed.

        Raises:
            Unseen: It came to nothing, or was not run.
        """
        found = self.conversations.get(name)
        if found is None:
            raise Unseen(self.missing.get(name, f"the trial {name} was not run"))
        if found.record.fault:
            raise Unseen(f"the machine or the runner failed: {found.record.fault}")
        return found

    def answer(self, role: Side, name: str) -> Answer:
        """What it did when it was asked for a test case that cannot exist.

        Raises:
            Unseen: The trial came to nothing, or was not run.
        """
        found = self.answers.get(role)
        if found is None:
            raise Unseen(self.missing.get(name, f"the trial {name} was not run"))
        return found


# --- Rules -------------------------------------------------------------------------------------

Check = Callable[[Observations], str]


@dataclass(frozen=True, slots=True)
class Rule:
    """A sentence of the contract, and the check of it."""

    name: str
    """The check's name, e.g. ``server_stops_on_sigterm``."""
    role: Side | None
    """Whom it is about; None: both."""
    importance: Importance
    text: str
    hint: str
    """What to do when it is broken."""
    trials: tuple[str, ...]
    """The trials that show whether it is kept."""
    check: Check

    def __call__(self, seen: Observations) -> Finding:
        """Judge the subject by this rule."""
        if self.role is not None and self.role not in seen.roles:
            return Finding(Standing.INAPPLICABLE, f"it was not checked as a {self.role}")
        try:
            return Finding(Standing.OK, self.check(seen))
        except NotKept as other:
            return Finding(other.standing, str(other))


def rule(
    importance: Importance, *trials: str, role: Side | None, hint: str
) -> Callable[[Check], Rule]:
    """Turn a check into a :class:`Rule`, named after it and worded by its docstring."""

    def declare(check: Check) -> Rule:
        text = " ".join((inspect.getdoc(check) or "").split())
        if not text:
            msg = f"{check.__name__} needs a docstring: it is the sentence that reports print"
            raise TypeError(msg)
        return Rule(check.__name__, role, importance, text, hint, trials, check)

    return declare


@dataclass(frozen=True, slots=True)
class Judged:
    """A rule and what came of it."""

    rule: Rule
    finding: Finding

    @property
    def decides(self) -> bool:
        """Whether it keeps the subject from honouring the contract."""
        standing = self.finding.standing
        return self.rule.importance is Importance.REQUIRED and standing in (
            Standing.BROKEN,
            Standing.UNSEEN,
        )
