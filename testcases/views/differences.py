"""Where bytes differ from what they should be, in words."""

from __future__ import annotations

from itertools import zip_longest


def first_difference(wanted: bytes, found: bytes) -> str:
    """Offset, expected and actual value of the first byte that differs; empty if none does."""
    for offset, (right, wrong) in enumerate(zip_longest(wanted, found)):
        if right != wrong:
            what = [f"0x{byte:02x}" if byte is not None else "nothing" for byte in (wrong, right)]
            return f"at offset {offset} of {len(wanted)} bytes is {what[0]} instead of {what[1]}"
    return ""
