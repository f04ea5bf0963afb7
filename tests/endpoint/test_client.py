from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from aioquic.quic.events import ConnectionTerminated
from aioquic.quic.packet import QuicErrorCode

from quicmatrix.endpoint import client as module
from quicmatrix.endpoint.client import Client, _describe, run_client
from quicmatrix.endpoint.contract import Contract, Request, Role, TestCase
from quicmatrix.endpoint.errors import EndpointError
from quicmatrix.endpoint.transport.connection import Connection
from tests.support.processes import Machine
from tests.support.quic_pair import client_configuration


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port at which nobody answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        yield udp.getsockname()[1]


def contract(machine: Machine, testcase: TestCase, port: int, *names: str) -> Contract:
    return Contract(
        Role.CLIENT,
        testcase,
        tuple(Request("127.0.0.1", port, f"/{name}", name) for name in names),
        downloads=machine.downloads,
        certs=machine.certs,
    )


def test_three_failures_are_named_and_the_others_counted(machine: Machine) -> None:
    missing = [f"missing{number}" for number in range(5)]
    asked = contract(machine, TestCase.TRANSFER, machine.port, *missing)
    wanted = r"/missing0: .*/missing2: .*; and 2 more$"
    with machine.server("transfer"), pytest.raises(EndpointError, match=wanted):
        asyncio.run(run_client(asked, Connection))


def test_a_server_without_tickets_fails_resumption(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.2)

    class Deaf(Connection):
        """As if the server sent no ticket."""

        def __init__(self, **arguments: object) -> None:
            super().__init__(**(arguments | {"session_ticket_handler": None}))  # type: ignore[arg-type]

    names = [machine.serve_file(name, 100) for name in ("a", "b")]
    with machine.server("resumption"), pytest.raises(EndpointError, match="no session ticket"):
        asyncio.run(run_client(contract(machine, TestCase.RESUMPTION, machine.port, *names), Deaf))


def test_a_server_that_is_silent_fails_version_negotiation(
    machine: Machine, nobody: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "NEGOTIATION_PATIENCE_S", 0.2)
    with pytest.raises(EndpointError, match="no Version Negotiation"):
        asyncio.run(
            run_client(contract(machine, TestCase.VERSIONNEGOTIATION, nobody, ""), Connection)
        )


def test_each_token_is_used_once(machine: Machine) -> None:
    tokens: list[bytes] = []

    class Noting(Connection):
        def __init__(self, **arguments: object) -> None:
            super().__init__(**arguments)  # type: ignore[arg-type]
            tokens.append(self._configuration.token)

    names = [machine.serve_file(name, 100) for name in ("a", "b", "c")]
    with machine.server("multiconnect"):
        asked = contract(machine, TestCase.MULTICONNECT, machine.port, *names)
        asyncio.run(run_client(asked, Noting))
    assert tokens[0] == b""
    assert len(set(tokens)) == 3, "two tokens, neither used again"


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        (ConnectionTerminated(0x100, None, ""), " with application error 0x100"),
        (
            ConnectionTerminated(QuicErrorCode.FLOW_CONTROL_ERROR, 8, "too much"),
            " with error 0x3 FLOW_CONTROL_ERROR (too much)",
        ),
        (ConnectionTerminated(0x12A, 6, ""), " with error 0x12a"),
    ],
)
def test_the_end_of_a_connection_is_described(ending: ConnectionTerminated, text: str) -> None:
    assert _describe(ending) == text


def test_a_name_without_address_is_named(certs: Path, tmp_path: Path) -> None:
    asked = Contract(
        Role.CLIENT,
        TestCase.TRANSFER,
        (Request("no.such.host.invalid", 443, "/x", "x"),),
        downloads=tmp_path,
    )
    with pytest.raises(EndpointError, match=r"no address for no\.such\.host\.invalid"):
        Client(asked, client_configuration(certs), Connection, ExitStack())
