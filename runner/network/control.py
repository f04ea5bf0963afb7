"""The runner's side of the control protocol: receives a middlebox's events and stops it.

::

    async with control.listen(folder / "control") as channel:
        process = await sandbox.sim.start(Launch(control.command(...), ...), log)
        await channel.capturing()
        ...
        if await channel.server_ready(): ...
        summary = await channel.finish()

The protocol itself is described in :mod:`quicmatrix.runner.network.__main__`. It uses a Unix
socket, which is closed as soon as the middlebox dies.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from quicmatrix.runner.network.cross_traffic.goodput import CrossTraffic
from quicmatrix.runner.network.recording.lateness import LatenessSummary
from quicmatrix.runner.network.topology import CLIENT, SERVER, SIM_LEFT, SIM_RIGHT

_LONGEST_PATH = 107
"""Bytes in the path of a Unix socket (unix(7)): sun_path without its final zero."""


class MiddleboxError(Exception):
    """The middlebox failed or does not answer; never the fault of an implementation under test."""


@dataclass(frozen=True, slots=True)
class Forwarded:
    """Packets that came out of the middlebox."""

    to_client: int
    to_server: int


class Capturing(msgspec.Struct, frozen=True, tag_field="event", tag="capturing"):
    """Nothing that is sent from now on is missed."""


class ServerReady(msgspec.Struct, frozen=True, tag_field="event", tag="server-ready"):
    """The server has answered."""

    after_s: float


class ServerSilent(msgspec.Struct, frozen=True, tag_field="event", tag="server-silent"):
    """The server has not answered in time."""

    after_s: float


class Failed(msgspec.Struct, frozen=True, tag_field="event", tag="failed"):
    """The middlebox crashed."""

    reason: str


class Summary(msgspec.Struct, frozen=True, tag_field="event", tag="finished"):
    """What the middlebox did; both captures are closed when it reports this."""

    forwarded: Forwarded
    dropped: int
    lateness_ms: LatenessSummary
    kernel_drops: int
    """Frames that the kernel lost before the middlebox could read them: the captures miss them."""
    truncated: str
    """Why a capture or the link log ends before the traffic did; empty if none does."""
    cross_traffic: CrossTraffic | None = None
    """The TCP flow's goodput; None if there was none, or it was never started."""


Event = Capturing | ServerReady | ServerSilent | Failed | Summary


def command(
    *,
    scenario: str,
    seed: int,
    capture_dir: Path,
    capture_limit: int,
    control: Path,
    left: str = SIM_LEFT.name,
    right: str = SIM_RIGHT.name,
    client_mac: str = CLIENT.mac,
    server_mac: str = SERVER.mac,
    probe_timeout_s: float | None = 10.0,
    python: Sequence[str] = (sys.executable, "-P"),
) -> tuple[str, ...]:
    """The command that runs a middlebox which reports to a channel.

    Args:
        scenario: A scenario string.
        seed: The seed of all its randomness.
        capture_dir: The folder for its raw captures and the link log; must exist.
        capture_limit: The size limit of each of them, in bytes.
        control: The path that the channel listens on.
        left: The interface on the client's side.
        right: The interface on the server's side.
        client_mac: The MAC address of the client's interface.
        server_mac: The MAC address of the server's interface.
        probe_timeout_s: How long to wait for the server to be ready; None: it is not probed.
        python: The interpreter to run it with, and its arguments.
    """
    probe = (
        () if probe_timeout_s is None else ("--probe-server", f"--probe-timeout={probe_timeout_s}")
    )
    return (
        *python,
        "-m",
        "quicmatrix.runner.network",
        f"--left={left}",
        f"--right={right}",
        f"--client-mac={client_mac}",
        f"--server-mac={server_mac}",
        f"--scenario={scenario}",
        f"--seed={seed}",
        f"--capture-dir={capture_dir}",
        f"--capture-limit={capture_limit}",
        f"--control={control}",
        *probe,
    )


class Channel:
    """The connection to one middlebox. Its methods are to be called in their order here."""

    def __init__(self) -> None:
        self._connected: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = (
            asyncio.get_running_loop().create_future()
        )

    async def capturing(self, timeout_s: float = 10.0) -> None:
        """Wait until it captures: nothing that is sent from then on is missed.

        Raises:
            MiddleboxError: It died, or the timeout was reached.
        """
        event = await self._next(timeout_s, "captures")
        if not isinstance(event, Capturing):
            raise _unexpected(event)

    async def server_ready(self, timeout_s: float = 20.0) -> bool:
        """Wait until the server has answered; False if it has not before the probe's own timeout.

        Raises:
            MiddleboxError: The middlebox died, or the timeout was reached.
        """
        event = await self._next(timeout_s, "knows whether the server is ready")
        if isinstance(event, ServerReady):
            return True
        if isinstance(event, ServerSilent):
            return False
        raise _unexpected(event)

    async def finish(self, timeout_s: float = 15.0) -> Summary:
        """Stop it: packets in flight are delivered, and the captures are closed.

        May be called whether or not :meth:`server_ready` was.

        Raises:
            MiddleboxError: It died, or the timeout was reached.
        """
        _, writer = await self._streams(timeout_s, "captures")
        writer.write(b"finish\n")
        while True:
            event = await self._next(timeout_s, "finishes")
            if isinstance(event, Summary):
                return event
            if isinstance(event, Failed):
                raise _unexpected(event)

    async def _streams(
        self, timeout_s: float, what: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.shield(self._connected)
        except TimeoutError:
            raise _late(timeout_s, what) from None

    async def _next(self, timeout_s: float, what: str) -> Event:
        reader, _ = await self._streams(timeout_s, what)
        try:
            async with asyncio.timeout(timeout_s):
                line = await reader.readline()
        except TimeoutError:
            raise _late(timeout_s, what) from None
        except ConnectionResetError:
            line = b""
        if not line:
            raise MiddleboxError(f"the middlebox ended before it {what}")
        try:
            event: Event = msgspec.json.decode(line, type=Event)
        except msgspec.MsgspecError as error:
            raise MiddleboxError(f"the middlebox sent an invalid event: {error}") from error
        return event

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._connected.done():
            writer.close()
        else:
            self._connected.set_result((reader, writer))

    def _close(self) -> None:
        """Close the connection, which stops a middlebox that still runs."""
        if self._connected.done():
            self._connected.result()[1].close()
        else:
            self._connected.cancel()


@asynccontextmanager
async def listen(path: Path) -> AsyncIterator[Channel]:
    """A channel for one middlebox, at a path of 107 bytes at most that does not exist yet.

    Raises:
        ValueError: The path is too long for a Unix socket.
    """
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise ValueError(f"too long for a Unix socket: {path}")
    channel = Channel()
    server = await asyncio.start_unix_server(channel._accept, path)  # noqa: SLF001 - its own
    try:
        yield channel
    finally:
        channel._close()  # noqa: SLF001 - its own
        server.close()
        path.unlink(missing_ok=True)  # noqa: ASYNC240 - as quick as the call that made it


def _late(timeout_s: float, what: str) -> MiddleboxError:
    return MiddleboxError(f"not within {timeout_s:g} s: the middlebox {what}")


def _unexpected(event: Event) -> MiddleboxError:
    if isinstance(event, Failed):
        return MiddleboxError(event.reason)
    return MiddleboxError(f"the middlebox sent an unexpected event: {event}")
