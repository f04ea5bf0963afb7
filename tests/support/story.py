"""Hand-built traces, packet by packet, and the result that a requirement must have for them.

::

    trace(
        client.initial(crypto("hello")),
        server.retry(token=b"t", scid=b"retry"),
        client.initial(crypto("hello"), token=b"t", dcid=b"retry").lost(),
    )

Each packet travels alone in a datagram, unless :func:`together` coalesces some, and stands in both
captures, unless it is lost. Packet numbers and connection IDs are chosen as endpoints would, unless
they matter. A packet is pointed at by its place: ``"left 3"`` is frame 3 of the left capture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from quicmatrix.runner.judge.evaluate import evaluate
from quicmatrix.runner.model.attempt import (
    AttemptRecord,
    Ending,
    EntryKind,
    FileRecord,
    LinkRecord,
    SideRecord,
)
from quicmatrix.runner.model.verdict import Status
from quicmatrix.runner.trace.fate import parse_fate
from quicmatrix.runner.trace.model import (
    VERSION_1,
    Address,
    Capture,
    Crypto,
    Datagram,
    Ecn,
    Frame,
    Packet,
    PacketType,
    Path,
    Side,
    TlsMessage,
    Trace,
)
from quicmatrix.testcases.model import DEFAULT_SCENARIO, Observation, Requirement

SERVER_4 = Address("193.167.100.100", 443)
SERVER_6 = Address("fd00:cafe:cafe:100::100", 443)
NUMBERED = (PacketType.INITIAL, PacketType.ZERO_RTT, PacketType.HANDSHAKE, PacketType.ONE_RTT)


# --- Traffic -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Leg:
    """Packets in one datagram, not yet captured."""

    sender: Side
    fields: tuple[dict[str, Any], ...]
    path: Path
    dropped: bool = False
    garbage: bool = False
    size: int = 1200
    fragments: int = 1
    ecn: Ecn = Ecn.NOT_ECT
    comment: str = ""
    time: float | None = None
    """Seconds; None for a moment after the last one."""
    outside: Path | None = None
    """The path at the server's side of a NAT, if it is another one there."""

    def lost(self) -> Leg:
        """The link drops it: only the capture next to its sender has it."""
        return replace(self, dropped=True)

    def secret(self) -> Leg:
        """The keys are missing."""
        hidden = dict.fromkeys(("number", "key_phase", "key_generation", "keys_cid"))
        return self.but(decrypted=False, frames=(), tls=(), **hidden)

    def sized(self, size: int) -> Leg:
        """The datagram has so many bytes."""
        return replace(self, size=size)

    def fragmented(self, fragments: int = 2) -> Leg:
        """The datagram is in so many IP packets."""
        return replace(self, fragments=fragments)

    def marked(self, ecn: Ecn = Ecn.ECT_0) -> Leg:
        """The IP header has this mark."""
        return replace(self, ecn=ecn)

    def told(self, comment: str) -> Leg:
        """The middlebox's comment on it; one that says so drops it."""
        return replace(self, comment=comment, dropped="dropped: " in comment)

    def after(self, seconds: float) -> Leg:
        """It is sent at this time."""
        return replace(self, time=seconds)

    def on(self, server: Address) -> Leg:
        """It goes to or comes from another address of the server."""
        return replace(self, path=replace(self.path, server=server))

    def behind(self, port: int, host: str = "193.167.0.100") -> Leg:
        """A NAT shows the client's address to the server as this one."""
        return replace(self, outside=replace(self.path, client=Address(host, port)))

    def but(self, **changes: object) -> Leg:
        """The same packets, with other fields."""
        return replace(self, fields=tuple({**fields, **changes} for fields in self.fields))


def together(*legs: Leg) -> Leg:
    """Coalesce packets into one datagram (RFC 9000, 12.2)."""
    return replace(legs[0], fields=tuple(fields for leg in legs for fields in leg.fields))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Sends packets with an endpoint's usual header fields; keywords override them.

    What is given by position are frames and TLS messages.
    """

    side: Side
    scid: bytes
    dcid: bytes
    connection: int = 0
    address: Address = SERVER_4

    def initial(self, *contents: Frame | TlsMessage, **fields: object) -> Leg:
        return self._send(PacketType.INITIAL, contents, fields)

    def zero_rtt(self, *contents: Frame | TlsMessage, **fields: object) -> Leg:
        return self._send(PacketType.ZERO_RTT, contents, fields)

    def handshake(self, *contents: Frame | TlsMessage, **fields: object) -> Leg:
        return self._send(PacketType.HANDSHAKE, contents, fields)

    def retry(self, token: bytes = b"token", **fields: object) -> Leg:
        given = {"retry_integrity_valid": True, "scid": b"retry", **fields, "token": token}
        return self._send(PacketType.RETRY, (), given)

    def one_rtt(self, *contents: Frame | TlsMessage, **fields: object) -> Leg:
        keys = {"key_phase": 0, "key_generation": fields.get("key_phase", 0)}
        given = {"version": None, "scid": None, **keys, **fields}
        return self._send(PacketType.ONE_RTT, contents, given)

    def garbage(self) -> Leg:
        """A datagram that is no QUIC packet to the decoder."""
        return replace(self._send(PacketType.INITIAL, (), {}), fields=(), garbage=True)

    def _send(
        self, kind: PacketType, contents: Sequence[Frame | TlsMessage], fields: dict[str, object]
    ) -> Leg:
        usual = {
            "type": kind,
            "version": VERSION_1,
            "dcid": self.dcid,
            "scid": self.scid,
            "size": 1200,
            "payload_size": 1000,
            "connection": self.connection,
            "frames": tuple(one for one in contents if isinstance(one, Frame)),
            "tls": tuple(one for one in contents if isinstance(one, TlsMessage)),
        }
        local = Address("193.167.0.100", 50000 + self.connection)
        if self.address.is_ipv6:
            local = Address("fd00:cafe:cafe::100", 50000 + self.connection)
        return Leg(self.side, ({**usual, **fields},), Path(local, self.address))


client = Endpoint(Side.CLIENT, scid=b"client", dcid=b"original")
server = Endpoint(Side.SERVER, scid=b"server", dcid=b"client")
client_2 = Endpoint(Side.CLIENT, scid=b"client 2", dcid=b"original 2", connection=1)
server_2 = Endpoint(Side.SERVER, scid=b"server 2", dcid=b"client 2", connection=1)
"""Both ends of a second connection."""


def crypto(data: str | bytes = "hello", offset: int = 0) -> Crypto:
    """A CRYPTO frame."""
    content = data.encode() if isinstance(data, str) else data
    return Crypto(offset, len(content), content)


def trace(*legs: Leg, left_damage: str = "", right_damage: str = "") -> Trace:
    """Both captures of that traffic."""
    numbered = _number(legs)
    return Trace(
        _capture(Side.CLIENT, numbered, left_damage), _capture(Side.SERVER, numbered, right_damage)
    )


def _number(legs: Sequence[Leg]) -> list[Leg]:
    """Give the next packet number of its space to each packet that has none."""
    following: dict[tuple[object, ...], int] = {}
    numbered = []
    for leg in legs:
        packets = []
        for fields in leg.fields:
            kind = fields["type"]
            space = PacketType.ONE_RTT if kind is PacketType.ZERO_RTT else kind
            key = (leg.sender, space, fields["connection"])
            if "number" not in fields and kind in NUMBERED:
                fields = {**fields, "number": following.get(key, 0)}  # noqa: PLW2901
            if fields.get("number") is not None:
                following[key] = fields["number"] + 1
            packets.append(fields)
        numbered.append(replace(leg, fields=tuple(packets)))
    return numbered


def _capture(side: Side, legs: Sequence[Leg], damage: str) -> Capture:
    seen = [leg for leg in legs if leg.sender is side or not leg.dropped]
    datagrams = tuple(
        Datagram(
            capture=side,
            frame_number=place,
            time=place / 1000 if leg.time is None else leg.time,
            sender=leg.sender,
            path=leg.outside if leg.outside and side is Side.SERVER else leg.path,
            ecn=leg.ecn,
            size=leg.size,
            fate=parse_fate(leg.comment),
            fragments=leg.fragments,
        )
        for place, leg in enumerate(seen, start=1)
    )
    packets = tuple(
        Packet(datagram=datagram, **fields)
        for datagram, leg in zip(datagrams, seen, strict=True)
        for fields in leg.fields
    )
    return Capture(side, datagrams, packets, damage)


# --- What processes and files did ---------------------------------------------------------------

FILE = FileRecord("pqmzrtuxwv", EntryKind.FILE, 1024, "ab" * 32)


def record(**changes: Any) -> AttemptRecord:
    """The record of an attempt in which all went well, but for what is given."""
    usual = AttemptRecord(
        client_name="a client",
        server_name="a server",
        test="transfer",
        scenario=DEFAULT_SCENARIO,
        seed=1,
        repetition=1,
        started_at=0.0,
        duration_s=1.0,
        server_ready=True,
        client=SideRecord(ending=Ending.EXITED, exit_code=0),
        server=SideRecord(ending=Ending.STOPPED, exit_code=0),
        link=LinkRecord(),
        www=(FILE,),
        downloads=(FILE,),
    )
    return replace(usual, **changes)


def unfinished(*legs: Leg, **captures: str) -> Observation:
    """That traffic, of a client that exits with 1 and without a file."""
    failed = SideRecord(ending=Ending.EXITED, exit_code=1)
    return Observation(trace(*legs, **captures), record(client=failed, downloads=()))


def observation(seen: Trace | AttemptRecord | Observation) -> Observation:
    """That trace with a record in which all went well, or that record with an empty trace."""
    if isinstance(seen, Observation):
        return seen
    if isinstance(seen, Trace):
        return Observation(seen, record())
    return Observation(trace(), seen)


# --- What a requirement must make of it -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Story:
    """An observation, and the result that a requirement must have for it."""

    requirement: Requirement[Observation]
    title: str
    seen: Observation
    status: Status
    message: str = ""
    """Of the first violation."""
    at: tuple[str, ...] = ()
    """The first violation's evidence."""
    side: Side | None = None
    """The first violation's."""
    violations: int = 0
    reason: str = ""
    """A part of the reason why it is undetermined or was not exercised."""

    def __str__(self) -> str:
        return f"{self.requirement.name}-{self.title}"

    def check(self) -> None:
        """Assert that the requirement has the result that it must have."""
        result = evaluate(self.requirement, self.seen)
        assert result.status is self.status, result
        assert self.reason in result.reason
        assert len(result.violations) == self.violations, result.violations
        for first in result.violations[:1]:
            where = tuple(
                f"{'left' if one.capture is Side.CLIENT else 'right'} {one.frame_number}"
                for one in first.evidence
            )
            assert (first.message, where, first.side) == (self.message, self.at, self.side)


def holds(
    requirement: Requirement[Observation], title: str, seen: Trace | AttemptRecord | Observation
) -> Story:
    """A story in which the requirement is held."""
    return Story(requirement, title, observation(seen), Status.HELD)


def unexercised(
    requirement: Requirement[Observation],
    title: str,
    seen: Trace | AttemptRecord | Observation,
    reason: str = "",
) -> Story:
    """A story in which there is nothing to which the requirement applies."""
    return Story(requirement, title, observation(seen), Status.NOT_EXERCISED, reason=reason)


def breaks(
    requirement: Requirement[Observation],
    title: str,
    seen: Trace | AttemptRecord | Observation,
    message: str,
    *at: str,
    side: Side | None,
    violations: int = 1,
) -> Story:
    """A story in which the requirement is violated, and for this reason."""
    return Story(
        requirement, title, observation(seen), Status.VIOLATED, message, at, side, violations
    )


def doubtful(
    requirement: Requirement[Observation],
    title: str,
    seen: Trace | AttemptRecord | Observation,
    reason: str,
) -> Story:
    """A story in which the requirement is undetermined."""
    return Story(requirement, title, observation(seen), Status.UNDETERMINED, reason=reason)
