"""A client that waits for the sim by itself, as an image's entry script does: a good one."""

import os
import socket
import sys
import time

from quicmatrix.endpoint.entry import main


def wait_for_the_sim() -> None:
    for _ in range(300):
        try:
            socket.create_connection(("sim", 57832), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    if os.environ["ROLE"] == "client":
        wait_for_the_sim()
    sys.exit(main())
