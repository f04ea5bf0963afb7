"""The library's API, one story per promise of docs/endpoint.md."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from quicmatrix.endpoint.quic import (
    ConnectionClosed,
    DatagramTooLarge,
    Session,
    StreamReset,
    StreamStopped,
    client_settings,
    connect,
)
from quicmatrix.endpoint.quic.stream import LEAST_AHEAD_BYTES, WRITE_BYTES
from tests.support.certificates import write_certificates
from tests.support.sessions import echo, idle, run, serving


def test_many_streams_at_a_time_each_get_their_own(certs: Path) -> None:
    async def story() -> None:
        async with serving(certs, echo) as (_, connect), connect() as session:

            async def ask(number: int) -> None:
                stream = await session.open_stream()
                await stream.write(b"%d" % number * 1000, end=True)
                assert await stream.read_all() == b"%d" % number * 1000

            async with asyncio.TaskGroup() as group:
                for number in range(250):  # more than the limit of 100
                    group.create_task(ask(number))
            assert session.alpn == "test"
            assert not session._streams, "nothing is left of streams that are over"

    run(story)


def test_a_read_gives_what_there_is_and_no_more_than_asked(certs: Path) -> None:
    async def story() -> None:
        async with serving(certs, echo) as (_, connect), connect() as session:
            stream = await session.open_stream()
            await stream.write(b"abcdef", end=True)
            assert [await stream.read(4), await stream.read(4)] == [b"abcd", b"ef"]
            assert await stream.read() == await stream.read() == b""
            other = await session.open_stream()
            await other.write(bytes(100), end=True)
            with pytest.raises(ValueError, match="more than 99 bytes"):
                await other.read_all(99)

    run(story)


def test_a_writer_waits_for_acknowledgements(certs: Path) -> None:
    async def story() -> None:
        most = 0

        async def pour(session: Session) -> None:
            nonlocal most
            stream = await session.open_stream(is_unidirectional=True)
            for _ in range(200):
                await stream.write(bytes(WRITE_BYTES))
                ahead = max(LEAST_AHEAD_BYTES, 2 * session.connection.congestion_window)
                most = max(most, stream.ahead - ahead)
            await stream.finish()

        async with serving(certs, pour) as (_, connect), connect() as session:
            stream = await session.accept_stream()
            assert not stream.can_write
            with pytest.raises(RuntimeError, match="the peer's alone"):
                await stream.write(b"x")
            assert sum([len(data) async for data in stream]) == 200 * WRITE_BYTES
        assert most <= WRITE_BYTES

    run(story)


def test_resets_and_stops_are_told_to_the_other_side(certs: Path) -> None:
    async def refuse(session: Session) -> None:
        stream = await session.accept_stream()
        await stream.read()
        stream.stop(7)
        stream.reset(8)
        await session.wait_closed()

    async def story() -> None:
        async with serving(certs, refuse) as (_, connect), connect() as session:
            stream = await session.open_stream()
            await stream.write(b"x")
            with pytest.raises(StreamReset, match="error 0x8"):
                await stream.read()
            with pytest.raises(StreamStopped) as stopped:  # noqa: PT012 - some of them are in time
                while True:
                    await stream.write(bytes(1000))
            assert stopped.value.error_code == 7
            assert not session._streams

    run(story)


def test_the_end_of_the_connection_wakes_everybody(certs: Path) -> None:
    async def leave(session: Session) -> None:
        await session.accept_stream()
        session.close(42, "enough")

    async def story() -> None:
        async with serving(certs, leave) as (_, connect), connect() as session:
            stream = await session.open_stream()
            waiting = [
                asyncio.ensure_future(wait)
                for wait in (
                    stream.read(),
                    stream.write(bytes(50_000_000)),
                    session.accept_stream(),
                    session.receive_datagram(),
                )
            ]
            ends = await asyncio.gather(*waiting, return_exceptions=True)
            ending = await session.wait_closed()
            for end in (*ends, ending):
                assert isinstance(end, ConnectionClosed)
                assert (end.error_code, end.reason, end.is_of_application) == (42, "enough", True)
            with pytest.raises(ConnectionClosed, match=r"application error 0x2a \(enough\)"):
                await session.open_stream()
            with pytest.raises(ConnectionClosed):
                await session.send_datagram(b"x")

    run(story)


def test_a_handler_that_fails_ends_its_own_connection(
    certs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail_once(session: Session) -> None:
        stream = await session.accept_stream()
        if await stream.read_all() == b"fail":
            raise ZeroDivisionError
        await stream.write(b"fine", end=True)

    async def story() -> None:
        async with serving(certs, fail_once) as (_, connect), connect() as good:
            async with connect() as bad:
                await (await bad.open_stream()).write(b"fail", end=True)
                assert (await bad.wait_closed()).error_code == 1, "INTERNAL_ERROR"
            stream = await good.open_stream()
            await stream.write(b"x", end=True)
            assert await stream.read_all() == b"fine", "delivered before the connection closes"
            assert (await good.wait_closed()).error_code == 0

    with caplog.at_level(logging.ERROR):
        run(story)
    assert "ZeroDivisionError" in caplog.text


def test_what_the_body_raises_comes_out_as_it_is(certs: Path) -> None:
    async def story() -> None:
        with pytest.raises(KeyError):
            async with serving(certs, idle) as (_, connect), connect():
                raise KeyError

    run(story)


def test_datagrams_cross_and_large_ones_are_refused(certs: Path) -> None:
    async def reflect(session: Session) -> None:
        while True:
            await session.send_datagram(await session.receive_datagram())

    async def story() -> None:
        async with serving(certs, reflect) as (_, connect), connect() as session:
            await session.send_datagram(bytes(session.largest_datagram))
            assert len(await session.receive_datagram()) == session.largest_datagram
            with pytest.raises(DatagramTooLarge):
                await session.send_datagram(bytes(session.largest_datagram + 1))

    run(story)


def test_keys_are_updated_one_after_the_other(certs: Path) -> None:
    async def story() -> None:
        async with serving(certs, echo) as (server, connect), connect() as session:
            await session.wait_ready()
            (there,) = server.sessions
            phases = []
            for _ in range(3):
                await session.update_keys()
                phases.append((session.statistics.key_phase, there.statistics.key_phase))
            assert phases == [(1, 1), (0, 0), (1, 1)]
            await there.update_keys()
            assert session.statistics.key_phase == 0

    run(story)


def test_statistics(certs: Path) -> None:
    async def story() -> None:
        async with serving(certs, echo) as (server, connect), connect() as session:
            stream = await session.open_stream()
            await stream.write(bytes(500_000), end=True)
            assert len(await stream.read_all()) == 500_000
            (there,) = server.sessions
            ours, theirs = session.statistics, there.statistics
            assert 0 < ours.least_rtt_s <= ours.latest_rtt_s < 5
            assert 0 < ours.smoothed_rtt_s < 5
            assert ours.bytes_sent > 500_000 < ours.bytes_received
            assert ours.bytes_received <= theirs.bytes_sent
            assert 500_000 / 16_000 < ours.packets_sent < 2000
            assert ours.packets_lost < ours.packets_sent
            assert ours.congestion_window > 10_000
            assert (ours.ecn, ours.version) == ("capable", "VERSION_1")
            assert ours.path_mtu == theirs.path_mtu == 16_000, "as loopback carries them"

    run(story)


def test_nobody_there_is_an_end_too(certs: Path) -> None:
    async def story() -> None:
        settings = client_settings(alpn=["test"], ca_file=certs / "ca.pem")
        settings.idle_timeout = 0.2
        async with asyncio.timeout(20):
            with pytest.raises(ConnectionClosed, match="Idle timeout"):
                async with connect("127.0.0.1", 9, settings):
                    pass

    run(story)


def test_a_server_that_is_not_trusted_is_an_end_too(certs: Path, tmp_path: Path) -> None:
    async def story() -> None:
        other = client_settings(alpn=["test"], ca_file=write_certificates(tmp_path) / "ca.pem")
        async with serving(certs, idle) as (server, _):
            with pytest.raises(ConnectionClosed, match="error 0x1"):
                async with connect("127.0.0.1", server.port, other):
                    pass

    run(story)
