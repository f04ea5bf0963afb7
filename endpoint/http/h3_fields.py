"""Which field sections make a message malformed (RFC 9114, 4.1.2, 4.2 and 4.3).

Beside what aioquic finds: it checks case, order, number and names of pseudo-header fields, and
refuses the fields of HTTP/1.1 connections.
"""

from __future__ import annotations

import re

from aioquic.h3.connection import MessageError
from aioquic.h3.events import Headers

_FIELD_NAME = re.compile(rb":?[!#$%&'*+.^_`|~0-9a-z-]+")
_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*")
_FORBIDDEN_IN_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_DIGITS = re.compile(rb"[0-9]+")
_WITH_AUTHORITY = frozenset({b"http", b"https"})
_FIELD_OVERHEAD_BYTES = 32


def section_size(fields: Headers) -> int:
    """Bytes of a field section as SETTINGS_MAX_FIELD_SECTION_SIZE counts them (4.2.2)."""
    return sum(len(name) + len(value) + _FIELD_OVERHEAD_BYTES for name, value in fields)


def check_fields(fields: Headers) -> None:
    """What holds in every field section.

    Raises:
        MessageError: A name is no lowercase token, a value has control characters, or there is
            no one content-length.
    """
    lengths = set()
    for name, value in fields:
        if not _FIELD_NAME.fullmatch(name):
            raise MessageError(f"field name {name!r} is no lowercase token")
        if _FORBIDDEN_IN_VALUE.search(value):
            raise MessageError(f"field {name!r} has a control character in its value")
        if name == b"content-length":
            # int() would take "+1", "1_0" and digits of other scripts.
            if not _DIGITS.fullmatch(value):
                raise MessageError("content-length is no number")
            lengths.add(int(value))
    if len(lengths) > 1:
        raise MessageError("content-length is there twice, and differs")


def checked_request(fields: Headers) -> Headers:
    """The fields of a request, with an :authority, be it in Host alone (RFC 9114, 4.3.1).

    aioquic refuses requests with Host alone, and takes those without :scheme or :path, or with
    another Host than :authority.

    Raises:
        MessageError: The request is malformed.
    """
    check_fields(fields)
    found = dict(fields)
    method = found.get(b":method")
    if method is None or not _METHOD.fullmatch(method):
        raise MessageError("a request has a :method, which is a token")
    if method == b"CONNECT":
        _check_connect(found)
        return fields
    scheme, path = found.get(b":scheme"), found.get(b":path")
    if scheme is None or not _SCHEME.fullmatch(scheme):
        raise MessageError("a request has a :scheme")
    if path is None or not (path.startswith(b"/") or (method, path) == (b"OPTIONS", b"*")):
        raise MessageError("a request has a :path, which begins with a slash")
    if b":protocol" in found:  # RFC 9220: only in CONNECT, and only if we allowed it
        raise MessageError("the request has :protocol without ENABLE_CONNECT_PROTOCOL")
    authority = _authority(fields, is_needed=scheme.lower() in _WITH_AUTHORITY)
    return fields if b":authority" in found else [(b":authority", authority), *fields]


def _authority(fields: Headers, *, is_needed: bool) -> bytes:
    values = {value for name, value in fields if name in {b":authority", b"host"}}
    if len(values) > 1 or sum(name == b"host" for name, _ in fields) > 1:
        raise MessageError(":authority and Host differ")
    authority = values.pop() if values else b""
    if is_needed and not authority:
        raise MessageError("a request has an :authority or a Host")
    if is_needed and b"@" in authority:
        raise MessageError("an authority has no user")
    return authority


def _check_connect(found: dict[bytes, bytes]) -> None:
    """RFC 9114, 4.4."""
    if not found.get(b":authority"):
        raise MessageError("CONNECT has an :authority")
    if not found.keys().isdisjoint({b":scheme", b":path", b":protocol"}):
        raise MessageError("CONNECT has neither :scheme nor :path nor :protocol")
