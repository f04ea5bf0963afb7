"""The key log and the qlog folder of one run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from quicmatrix.endpoint.contract import Contract
from quicmatrix.endpoint.errors import EndpointError

if TYPE_CHECKING:
    from quicmatrix.endpoint.transport.qlog import FolderLogger


@dataclass(frozen=True, slots=True)
class Logs:
    """What is logged, in aioquic's terms."""

    key_log: TextIO | None
    """aioquic flushes it after each secret."""
    qlog: FolderLogger | None


@contextmanager
def open_logs(contract: Contract) -> Iterator[Logs]:
    """Open them; leaving completes whatever is in them.

    Raises:
        EndpointError: One of them cannot be written.
    """
    with ExitStack() as stack:
        key_log, qlog = None, None
        if contract.key_log is not None:
            try:
                contract.key_log.parent.mkdir(parents=True, exist_ok=True)
                key_log = stack.enter_context(contract.key_log.open("a", encoding="ascii"))
            except OSError as error:
                raise EndpointError(
                    f"SSLKEYLOGFILE: {contract.key_log}: {error.strerror}"
                ) from None
        if contract.qlog_folder is not None:
            from quicmatrix.endpoint.transport.qlog import FolderLogger  # noqa: PLC0415 - only if needed

            try:
                contract.qlog_folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise EndpointError(f"QLOGDIR: {contract.qlog_folder}: {error.strerror}") from None
            qlog = FolderLogger(contract.qlog_folder)
            stack.callback(qlog.close)
        yield Logs(key_log, qlog)
