"""The conformance test cases: one RFC requirement each, provoked by a peer of ours.

``rfc9000/`` and its like have one file a section, so that the listing reads like the RFC.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from quicmatrix.testcases.conformance.model import Case


def _cases() -> Iterator[Case]:
    for module in pkgutil.walk_packages(__path__, f"{__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            family = value if isinstance(value, tuple) else (value,)
            yield from (one for one in family if isinstance(one, Case))


CASES: tuple[Case, ...] = tuple(sorted(_cases(), key=lambda one: one.id))
"""All of them; two with the same id are a mistake that a test finds."""
