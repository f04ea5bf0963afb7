"""A server that changes one bit of each file.

Caught in every test case by: the files in /downloads are those in /www.
"""

import sys

from quicmatrix.endpoint.entry import main
from quicmatrix.endpoint.transport.connection import Connection


class Mutant(Connection):
    def send_stream_data(self, stream_id: int, data: bytes, end_stream: bool = False) -> None:
        if end_stream and data:
            data = data[:-1] + bytes([data[-1] ^ 1])
        super().send_stream_data(stream_id, data, end_stream)


if __name__ == "__main__":
    sys.exit(main(connection=Mutant))
