"""An endpoint as a local command is: as a client, it does not wait for the sim.

Caught, in an image whose entry script does not wait either, by: waits until TCP port 57832 of sim
is open.
"""

import sys

from quicmatrix.endpoint.entry import main

if __name__ == "__main__":
    sys.exit(main())
