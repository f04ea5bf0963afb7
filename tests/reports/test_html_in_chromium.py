"""The page in a real browser: it shows something, requests nothing, and logs no error.

Each check is tried on a page that must fail it.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from quicmatrix.reports import html
from quicmatrix.runner.model.run import RunResult
from quicmatrix.runner.results.run_view import run_view

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.chromium,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]
BLANK_AT_MOST = 20_000
"""Bytes of the screenshot of an empty page."""


class Proxy(ThreadingHTTPServer):
    """What the browser would have to go through; it remembers who asked for what."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Refusal)
        self.asked: list[str] = []


class Refusal(BaseHTTPRequestHandler):
    server: Proxy

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_error(403)

    do_CONNECT = do_POST = do_GET  # noqa: N815 - the names that the base class looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def look(page: Path, proxy: Proxy, tmp_path: Path, *flags: str) -> tuple[bytes, str]:
    """A screenshot of a page, and what the browser's console said."""
    assert CHROMIUM is not None
    picture = tmp_path / f"{page.stem}.png"
    profile = tmp_path / f"profile-{page.stem}-{len(flags)}"
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--enable-logging=stderr",
            "--log-level=0",
            f"--user-data-dir={profile}",
            f"--proxy-server=http://127.0.0.1:{proxy.server_port}",
            "--window-size=1280,2000",
            f"--screenshot={picture}",
            *flags,
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    console = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    return picture.read_bytes(), console


def test_the_page_shows_something_and_asks_nobody_for_anything(
    golden: RunResult, proxy: Proxy, tmp_path: Path
) -> None:
    picture, console = look(html.write(run_view(golden), tmp_path), proxy, tmp_path)
    assert len(picture) > 5 * BLANK_AT_MOST
    assert console == ""
    # The browser itself asks its maker for updates now and then, whatever its flags say.
    assert [asked for asked in proxy.asked if "google" not in asked] == []


def test_it_has_dark_colours(golden: RunResult, proxy: Proxy, tmp_path: Path) -> None:
    page = html.write(run_view(golden), tmp_path)
    light, _ = look(page, proxy, tmp_path)
    dark, _ = look(page, proxy, tmp_path, "--force-dark-mode")
    assert light != dark
    assert len(dark) > 5 * BLANK_AT_MOST


def test_these_checks_notice_a_blank_and_a_curious_page(
    golden: RunResult, proxy: Proxy, tmp_path: Path
) -> None:
    blank = tmp_path / "blank.html"
    blank.write_text("<!doctype html><title>nothing</title>", encoding="utf-8")
    picture, _ = look(blank, proxy, tmp_path)
    assert len(picture) < BLANK_AT_MOST

    curious = tmp_path / "curious.html"
    curious.write_text("<!doctype html><img src='http://example.org/x.png'>", encoding="utf-8")
    look(curious, proxy, tmp_path)
    assert "http://example.org/x.png" in proxy.asked

    broken = tmp_path / "broken.html"
    evil = "<img src='http://example.org/y.png'><script>alert(1)</script>"
    broken.write_text(
        html.render(run_view(golden)).replace("<h1>", f"{evil}<h1>"), encoding="utf-8"
    )
    _, console = look(broken, proxy, tmp_path)
    assert "Content Security Policy" in console
    assert "http://example.org/y.png" not in proxy.asked
