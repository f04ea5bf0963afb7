from __future__ import annotations

import gc

from aioquic import tls

import endpoint.transport.connection  # noqa: F401 - which is where the hash is changed
from endpoint.transport.epochs import use_identity_hash


def test_epochs_hash_as_objects_do() -> None:
    use_identity_hash()
    for epoch in tls.Epoch:
        assert hash(epoch) == object.__hash__(epoch)
        assert {epoch: 1}[tls.Epoch(epoch.value)] == 1


def test_no_table_is_older_than_the_hash() -> None:
    """Whatever has an epoch as a key finds it: else it was made before the hash was changed."""
    for table in gc.get_objects():
        if type(table) in (dict, set, frozenset):
            keys = [key for key in table if type(key) is tls.Epoch]
            assert all(key in table for key in keys)
