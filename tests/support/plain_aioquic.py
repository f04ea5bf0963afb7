"""Plain aioquic, with its own connections and sockets, as an implementation: both roles.

``python -P -m tests.support.plain_aioquic`` does what the environment asks for. Only the contract
and the files are ours (quicmatrix.endpoint.contract, files, logs); whatever is in a packet is
aioquic's.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent, StreamDataReceived, StreamReset
from aioquic.quic.packet import QuicProtocolVersion
from aioquic.tls import CipherSuite, SessionTicket

from quicmatrix.endpoint.contract import (
    Contract,
    ContractError,
    Request,
    Role,
    TestCase,
    UnsupportedTestCase,
    read_contract,
)
from quicmatrix.endpoint.errors import EndpointError
from quicmatrix.endpoint.files import Downloads, WebRoot
from quicmatrix.endpoint.logs import Logs, open_logs
from quicmatrix.endpoint.tickets import TicketStore

HQ = "hq-interop"
SUPPORTED = frozenset(TestCase) - {
    TestCase.VERSIONNEGOTIATION,
    TestCase.ECN,
    TestCase.CONNECTIONMIGRATION,
}
PATIENCE_S = 5.0


def settings(contract: Contract, logs: Logs) -> QuicConfiguration:
    """aioquic's defaults, but for what a test case asks."""
    testcase, is_client = contract.testcase, contract.role is Role.CLIENT
    chosen = QuicConfiguration(
        is_client=is_client,
        alpn_protocols=["h3" if testcase is TestCase.HTTP3 else HQ],
        secrets_log_file=logs.key_log,
        supported_versions=[QuicProtocolVersion.VERSION_1],
    )
    if testcase is TestCase.V2:
        chosen.supported_versions = [QuicProtocolVersion.VERSION_2, QuicProtocolVersion.VERSION_1]
        chosen.original_version = QuicProtocolVersion.VERSION_1 if is_client else None
    if testcase is TestCase.CHACHA20:
        chosen.cipher_suites = [CipherSuite.CHACHA20_POLY1305_SHA256]
    if is_client:
        chosen.load_verify_locations(cafile=str(contract.certs / "ca.pem"))
        chosen.server_name = contract.requests[0].host
    else:
        chosen.load_cert_chain(contract.certs / "cert.pem", contract.certs / "priv.key")
    return chosen


class Client(QuicConnectionProtocol):
    """Requests files and writes the answers."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._http: H3Connection | None = None
        self._files: dict[int, BinaryIO] = {}
        self._done = asyncio.Event()
        self.is_complete = True

    async def fetch(self, requests: Iterable[Request], downloads: Downloads) -> None:
        """Request them, and wait for the answers or the connection's end."""
        if self._quic.configuration.alpn_protocols == ["h3"]:
            self._http = H3Connection(self._quic)
        for request in requests:
            stream_id = self._quic.get_next_available_stream_id()
            self._files[stream_id] = downloads.create(request.file_name)
            if self._http is None:
                line = f"GET {request.path}\r\n".encode()
                self._quic.send_stream_data(stream_id, line, end_stream=True)
            else:
                fields = [
                    (b":method", b"GET"),
                    (b":scheme", b"https"),
                    (b":authority", request.authority.encode()),
                    (b":path", request.path.encode()),
                ]
                self._http.send_headers(stream_id, fields, end_stream=True)
        self.transmit()
        waits = {asyncio.create_task(self._done.wait()), asyncio.create_task(self.wait_closed())}
        _, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        self.is_complete = self.is_complete and not self._files

    def quic_event_received(self, event: QuicEvent) -> None:
        """Write what came, and note the end of each answer."""
        if isinstance(event, StreamReset):
            self.is_complete = False
            self._answered(event.stream_id, b"", end=True)
        if self._http is not None:
            for one in self._http.handle_event(event):
                if isinstance(one, DataReceived | HeadersReceived):
                    data = one.data if isinstance(one, DataReceived) else b""
                    self._answered(one.stream_id, data, end=one.stream_ended)
        elif isinstance(event, StreamDataReceived):
            self._answered(event.stream_id, event.data, end=event.end_stream)

    def _answered(self, stream_id: int, data: bytes, *, end: bool) -> None:
        file = self._files.get(stream_id)
        if file is None:
            return
        file.write(data)
        if end:
            self._files.pop(stream_id).close()
        if not self._files:
            self._done.set()


async def run_client(contract: Contract) -> None:
    """Download all requested files.

    Raises:
        EndpointError: One of them is not complete.
    """
    requests, downloads = contract.requests, Downloads(contract.downloads)
    with open_logs(contract) as logs:
        tickets: list[SessionTicket] = []
        chosen = settings(contract, logs)
        match contract.testcase:
            case TestCase.RESUMPTION | TestCase.ZERORTT:
                await _fetch(contract, chosen, requests[:1], downloads, tickets, wants_ticket=True)
                chosen.session_ticket = tickets[-1]
                if contract.testcase is TestCase.RESUMPTION:
                    chosen.session_ticket.max_early_data_size = None
                await _fetch(contract, chosen, requests[1:], downloads, tickets)
            case TestCase.MULTICONNECT:
                for request in requests:
                    await _fetch(contract, chosen, [request], downloads, tickets)
            case _:
                await _fetch(contract, chosen, requests, downloads, tickets)


async def _fetch(
    contract: Contract,
    chosen: QuicConfiguration,
    requests: Sequence[Request],
    downloads: Downloads,
    tickets: list[SessionTicket],
    *,
    wants_ticket: bool = False,
) -> None:
    arrived = asyncio.Event()

    def take(ticket: SessionTicket) -> None:
        tickets.append(ticket)
        arrived.set()

    host, port = requests[0].host, requests[0].port
    try:
        async with connect(
            host,
            port,
            configuration=chosen,
            create_protocol=Client,
            session_ticket_handler=take,
            wait_connected=chosen.session_ticket is None,
        ) as client:
            assert isinstance(client, Client)
            if contract.testcase is TestCase.KEYUPDATE:
                await client.ping()
                client.request_key_update()
            if chosen.session_ticket is not None:
                client.transmit()
            await client.fetch(requests, downloads)
            if wants_ticket and client.is_complete:
                async with asyncio.timeout(PATIENCE_S):
                    await arrived.wait()
    except (ConnectionError, TimeoutError) as error:
        raise EndpointError(f"no connection: {error!r}") from None
    if not client.is_complete:
        raise EndpointError("a file is incomplete")


@dataclass
class _Lines:
    """Requests of HTTP/0.9 that are not complete, and the streams that are answered."""

    parts: dict[int, bytes] = field(default_factory=dict)
    answered: set[int] = field(default_factory=set)


class Server(QuicConnectionProtocol):
    """Serves files."""

    def __init__(self, *arguments: Any, root: WebRoot, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._root = root
        self._lines = _Lines()
        self._paths: dict[int, bytes] = {}
        is_http3 = self._quic.configuration.alpn_protocols == ["h3"]
        self._is_http3 = is_http3
        self._http: H3Connection | None = None

    def quic_event_received(self, event: QuicEvent) -> None:
        """Answer requests that are complete."""
        if self._is_http3:
            if self._http is None:
                self._http = H3Connection(self._quic)
            for one in self._http.handle_event(event):
                if isinstance(one, HeadersReceived):
                    path = dict(one.headers).get(b":path")
                    if path is not None:
                        self._paths[one.stream_id] = path
                if isinstance(one, HeadersReceived | DataReceived) and one.stream_ended:
                    self._answer_http3(one.stream_id, self._paths.pop(one.stream_id, b""))
        elif isinstance(event, StreamDataReceived) and event.stream_id % 4 == 0:
            self._line_received(event.stream_id, event.data, end=event.end_stream)

    def _line_received(self, stream_id: int, data: bytes, *, end: bool) -> None:
        lines = self._lines
        if stream_id in lines.answered:
            return
        line = lines.parts.pop(stream_id, b"") + data
        if not end and b"\n" not in line:
            lines.parts[stream_id] = line
            return
        lines.answered.add(stream_id)
        content = self._content(line.strip().removeprefix(b"GET "))
        if content is None:
            self._quic.reset_stream(stream_id, 1)
        else:
            self._quic.send_stream_data(stream_id, content, end_stream=True)

    def _answer_http3(self, stream_id: int, path: bytes) -> None:
        assert self._http is not None
        content = self._content(path)
        if content is None:
            self._http.send_headers(stream_id, [(b":status", b"404")], end_stream=True)
        else:
            length = str(len(content)).encode()
            fields = [(b":status", b"200"), (b"content-length", length)]
            self._http.send_headers(stream_id, fields)
            self._http.send_data(stream_id, content, end_stream=True)

    def _content(self, path: bytes) -> bytes | None:
        file = self._root.open(path.decode("utf-8", "surrogateescape"))
        if file is None:
            return None
        with file.content as content:
            return content.read()


async def run_server(contract: Contract) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    tickets = TicketStore()
    with open_logs(contract) as logs:
        server = await serve(
            contract.host,
            contract.port,
            configuration=settings(contract, logs),
            create_protocol=functools.partial(Server, root=WebRoot(contract.www)),
            session_ticket_fetcher=tickets.take,
            session_ticket_handler=tickets.add,
            retry=contract.testcase is TestCase.RETRY,
        )
        await stopped.wait()
        server.close()


def main() -> int:
    """Do what the environment asks for; return the exit code."""
    try:
        contract = _contract()
        asyncio.run(run_client(contract) if contract.role is Role.CLIENT else run_server(contract))
    except (ContractError, EndpointError) as error:
        print(f"aioquic: {error}", file=sys.stderr)  # noqa: T201 - the contract's only channel
        return 127 if isinstance(error, UnsupportedTestCase) else 1
    return 0


def _contract() -> Contract:
    contract = read_contract(os.environ, sys.argv[1:])
    if contract.testcase not in SUPPORTED:
        raise UnsupportedTestCase(f"TESTCASE {contract.testcase} is not supported")
    return contract


if __name__ == "__main__":
    sys.exit(main())
