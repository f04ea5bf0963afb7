from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.endpoint.contract import (
    Contract,
    ContractError,
    Request,
    Role,
    TestCase,
    UnsupportedTestCase,
    read_contract,
)

CLIENT = {"ROLE": "client", "TESTCASE": "handshake", "REQUESTS": "https://server4:443/a"}
SERVER = {"ROLE": "server", "TESTCASE": "retry"}


def test_a_client_is_told_all_by_its_environment() -> None:
    contract = read_contract(
        {
            "ROLE": "client",
            "TESTCASE": "zerortt",
            "REQUESTS": "https://server46:443/x https://server46/dir/y?q=1",
            "SSLKEYLOGFILE": "/logs/keys.log",
            "QLOGDIR": "/logs/qlog/",
            "CLIENT_PARAMS": "downloads=/a certs=/b",
            "SERVER_PARAMS": "nonsense",
        },
        ["certs=/c"],
    )
    assert contract == Contract(
        role=Role.CLIENT,
        testcase=TestCase.ZERORTT,
        requests=(
            Request("server46", 443, "/x", "x"),
            Request("server46", 443, "/dir/y?q=1", "y"),
        ),
        key_log=Path("/logs/keys.log"),
        qlog_folder=Path("/logs/qlog"),
        downloads=Path("/a"),
        certs=Path("/c"),
    )


def test_a_server_needs_no_requests() -> None:
    contract = read_contract(SERVER)
    assert contract == Contract(role=Role.SERVER, testcase=TestCase.RETRY)
    assert (contract.www, contract.host, contract.port) == (Path("/www"), "::", 443)


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://server4:443/a", "server4"),
        ("https://server4:4433/a", "server4:4433"),
        ("https://[::1]/a", "[::1]"),
        ("https://[::1]:5/a", "[::1]:5"),
    ],
)
def test_a_request_knows_its_authority(url: str, authority: str) -> None:
    (request,) = read_contract({**CLIENT, "REQUESTS": url}).requests
    assert request.authority == authority
    assert str(request) == f"https://{authority}/a"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "ROLE is ''"),
        ({**CLIENT, "ROLE": "Client"}, "ROLE is 'Client'"),
        ({**CLIENT, "REQUESTS": " "}, "REQUESTS is empty"),
        ({**CLIENT, "REQUESTS": "http://a/b"}, "REQUESTS: 'http://a/b' is no https URL"),
        ({**CLIENT, "REQUESTS": "https:///b"}, "REQUESTS: 'https:///b'"),
        ({**CLIENT, "REQUESTS": "https://a:b/c"}, "REQUESTS: 'https://a:b/c' is no URL"),
        ({**CLIENT, "REQUESTS": "https://[a/c"}, "REQUESTS: 'https://[a/c' is no URL"),
        ({**CLIENT, "REQUESTS": "https://a/"}, "does not end in the name of a file"),
        ({**CLIENT, "REQUESTS": "https://a"}, "does not end in the name of a file"),
        ({**CLIENT, "REQUESTS": "https://a/b/.."}, "does not end in the name of a file"),
        ({**CLIENT, "REQUESTS": "https://a/" + "b" * 256}, "does not end in the name of a file"),
        ({**CLIENT, "REQUESTS": "https://a/x https://b/y"}, "on different servers"),
        ({**CLIENT, "REQUESTS": "https://a/x https://a/y/x"}, "two files have the name 'x'"),
        ({**CLIENT, "CLIENT_PARAMS": "ports=1"}, "CLIENT_PARAMS: 'ports=1' is no parameter"),
        ({**SERVER, "SERVER_PARAMS": "port"}, "SERVER_PARAMS: 'port' is no parameter"),
        ({**SERVER, "SERVER_PARAMS": "port=0"}, "port is '0'"),
        ({**SERVER, "SERVER_PARAMS": "port=65536"}, "port is '65536'"),
        ({**SERVER, "SERVER_PARAMS": "port=\u0664"}, "must be a number"),
    ],
)
def test_what_is_wrong_is_named(environment: dict[str, str], message: str) -> None:
    with pytest.raises(ContractError) as raised:
        read_contract(environment)
    assert message in str(raised.value)
    assert not isinstance(raised.value, UnsupportedTestCase)


@pytest.mark.parametrize("testcase", ["", "Handshake", "ecn2", "blackhole", "rqzpt"])
def test_an_unknown_test_case_is_unsupported_whatever_else_is_wrong(testcase: str) -> None:
    with pytest.raises(UnsupportedTestCase):
        read_contract({"ROLE": "client", "TESTCASE": testcase})


@given(st.text())
def test_any_text_is_requests_or_an_error(text: str) -> None:
    try:
        contract = read_contract({**CLIENT, "REQUESTS": text})
    except ContractError:
        return
    for request in contract.requests:
        assert request.file_name not in ("", ".", "..")
        assert "/" not in request.file_name
