from __future__ import annotations

import pytest

from quicmatrix.reports import links
from quicmatrix.runner.trace.model import Side


@pytest.mark.parametrize(
    ("citation", "url"),
    [
        ("RFC 9000, 8.1.2", "https://www.rfc-editor.org/rfc/rfc9000.html#section-8.1.2"),
        ("RFC 9001, A.1", "https://www.rfc-editor.org/rfc/rfc9001.html#appendix-A.1"),
        ("RFC 9114", "https://www.rfc-editor.org/rfc/rfc9114.html"),
        ("interop suite", ""),
        ("", ""),
        ("RFC 9000, 8.1.2 and more", ""),
        ('RFC 9000, 8"><script>', ""),
        ("RFC 9000, 8\n", ""),
    ],
)
def test_only_citations_of_rfcs_become_links(citation: str, url: str) -> None:
    assert links.rfc(citation) == url


@pytest.mark.parametrize(
    "url", ["https://github.com/ngtcp2/ngtcp2", "http://example.org/a?b=c#d", "https://[::1]/x"]
)
def test_web_addresses_stay(url: str) -> None:
    assert links.project(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "javascript:alert(1)",
        " javascript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "//example.org",
        "https://",
        "https://[::1",
        'https://example.org/"onmouseover="x',
        "https://example.org/<x>",
        "https://example.org/\x1b",
        "https://example.org\\x",
    ],
)
def test_nothing_else_becomes_a_link(url: str) -> None:
    assert links.project(url) == ""


@pytest.mark.parametrize(
    ("folder", "names", "url"),
    [
        ("b_a/retry", (), "./b_a/retry"),
        ("b_a/retry", ("client", ""), "./b_a/retry/client/"),
        ("b_a/retry", ("attempt.json",), "./b_a/retry/attempt.json"),
        ("javascript:alert(1)", (), "./javascript%3Aalert%281%29"),
        ('a"b/<c>?#%', (), "./a%22b/%3Cc%3E%3F%23%25"),
        ("", (), ""),
        ("../../etc", (), ""),
        ("a/../../etc", (), ""),
        ("a", ("..",), ""),
        ("/etc/passwd", (), ""),
        ("a\nb", (), ""),
    ],
)
def test_links_stay_inside_of_the_run_s_folder(
    folder: str, names: tuple[str, ...], url: str
) -> None:
    assert links.inside(folder, *names) == url


def test_captures_are_named_as_quic_interop_runner_names_them() -> None:
    assert links.capture("b_a/retry", Side.CLIENT) == "./b_a/retry/sim/trace_node_left.pcap"
    assert links.capture("b_a/retry", Side.SERVER) == "./b_a/retry/sim/trace_node_right.pcap"
    assert links.capture("..", Side.SERVER) == ""
