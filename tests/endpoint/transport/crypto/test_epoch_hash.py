from __future__ import annotations

import subprocess
import sys

TABLES_OF_A_PROCESS = """
import gc
import quicmatrix.endpoint.client, quicmatrix.endpoint.server, quicmatrix.endpoint.quic
from aioquic import tls
from quicmatrix.endpoint.transport.crypto.epoch_hash import use_identity_hash

use_identity_hash()
for epoch in tls.Epoch:
    assert hash(epoch) == object.__hash__(epoch)
    assert {epoch: 1}[tls.Epoch(epoch.value)] == 1
for table in gc.get_objects():
    if type(table) in (dict, set, frozenset):
        for key in list(table):
            assert type(key) is not tls.Epoch or key in table, table
print("fine")
"""


def test_epochs_hash_as_objects_do_and_no_table_is_older() -> None:
    """Whatever has an epoch as a key finds it: else it was made before the hash was changed."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", TABLES_OF_A_PROCESS],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("fine\n", "")
