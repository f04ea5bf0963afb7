"""Our client, driven by a script of the tester over loopback."""

from __future__ import annotations

import asyncio
import io
import socket
from pathlib import Path

import pytest
from aioquic._buffer import Buffer

from quicmatrix.endpoint.client import run_client
from quicmatrix.endpoint.contract import read_contract
from quicmatrix.endpoint.errors import EndpointError
from quicmatrix.endpoint.tester import http3
from quicmatrix.endpoint.tester import tester as testers
from quicmatrix.endpoint.tester.configuration import Settings
from quicmatrix.endpoint.tester.frames import FrameType
from quicmatrix.endpoint.tester.steps import Steps
from quicmatrix.endpoint.tester.streams import Rest
from quicmatrix.endpoint.transport.connection import Connection

H3_MESSAGE_ERROR = 0x10E


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def stop_sending_codes(certs: Path, folder: Path) -> list[int]:
    """What a client says of an answer without :status, before it closes the connection."""
    port = free_port()
    (folder / "www").mkdir()
    (folder / "downloads").mkdir()
    (folder / "www" / "file").write_bytes(b"content")
    serving = read_contract(
        {"ROLE": "server", "TESTCASE": "http3"},
        [f"port={port}", f"www={folder / 'www'}", f"certs={certs}"],
    )
    asking = read_contract(
        {
            "ROLE": "client",
            "TESTCASE": "http3",
            "REQUESTS": f"https://localhost:{port}/file",
        },
        [f"certs={certs}", f"downloads={folder / 'downloads'}"],
    )
    tester = testers.Tester(serving, Settings("h3", (1,)), Steps(io.StringIO()), None)

    async def script() -> None:
        peer = await tester.connected()
        peer.message_stimulus(http3.headers([(b"x-name", b"value")]), rest=Rest.CONTENT)
        await tester.finish()

    try:
        with pytest.raises(EndpointError, match="a malformed answer"):
            await asyncio.gather(script(), run_client(asking, Connection))
        await tester.until(lambda: tester.peers[0].is_over, "the end")
        stops = tester.peers[0].connection.received(FrameType.STOP_SENDING)
    finally:
        tester.close()
    buffers = [Buffer(data=stop.content) for stop in stops]
    return [(buffer.pull_uint_var(), buffer.pull_uint_var())[1] for buffer in buffers]


def test_errors_of_streams_go_before_the_end_of_the_connection(certs: Path, tmp_path: Path) -> None:
    codes = asyncio.run(stop_sending_codes(certs, tmp_path))
    assert codes == [H3_MESSAGE_ERROR]
