"""The conformance test cases: one RFC requirement each, provoked by a peer of ours.

``rfc9000/`` and its like have files by section, so that the listing reads like the RFC.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from quicmatrix.testcases.conformance.model import CONTROL, Case


def cases(wanted: str = "") -> tuple[Case, ...]:
    """All cases, controls included, in the order of their ids.

    Args:
        wanted: An id: then, if it is in a file of its section, those of that section alone, which
            load in no time.
    """
    found = tuple(sorted(_cases(_beginning(wanted)), key=lambda one: one.id))
    return found if not wanted or any(one.id == wanted for one in found) else cases()


def _beginning(wanted: str) -> str:
    """How the names of the modules begin that may have a case; empty: any."""
    if not wanted:
        return __name__
    rfc, section, *_ = (*wanted.split("/"), "")
    if rfc == CONTROL:
        return f"{__name__}.controls"
    return f"{__name__}.{rfc}.section_{section.partition('.')[0]:0>2}"


def _cases(beginning: str) -> Iterator[Case]:
    for package in (f"{__name__}.", *(f"{__name__}.{rfc}." for rfc in _rfcs())):
        path = importlib.import_module(package.rstrip(".")).__path__
        for module in pkgutil.iter_modules(path, package):
            if not module.ispkg and module.name.startswith(beginning):
                for value in vars(importlib.import_module(module.name)).values():
                    family = value if isinstance(value, tuple) else (value,)
                    yield from (one for one in family if isinstance(one, Case))


def _rfcs() -> Iterator[str]:
    return (module.name for module in pkgutil.iter_modules(__path__) if module.ispkg)
