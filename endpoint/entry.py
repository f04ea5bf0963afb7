"""Runs the role that the environment asks for, and returns the exit code.

Exit codes: 0 all is done, 1 something failed (also: ROLE or another variable is wrong), 127 the
test case is not supported. What went wrong is one line on standard error. Heavy imports happen
only once it is known that they are needed: an unsupported test case is refused in milliseconds.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from quicmatrix.endpoint.contract import (
    Contract,
    ContractError,
    Role,
    UnsupportedTestCase,
    read_contract,
)
from quicmatrix.endpoint.errors import EndpointError

if TYPE_CHECKING:
    from quicmatrix.endpoint.transport.connection import Connection

DONE = 0
FAILED = 1
UNSUPPORTED = 127


def main(
    environment: Mapping[str, str] | None = None,
    parameters: Sequence[str] | None = None,
    connection: type[Connection] | None = None,
) -> int:
    """Run the client or server that the environment asks for to its end; return the exit code.

    Args:
        environment: In place of ``os.environ``.
        parameters: In place of the command line's arguments.
        connection: In place of our :class:`~quicmatrix.endpoint.transport.connection.Connection`.
    """
    try:
        contract = read_contract(
            os.environ if environment is None else environment,
            sys.argv[1:] if parameters is None else parameters,
        )
        asyncio.run(_run(contract, connection))
    except UnsupportedTestCase as error:
        _print_error(error)
        return UNSUPPORTED
    except (ContractError, EndpointError) as error:
        _print_error(error)
        return FAILED
    return DONE


async def _run(contract: Contract, connection: type[Connection] | None) -> None:
    if contract.role is Role.CLIENT:
        from quicmatrix.endpoint.client import run_client as run  # noqa: PLC0415 - heavy
    else:
        from quicmatrix.endpoint.server import run_server as run  # noqa: PLC0415 - heavy
    from quicmatrix.endpoint.transport.connection import Connection  # noqa: PLC0415 - heavy
    from quicmatrix.endpoint.transport.crypto.epoch_hash import use_identity_hash  # noqa: PLC0415 - loads aioquic

    use_identity_hash()  # this process is ours, and has no connection yet
    await run(contract, connection or Connection)


def _print_error(error: Exception) -> None:
    print(f"endpoint: {error}", file=sys.stderr)  # noqa: T201 - the contract's only channel
