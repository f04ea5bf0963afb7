"""The JSON files of a bundle: attempt.json, verdict.json and series.json.

msgspec reads them back into the values that they were made of, and so validates them. Files appear
as a whole or not at all.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

import msgspec

from quicmatrix.runner.bundle.layout import ATTEMPT_FILE, SERIES_FILE, VERDICT_FILE
from quicmatrix.runner.bundle.regular_file import open_regular
from quicmatrix.runner.errors import UserError
from quicmatrix.runner.model.attempt import FORMAT, AttemptRecord
from quicmatrix.runner.model.measurement import TimeSeries
from quicmatrix.runner.model.verdict import VERDICT_FORMAT, Judgement

T = TypeVar("T")
_MAX_BYTES = 1 << 30


def write_attempt(record: AttemptRecord, bundle: Path) -> None:
    """Write attempt.json."""
    write_file(bundle / ATTEMPT_FILE, msgspec.json.format(msgspec.json.encode(record), indent=1))


def read_attempt(bundle: Path) -> AttemptRecord:
    """Read attempt.json.

    Raises:
        UserError: It is missing, damaged, or of a version that we do not know.
    """
    record = read_json(bundle / ATTEMPT_FILE, AttemptRecord)
    check_format(bundle / ATTEMPT_FILE, record.format, FORMAT)
    return record


def write_judgement(judgement: Judgement, bundle: Path) -> None:
    """Write verdict.json."""
    data = msgspec.json.format(msgspec.json.encode(judgement), indent=1)
    write_file(bundle / VERDICT_FILE, data)


def read_judgement(bundle: Path) -> Judgement:
    """Read verdict.json.

    Raises:
        UserError: It is missing, damaged, or of a version that we do not know.
    """
    judgement = read_json(bundle / VERDICT_FILE, Judgement)
    check_format(bundle / VERDICT_FILE, judgement.format, VERDICT_FORMAT)
    return judgement


def write_series(series: TimeSeries, bundle: Path) -> None:
    """Write series.json."""
    write_file(bundle / SERIES_FILE, msgspec.json.encode(series) + b"\n")


def read_series(bundle: Path) -> TimeSeries | None:
    """Read series.json; None if there is none.

    Raises:
        UserError: It is damaged.
    """
    path = bundle / SERIES_FILE
    return read_json(path, TimeSeries) if path.is_file() else None


def write_file(path: Path, data: bytes) -> None:
    """Write a file so that it is either there as a whole or as it was before.

    Raises:
        UserError: It cannot be written, e.g. as the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror}",
            "make room; what was stored before is not lost: `quicmatrix judge DIR` reads it",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def read_json(path: Path, type_: type[T]) -> T:
    """Read a JSON file into a value.

    Raises:
        UserError: It is missing or damaged.
    """
    try:
        with open_regular(path, _MAX_BYTES) as file:
            return msgspec.json.decode(file.read(), type=type_)
    except OSError as error:
        raise UserError(
            f"{path}: {error.strerror}", "the folder of a run, or of one bundle in it, is expected"
        ) from error
    except msgspec.DecodeError as error:
        raise UserError(f"{path}: {error}", "it is damaged, or no quicmatrix wrote it") from error


def check_format(path: Path, found: int, known: int) -> None:
    """See to it that a file is of the version that we know.

    Raises:
        UserError: It is of another.
    """
    if found != known:
        raise UserError(f"{path}: format {found} is not {known}", "another quicmatrix wrote it")
