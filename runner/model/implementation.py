"""Implementations under test, and the images that stand for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from quicmatrix.runner.model.verdict import Outcome
from quicmatrix.runner.trace.model import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownOutcome:
    """How a test is known to end with an implementation, and why."""

    implementation: str
    role: Side
    test: str
    """The test's name."""
    outcome: Outcome
    reason: str
    link: str
    """Where that can be read, by HTTP or HTTPS."""
    peer: str = ""
    """The only implementation in the other role with which it ends so; empty: with all."""


@dataclass(frozen=True, slots=True)
class Implementation:
    """A QUIC stack under test."""

    name: str
    image: str | None = None
    url: str = ""
    roles: frozenset[Side] = frozenset(Side)
    commands: Mapping[Side, tuple[str, ...]] = field(default_factory=dict)
    """The local command of each role that has one."""
    given: Mapping[Side, str] = field(default_factory=dict)
    """The command lines among them that were given by the user as name=command."""
    known: tuple[KnownOutcome, ...] = ()
    """Its inabilities and failures, as they are known."""


@dataclass(frozen=True, slots=True)
class Image:
    """What an image's name stood for when the run began."""

    reference: str
    """Its name, as it was asked for."""
    id: str
    """The hash of its configuration, by which it was started."""
    architecture: str
    """In Go's words: amd64, arm64."""
    digests: tuple[str, ...] = ()
    """``name@sha256:...``, by which a registry knows it; none if it was built here."""
