"""docs/endpoint.md: each example runs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quicmatrix.endpoint.quic import (
    Session,
    Stream,
    client_settings,
    connect,
    serve,
    server_settings,
)

PAGE = Path(__file__).parents[2] / "docs" / "endpoint.md"
PROGRAM, COPY, TOUR = re.findall(
    r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
)


@pytest.fixture(autouse=True)
def in_certs(certs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(certs)


def defined(source: str, name: str) -> Callable[..., Any]:
    names: dict[str, Any] = {"Session": Session, "Stream": Stream}
    exec(source, names)
    found = names[name]
    assert callable(found)
    return found  # type: ignore[no-any-return]


def test_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    exec(PROGRAM, {"__name__": "__main__"})
    assert capsys.readouterr().out == "b'HELLO'\n"


def test_the_functions(capsys: pytest.CaptureFixture[str]) -> None:
    copy, tour = defined(COPY, "copy"), defined(TOUR, "tour")

    async def handler(session: Session) -> None:
        await session.send_datagram(await session.receive_datagram())
        stream = await session.accept_stream()
        await copy(stream, stream)

    async def story() -> None:
        settings = server_settings(alpn=["test"], certificate_file="cert.pem", key_file="priv.key")
        async with asyncio.timeout(20), serve(handler, "127.0.0.1", 0, settings) as server:
            settings = client_settings(alpn=["test"], ca_file="ca.pem")
            async with connect("127.0.0.1", server.port, settings) as session:
                await tour(session)
                stream = await session.open_stream()
                async with asyncio.TaskGroup() as group:
                    group.create_task(stream.write(bytes(5_000_000), end=True))
                    copied = group.create_task(stream.read_all())
                assert copied.result() == bytes(5_000_000)

    asyncio.run(story())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "b'may be lost'"
    assert lines[1].startswith("('127.0.0.2', ")
    assert "key_phase=1" in lines[1]
