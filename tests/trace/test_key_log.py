from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile

from hypothesis import given
from hypothesis import strategies as st

from quicmatrix.runner.bundle.capture import decryption_secrets
from quicmatrix.runner.trace.key_log import embedded_secrets, parse_key_log
from tests.support.pcapng_writer import pcapng

RANDOM, SECRET = "0a" * 32, "0b" * 32
LINE = f"CLIENT_TRAFFIC_SECRET_0 {RANDOM} {SECRET}\n"
EXPECTED = {bytes.fromhex(RANDOM): {"CLIENT_TRAFFIC_SECRET_0": [bytes.fromhex(SECRET)]}}


def test_lines_that_are_no_secrets_are_skipped() -> None:
    text = (
        f"# comment\n\nCLIENT_RANDOM zz {SECRET}\none two\n{LINE}SERVER_TRAFFIC_SECRET_0 {RANDOM}"
    )
    assert parse_key_log(text) == EXPECTED


def test_a_secret_has_the_length_of_a_hash() -> None:
    cut = "".join(f"{LINE[: -1 - 2 * size]}\n" for size in range(1, 32))
    assert parse_key_log(LINE + cut) == EXPECTED


def test_contradicting_secrets_are_all_kept() -> None:
    other = LINE.replace("0b" * 32, "0c" * 48)
    (labels,) = parse_key_log(LINE + other + LINE).values()
    assert labels == {"CLIENT_TRAFFIC_SECRET_0": [b"\x0b" * 32, b"\x0c" * 48]}


def embedded(tmp_path: Path, data: bytes) -> object:
    path = tmp_path / "capture.pcapng"
    path.write_bytes(data)
    with path.open("rb") as file:
        found = embedded_secrets(file)
        assert file.tell() == 0
    return found


def test_secrets_before_and_behind_the_packets(tmp_path: Path) -> None:
    assert embedded(tmp_path, pcapng([], LINE)) == EXPECTED
    assert embedded(tmp_path, pcapng([]) + decryption_secrets(LINE.encode())) == EXPECTED


def test_files_without_secrets(tmp_path: Path) -> None:
    assert embedded(tmp_path, pcapng([])) == {}
    assert embedded(tmp_path, b"") == {}
    assert embedded(tmp_path, b"\xd4\xc3\xb2\xa1" + bytes(40)) == {}


WHOLE = pcapng([], LINE)


@given(st.integers(0, len(WHOLE)), st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_damage_never_raises(end: int, position: int, value: int) -> None:
    damaged = bytearray(WHOLE)
    damaged[position] = value
    with TemporaryFile() as file:
        file.write(damaged[:end])
        file.flush()
        assert len(embedded_secrets(file)) <= 2
