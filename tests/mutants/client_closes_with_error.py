"""A client that has all files and closes the connection with an error all the same.

Caught in ``transfer`` by: a side closes the connection, with code 0; a SHOULD, so --strict.
"""

import sys

from quicmatrix.endpoint.entry import main
from quicmatrix.endpoint.transport.connection import Connection


class Mutant(Connection):
    def close(
        self,
        error_code: int = 0,
        frame_type: int | None = None,
        reason_phrase: str = "",
    ) -> None:
        super().close(0x2A, frame_type, reason_phrase)


if __name__ == "__main__":
    sys.exit(main(connection=Mutant))
