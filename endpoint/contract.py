"""The endpoint contract of the interop suite: what the environment asks for, as frozen values.

====================  ===========================================================================
ROLE                  ``client`` or ``server``
TESTCASE              a :class:`TestCase`; anything else is unsupported: exit code 127
REQUESTS              client: ``https`` URLs, separated by spaces
SSLKEYLOGFILE         where TLS secrets go; unset: nowhere
QLOGDIR               the folder that one qlog file per connection goes to; unset: nowhere
CLIENT_PARAMS and     parameters, of which only the role's own are read; parameters on the
SERVER_PARAMS         command line are added to them, and win
====================  ===========================================================================

A parameter is a word ``name=value``:

=============  ==============  ==================================================================
www            ``/www``        server: the folder that is served
downloads      ``/downloads``  client: the folder that files are written to
certs          ``/certs``      cert.pem and priv.key for the server, ca.pem for the client
migrate        none            client: an address of ours to which each connection moves, once
                               its handshake is confirmed (RFC 9000, 9.2)
host           ``::``          server: the address to listen on; ``::`` takes IPv4 as well
port           ``443``         server: the UDP port
=============  ==============  ==================================================================
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

DEFAULT_PORT = 443
LONGEST_FILE_NAME = 255


class Role(StrEnum):
    """The endpoint's role in a connection."""

    CLIENT = "client"
    SERVER = "server"


class TestCase(StrEnum):
    """The test cases that this endpoint supports, in both roles."""

    __test__ = False  # pytest: no tests in here

    HANDSHAKE = "handshake"
    TRANSFER = "transfer"
    CHACHA20 = "chacha20"
    KEYUPDATE = "keyupdate"
    RETRY = "retry"
    RESUMPTION = "resumption"
    ZERORTT = "zerortt"
    HTTP3 = "http3"
    MULTICONNECT = "multiconnect"
    V2 = "v2"
    VERSIONNEGOTIATION = "versionnegotiation"
    ECN = "ecn"
    CONNECTIONMIGRATION = "connectionmigration"


class ContractError(Exception):
    """The environment violates the contract; the message names the variable."""


class UnsupportedTestCase(ContractError):  # noqa: N818 - it is an answer, not an error
    """The test case is not supported: exit code 127."""


@dataclass(frozen=True, slots=True)
class Request:
    """One URL to download."""

    host: str
    """A name or an address, without brackets."""
    port: int
    path: str
    """The path with its query, beginning with a slash."""
    file_name: str
    """The path's last component: the file in /downloads. Empty if nothing is to be downloaded."""

    @property
    def authority(self) -> str:
        """RFC 9114, 4.3.1: the host as in a URL, with the port if it is not the default one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORT else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"https://{self.authority}{self.path}"


@dataclass(frozen=True, slots=True)
class Contract:
    """The parsed environment of one run."""

    role: Role
    testcase: TestCase
    requests: tuple[Request, ...] = ()
    """Never empty for a client; all of the same host and port, with different file names."""
    key_log: Path | None = None
    qlog_folder: Path | None = None
    www: Path = Path("/www")
    downloads: Path = Path("/downloads")
    certs: Path = Path("/certs")
    migrate: str | None = None
    """A numeric address."""
    host: str = "::"
    port: int = DEFAULT_PORT


def read_contract(environment: Mapping[str, str], parameters: Sequence[str] = ()) -> Contract:
    """Parse the environment and the command line's parameters.

    Raises:
        UnsupportedTestCase: TESTCASE is not one of ours.
        ContractError: Anything else is wrong.
    """
    role = _role(environment.get("ROLE", ""))
    testcase = _testcase(environment.get("TESTCASE", ""))
    variable = f"{role.upper()}_PARAMS"
    given = _parameters(environment.get(variable, "").split(), variable)
    given |= _parameters(parameters, "command line")
    return Contract(
        role=role,
        testcase=testcase,
        requests=(
            _requests(environment.get("REQUESTS", ""), testcase) if role is Role.CLIENT else ()
        ),
        key_log=_optional_path(environment.get("SSLKEYLOGFILE", "")),
        qlog_folder=_optional_path(environment.get("QLOGDIR", "")),
        www=Path(given.get("www", "/www")),
        downloads=Path(given.get("downloads", "/downloads")),
        certs=Path(given.get("certs", "/certs")),
        migrate=_address(given.get("migrate")),
        host=given.get("host", "::"),
        port=_port(given.get("port", str(DEFAULT_PORT))),
    )


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        raise ContractError(f"ROLE is {text!r}, but must be client or server") from None


def _testcase(text: str) -> TestCase:
    try:
        return TestCase(text)
    except ValueError:
        raise UnsupportedTestCase(f"TESTCASE {text!r} is not supported") from None


def _parameters(words: Sequence[str], origin: str) -> dict[str, str]:
    known = ("www", "downloads", "certs", "migrate", "host", "port")
    given = {}
    for word in words:
        name, equals, value = word.partition("=")
        if name not in known or not equals or not value:
            names = ", ".join(known)
            raise ContractError(
                f"{origin}: {word!r} is no parameter; write name=value, with one of {names}"
            )
        given[name] = value
    return given


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= 0xFFFF):
        raise ContractError(f"parameter port is {text!r}, but must be a number from 1 to 65535")
    return int(text)


def _address(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        raise ContractError(f"parameter migrate is {text!r}, but must be an address") from None
    return text


def _optional_path(text: str) -> Path | None:
    return Path(text) if text else None


def _requests(text: str, testcase: TestCase) -> tuple[Request, ...]:
    needs_file = testcase is not TestCase.VERSIONNEGOTIATION
    requests = tuple(_request(url, needs_file=needs_file) for url in text.split())
    if not requests:
        raise ContractError("REQUESTS is empty, but a client needs at least one URL")
    first = requests[0]
    names = set()
    for request in requests:
        if (request.host, request.port) != (first.host, first.port):
            raise ContractError(f"REQUESTS: {request} and {first} are on different servers")
        if request.file_name in names:
            raise ContractError(f"REQUESTS: two files have the name {request.file_name!r}")
        names.add(request.file_name)
    return requests


def _request(url: str, *, needs_file: bool) -> Request:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ContractError(f"REQUESTS: {url!r} is no URL: {error}") from None
    if parts.scheme != "https" or not host:
        raise ContractError(f"REQUESTS: {url!r} is no https URL with a host")
    name = parts.path.rpartition("/")[2]
    if needs_file and not _is_file_name(name):
        raise ContractError(f"REQUESTS: {url!r} does not end in the name of a file")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Request(host, DEFAULT_PORT if port is None else port, path, name)


def _is_file_name(name: str) -> bool:
    fits = len(name.encode()) <= LONGEST_FILE_NAME
    return fits and name not in ("", ".", "..") and "\0" not in name
