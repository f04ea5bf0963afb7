"""A faster hash for aioquic's encryption levels.

aioquic looks up keys, packet number spaces and permitted frames by ``tls.Epoch``, some eleven
times for each packet. An Enum hashes its name, in Python; members are singletons and compare by
identity, so the hash that every object has does as well, and takes an eighth off a receiver's CPU.

Dictionaries with epochs as keys that were made before the change no longer work. Only connections
have such dictionaries, here and in aioquic, which the tests check. So the owner of the process
calls this before the first connection: ``python -m quicmatrix.endpoint`` does, importing does not.
"""

from __future__ import annotations

from aioquic import tls


def use_identity_hash() -> None:
    """Hash epochs by identity from now on; to be called before there is a connection."""
    tls.Epoch.__hash__ = object.__hash__  # type: ignore[method-assign]
