"""The reference endpoint with one saboteur: ``python -P -m tests.support.saboteur CASE-ID``."""

from __future__ import annotations

import os
import sys

from quicmatrix.endpoint import entry
from quicmatrix.endpoint.contract import ContractError, read_contract


def main() -> int:
    """Do what the environment asks for; return the exit code."""
    case, *parameters = sys.argv[1:]
    try:
        read_contract(os.environ, parameters)
    except ContractError:  # which is said without loading anything
        return entry.main(parameters=parameters)
    from quicmatrix.endpoint.transport.connection import Connection  # noqa: PLC0415 - heavy
    from tests.support.saboteurs import SABOTEURS  # noqa: PLC0415 - heavy

    return entry.main(parameters=parameters, connection=SABOTEURS[case](Connection))


if __name__ == "__main__":
    sys.exit(main())
