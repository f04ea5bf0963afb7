from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from quicmatrix.endpoint.contract import Contract, Role, TestCase
from quicmatrix.endpoint.errors import EndpointError
from quicmatrix.endpoint.server import preferred_port, run_server
from quicmatrix.endpoint.transport.connection import Connection
from tests.support.certificates import write_certificates
from tests.support.processes import free_port


def contract(folder: Path, port: int) -> Contract:
    write_certificates(folder / "certs")
    (folder / "www").mkdir(exist_ok=True)
    return Contract(
        Role.SERVER,
        TestCase.HANDSHAKE,
        www=folder / "www",
        certs=folder / "certs",
        host="127.0.0.1",
        port=port,
    )


@pytest.mark.parametrize(("port", "preferred"), [(443, 4443), (61535, 65535), (61536, 61535)])
def test_the_preferred_port_is_another_one_that_exists(port: int, preferred: int) -> None:
    assert preferred_port(port) == preferred
    assert 0 < preferred < 1 << 16


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_frees_the_port(tmp_path: Path, number: signal.Signals) -> None:
    port = free_port()

    async def story() -> None:
        async with asyncio.timeout(10):
            server = asyncio.ensure_future(run_server(contract(tmp_path, port), Connection))
            await asyncio.sleep(0)  # it waits for nothing until it serves
            assert _is_taken(port)
            os.kill(os.getpid(), number)
            await server

    asyncio.run(story())
    assert not _is_taken(port)


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        port = udp.getsockname()[1]
        with pytest.raises(EndpointError, match=f"cannot listen on host=127.0.0.1 port={port}: "):
            asyncio.run(run_server(contract(tmp_path, port), Connection))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    asked = contract(tmp_path, free_port())
    (tmp_path / "www").rmdir()
    with pytest.raises(EndpointError, match="cannot serve"):
        asyncio.run(run_server(asked, Connection))


def _is_taken(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        try:
            udp.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False
